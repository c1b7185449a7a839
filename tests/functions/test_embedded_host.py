"""The embedded host over small function apps with the real decorators and real stores of one machine."""

from __future__ import annotations

import json
import logging
import os
import queue
import signal
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from runyard.errors import ConfigError, ConflictError, RunyardError
from runyard.host import Host, HostOptions, running_host
from runyard.ports import Ports
from runyard.ports.target import ComputeTarget
from runyard.stores.embedded.stores import EmbeddedStores
from runyard.testing import MemoryCourier
from tests.host_helpers import PATIENCE, eventually, write_app, zip_bytes

QUEUES = """
@app.service_bus_queue_trigger(arg_name="message", queue_name="submissions", connection="Bus")
def accept(message: func.ServiceBusMessage) -> None:
    seen.put((message.message_id, message.get_body()))
"""
DROPS = """
@app.event_grid_trigger(arg_name="event")
def dropped(event: func.EventGridEvent) -> None:
    seen.put(event)
"""
WEB = """
async def api(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": scope["path"].encode()})

app = func.AsgiFunctionApp(app=api, http_auth_level=func.AuthLevel.ANONYMOUS)
"""


class _NoTargets:
    def get(self, kind: str) -> ComputeTarget:
        raise AssertionError(kind)

    def kinds(self) -> list[str]:
        return []


class Yard:
    """A root with its stores, and hosts for it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stores = EmbeddedStores.open(folder / "root")
        self.root = self.stores.root
        stores = self.stores
        self.ports = Ports(
            runs=stores.runs,
            gates=stores.gates,
            queue=stores.queue,
            blobs=stores.blobs,
            computes=stores.computes,
            webhooks=stores.webhooks,
            schedules=stores.schedules,
            marks=stores.marks,
            subscriptions=stores.subscriptions,
            deliveries=stores.deliveries,
            courier=MemoryCourier(),
            secrets=stores.secrets,
            clock=stores.clock,
            targets=_NoTargets(),
        )
        self.printed: list[str] = []

    def host(self, body: str, **options: Any) -> Host:
        path = write_app(self.folder / "app", body, host_json=options.pop("host_json", None))
        settings = {"port": 0, "grace": 5.0, "console": self.printed.append, "version": "1", **options}
        return Host(self.ports, self.root, "the-token", options=HostOptions(app_path=path, **settings))

    @contextmanager
    def up(self, body: str, **options: Any) -> Iterator[tuple[Host, queue.Queue[Any]]]:
        host = self.host(body, **options)
        host.start()
        try:
            assert host.wait_ready(PATIENCE)
            yield host, host.app.module.seen
        finally:
            host.stop()

    def drop(self, name: str) -> Path:
        path = self.root / "snapshots" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(zip_bytes())
        return path


@pytest.fixture
def yard(tmp_path: Path) -> Iterator[Yard]:
    yard = Yard(tmp_path)
    yield yard
    yard.stores.close()


def test_a_message_reaches_its_function_and_is_completed(yard: Yard) -> None:
    with yard.up(QUEUES) as (_, seen):
        yard.ports.queue.send("submissions", b"{}", message_id="m-1")
        assert seen.get(timeout=PATIENCE) == ("m-1", b"{}")
        eventually(lambda: not yard.ports.queue.counts().get("submissions"))


def test_a_renamed_queue_is_followed(yard: Yard) -> None:
    with yard.up(QUEUES.replace('"submissions"', '"%QUEUE%"'), settings={"QUEUE": "renamed"}) as (_, seen):
        yard.ports.queue.send("submissions", b"old", message_id="old")
        yard.ports.queue.send("renamed", b"new", message_id="new")
        assert seen.get(timeout=PATIENCE)[0] == "new"

    assert seen.empty()
    assert yard.ports.queue.counts()["submissions"] == 1


def test_a_handler_that_raises_gets_the_message_again(yard: Yard) -> None:
    body = """
    @app.service_bus_queue_trigger(arg_name="message", queue_name="submissions", connection="Bus")
    def accept(message: func.ServiceBusMessage) -> None:
        seen.put(message.delivery_count)
        if message.delivery_count < 3:
            raise OSError("the disk said no")
    """
    with yard.up(body) as (_, seen):
        yard.ports.queue.send("submissions", b"{}", message_id="m-1")
        assert [seen.get(timeout=PATIENCE) for _ in range(3)] == [1, 2, 3]

    lines = [line for line in yard.printed if "failed" in line]
    assert len(lines) == 2
    assert lines[0].endswith(
        "function.failed  error: accept: message m-1 (delivery 1) failed: OSError: the disk said no"
    )


def test_host_json_bounds_the_calls_of_a_function(yard: Yard) -> None:
    body = """
    gate, lock, running, most = threading.Event(), threading.Lock(), [0], [0]

    @app.service_bus_queue_trigger(arg_name="message", queue_name="submissions", connection="Bus")
    def accept(message: func.ServiceBusMessage) -> None:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        seen.put(1)
        gate.wait(10)
        with lock:
            running[0] -= 1
    """
    host_json = json.dumps({"version": "2.0", "extensions": {"serviceBus": {"maxConcurrentCalls": 2}}})
    for number in range(6):
        yard.ports.queue.send("submissions", b"%d" % number)
    with yard.up(body, host_json=host_json) as (host, seen):
        for _ in range(2):
            seen.get(timeout=PATIENCE)
        host.app.module.gate.set()
        for _ in range(4):
            seen.get(timeout=PATIENCE)

        assert host.app.module.most == [2]


def test_a_stop_waits_for_what_is_in_flight(yard: Yard) -> None:
    body = """
    gate = threading.Event()

    @app.service_bus_queue_trigger(arg_name="message", queue_name="submissions", connection="Bus")
    def accept(message: func.ServiceBusMessage) -> None:
        seen.put("in")
        gate.wait(10)
        seen.put("out")
    """
    with yard.up(body) as (host, seen):
        yard.ports.queue.send("submissions", b"{}")
        assert seen.get(timeout=PATIENCE) == "in"
        stopper = threading.Thread(target=host.stop)
        gate = host.app.module.gate
        stopper.start()
        eventually(lambda: host._parts is None)
        gate.set()
        stopper.join(PATIENCE)

    assert seen.get_nowait() == "out"
    assert not yard.ports.queue.counts().get("submissions")


def test_a_dropped_zip_becomes_a_blob_event(yard: Yard) -> None:
    with yard.up(DROPS) as (_, seen):
        path = yard.drop("exp/a b.zip")
        event = seen.get(timeout=PATIENCE)

    blob = yard.ports.blobs.head("snapshots", "exp/a b.zip")
    assert blob is not None
    data = event.get_json()
    assert event.event_type == "Microsoft.Storage.BlobCreated"
    assert event.subject == "/blobServices/default/containers/snapshots/blobs/exp/a b.zip"
    assert (data["eTag"], data["contentLength"], data["url"]) == (blob.etag, blob.size, path.as_uri())
    assert any("blob.arrived" in line and "snapshots/exp/a b.zip arrived" in line for line in yard.printed)


def test_what_was_dropped_while_the_host_was_down_arrives_once(yard: Yard) -> None:
    for number in range(200):
        yard.drop(f"exp/{number}.zip")
    done: set[str] = set()

    def known(container: str, name: str, etag: str, modified: float) -> bool:
        blob = yard.ports.blobs.head(container, name)
        assert blob is not None
        assert (blob.etag, blob.modified) == (etag, modified)
        return name in done

    for _ in range(2):
        with yard.up(DROPS, known=known) as (_, seen):
            names: list[str] = []
            while len(done) + len(names) < 200:
                names.append(seen.get(timeout=PATIENCE).subject.partition("/blobs/")[2])
            yard.drop("exp/marker.zip")
            assert seen.get(timeout=PATIENCE).subject.endswith("/marker.zip")
        assert len(names) == len(set(names)) == 200 - len(done)
        done.update(names, ["exp/marker.zip"])
        (yard.root / "snapshots/exp/marker.zip").unlink()
        done.discard("exp/marker.zip")


def test_a_timer_runs_with_the_host(yard: Yard) -> None:
    body = """
    @app.timer_trigger(arg_name="timer", schedule="0 0 3 1 1 *", run_on_startup=True)
    def tidy(timer: func.TimerRequest) -> None:
        seen.put(timer.past_due)
    """
    with yard.up(body) as (_, seen):
        assert seen.get(timeout=PATIENCE) is False


def test_http_is_served_and_the_host_can_be_found(yard: Yard) -> None:
    with yard.up(WEB) as (host, _):
        assert httpx.get(f"{host.url}/api/runs").text == "/api/runs"
        info = running_host(yard.root)
        assert info is not None
        assert (info.url, info.token, info.pid, info.version) == (host.url, "the-token", os.getpid(), "1")
        assert stat.S_IMODE((yard.root / "host.json").stat().st_mode) == 0o600
        assert not any("the-token" in line for line in yard.printed)

    assert running_host(yard.root) is None
    assert not (yard.root / "host.json").exists()


def test_a_second_host_on_the_same_root_is_refused(yard: Yard) -> None:
    with yard.up(WEB) as (host, _):
        with pytest.raises(ConflictError) as caught:
            yard.host(WEB).start()
        assert f"at {host.url} (process {os.getpid()})" in caught.value.message
        assert httpx.get(host.url).status_code == 200


def test_a_host_that_is_not_running_says_so(yard: Yard) -> None:
    with pytest.raises(RunyardError, match="start it first"):
        _ = yard.host(WEB).url


def test_a_port_in_use_leaves_nothing_behind(yard: Yard, tmp_path: Path) -> None:
    other = Yard(tmp_path / "other")
    try:
        with yard.up(WEB) as (host, _):
            port = int(host.url.rpartition(":")[2])
            with pytest.raises(ConfigError, match=f"port {port} is in use"):
                other.host(WEB, port=port).start()
        assert running_host(other.root) is None
        with other.up(WEB, port=port) as (again, _):
            assert again.url.endswith(f":{port}")
    finally:
        other.stores.close()


def test_a_dead_predecessors_locks_are_freed(yard: Yard) -> None:
    yard.ports.queue.send("submissions", b"{}", message_id="m-1")
    assert len(yard.ports.queue.receive("submissions", most=1, lock=3600)) == 1
    with yard.up(QUEUES) as (_, seen):
        assert seen.get(timeout=PATIENCE)[0] == "m-1"


def test_a_signal_stops_the_host(yard: Yard) -> None:
    host = yard.host(WEB)
    host.start()
    threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGTERM)).start()
    before = signal.getsignal(signal.SIGTERM)
    host.run_forever()

    assert signal.getsignal(signal.SIGTERM) is before
    assert running_host(yard.root) is None
    assert any("host.stopping" in line for line in yard.printed)


def test_a_stop_can_be_repeated_and_ends_the_lines(yard: Yard) -> None:
    host = yard.host(WEB)
    host.start()
    host.stop()
    host.stop()
    count = len(yard.printed)
    logging.getLogger("runyard.host").warning("after the end")

    assert len(yard.printed) == count
