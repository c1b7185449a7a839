"""A host with telemetry on sends protobuf to a collector, and rows to Application Insights; no secret is in any of it."""

from __future__ import annotations

import gzip
import json
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from runyard import telemetry
from runyard.telemetry.lines import as_json
from runyard.telemetry.traceparent import span_id, trace_id
from tests.acceptance.yard import running

SENDER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
CANARY = "cnry0f0f77secret"


class Collector(ThreadingHTTPServer):
    """Keeps what is sent to it, by path."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Taking)
        self.bodies: list[tuple[str, bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def taken(self, path: str) -> list[bytes]:
        return [body for where, body in self.bodies if where.startswith(path)]


class Taking(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        packed = "gzip" in (self.headers.get("Content-Encoding") or "")
        self.server.bodies.append((self.path, gzip.decompress(body) if packed else body))
        answer = json.dumps({"itemsReceived": 1, "itemsAccepted": 1, "errors": []}).encode()
        self.send_response(200)
        if self.path.startswith("/v1/"):
            answer = b""
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing."""


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector()
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield made
    made.shutdown()
    thread.join(5)
    made.server_close()


@contextmanager
def sending(**environ: str) -> Iterator[None]:
    assert telemetry.start(system="runyard", environ=environ)
    try:
        yield
    finally:
        telemetry.stop()


def test_a_host_sends_the_spans_metrics_and_log_of_a_run_and_no_secret(
    tmp_path: Path, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    with sending(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url), running(tmp_path / "r") as yard:
        yard.services.ports.blobs.put("uploads", "a.zip", _zip()) if yard.services else None
        document = {
            "experiment": "exp",
            "snapshot": "uploads/a.zip",
            "arguments": ["--password", CANARY],
            "environmentVariables": {"API_TOKEN": CANARY},
        }
        with yard.client() as client:
            answer = client.post("/api/runs", json=document, headers={"traceparent": SENDER})
        assert answer.status_code == 202, answer.text
        assert answer.json()["traceId"] == trace_id(SENDER)
        run = yard.ended(answer.json()["runId"])
        assert str(run.state) == "Completed", run.reason
    spans = [
        span
        for body in collector.taken("/v1/traces")
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]
    mine = {span.name for span in spans if span.trace_id.hex() == trace_id(SENDER)}
    expected = {
        "POST /api/runs",
        "send submissions",
        "process submissions",
        "accept",
        "claim",
        "submit",
        "Running",
        "run",
    }
    assert expected <= mine
    (whole,) = [span for span in spans if span.name == "run"]
    (door,) = [span for span in spans if span.name == "POST /api/runs"]
    assert door.parent_span_id.hex() == span_id(SENDER)
    assert whole.parent_span_id == door.span_id
    metrics = {
        metric.name
        for body in collector.taken("/v1/metrics")
        for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }
    assert {"runyard.run.ended", "runyard.run.queue_wait", "runyard.function.duration"} <= metrics
    records = [
        record
        for body in collector.taken("/v1/logs")
        for resource in ExportLogsServiceRequest.FromString(body).resource_logs
        for scope in resource.scope_logs
        for record in scope.log_records
    ]
    ends = [r for r in records if any(a.key == "action" and a.value.string_value == "end" for a in r.attributes)]
    assert len(ends) == 1
    assert ends[0].trace_id.hex() == trace_id(SENDER)
    assert not [path for path, body in collector.bodies if CANARY.encode() in body]


def _zip() -> bytes:
    from tests.fakes import runconfig, snapshot

    return snapshot({"train.py": "print('hello')"}, config=runconfig())


def test_application_insights_gets_requests_and_dependencies(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL", "true")
    key = "00000000-0000-0000-0000-000000000001"
    connection = f"InstrumentationKey={key};IngestionEndpoint={collector.url}/"
    with (
        sending(APPLICATIONINSIGHTS_CONNECTION_STRING=connection, OTEL_METRICS_EXPORTER="none"),
        telemetry.span("process submissions", kind="consumer", parent=SENDER),
    ):
        telemetry.past("Queued", SENDER, (1e9, 1e9 + 5), {"runyard.run.id": "exp_1"})
        logging.getLogger("runyard.test").warning("told", extra={"action": "alarm", "run": "exp_1"})
    rows = [row for body in collector.taken("/v2.1/track") for row in _rows(body)]
    kinds = {row["data"]["baseType"]: row for row in rows}
    assert {"RequestData", "RemoteDependencyData", "MessageData"} <= {*kinds}
    assert kinds["RemoteDependencyData"]["tags"]["ai.operation.id"] == trace_id(SENDER)
    assert kinds["RemoteDependencyData"]["data"]["baseData"]["properties"]["runyard.run.id"] == "exp_1"
    assert kinds["MessageData"]["data"]["baseData"]["properties"]["action"] == "alarm"


def _rows(body: bytes) -> list[dict[str, Any]]:
    text = body.decode()
    return list(json.loads(text)) if text.startswith("[") else [json.loads(line) for line in text.splitlines()]


def test_a_line_of_json_has_the_action_the_run_and_the_trace() -> None:
    from tests.unit.traced import recording

    record = logging.makeLogRecord(
        {
            "name": "runyard.x",
            "levelname": "INFO",
            "msg": "%s ended\nnow",
            "args": ("it",),
            "action": "end",
            "run": "r-1",
        }
    )
    bare = json.loads(as_json(record))
    assert (bare["action"], bare["run"], bare["message"]) == ("end", "r-1", "it ended\nnow")
    assert "trace_id" not in bare
    assert "\n" not in as_json(record)
    with recording(), telemetry.span("x", parent=SENDER) as span:
        told = json.loads(as_json(record))
        assert (told["trace_id"], told["span_id"]) == (trace_id(SENDER), span_id(span.traceparent))
