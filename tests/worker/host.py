"""Plays the Functions host for Microsoft's own worker library, in this process: what the host sends, and what it reads.

The messages are those of the host's protocol with its workers, as plain objects in place of protobuf's:
https://github.com/Azure/azure-functions-language-worker-protobuf
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import azure_functions_runtime as runtime
from azure_functions_runtime import handle_event
from azure_functions_runtime.bindings.datumdef import Datum
from azure_functions_runtime.native_invocation import invocation_request_native
from azure_functions_runtime.utils import threadpool

from runyard.ports import Message

URL = "https://yard.azurewebsites.net"


class BindingInfo(SimpleNamespace):
    """A binding of the protocol; the numbers are the protocol's."""

    undefined = 0
    out = 1
    inout = 2


class StatusResult(SimpleNamespace):
    Failure = 0
    Success = 1


class Protos:
    """The protocol's messages: each keeps what it is made with."""

    BindingInfo = BindingInfo
    StatusResult = StatusResult

    def __getattr__(self, name: str) -> Any:
        return SimpleNamespace


@dataclass
class Answer:
    """What became of an invocation."""

    ok: bool
    value: Any
    error: str
    trace: str

    @property
    def status(self) -> int:
        """Of HTTP."""
        return int(self.value.value["status_code"].value)

    @property
    def body(self) -> bytes:
        found = self.value.value["body"].value
        return found if isinstance(found, bytes) else str(found).encode()

    @property
    def headers(self) -> dict[str, str]:
        return {name.lower(): datum.value for name, datum in self.value.value["headers"].items()}


class Worker:
    """The worker with one app loaded."""

    def __init__(self, folder: Path) -> None:
        """Start the worker on an app's folder, as the host does; :attr:`failure` says what went wrong."""
        self.folder = folder
        self.loop = asyncio.new_event_loop()
        handle_event._functions._functions.clear()
        handle_event._metadata_result = None
        threadpool.start_threadpool_executor()
        sys.path.insert(0, str(folder))
        request = SimpleNamespace(
            request=SimpleNamespace(
                worker_init_request=SimpleNamespace(capabilities={}, function_app_directory=str(folder))
            ),
            properties={"host": "127.0.0.1", "protos": Protos()},
        )
        result = self.loop.run_until_complete(runtime.worker_init_request(request)).result
        self.failure: str = "" if result.status == StatusResult.Success else result.exception.message
        self.functions = {} if self.failure else self._listed()

    def _listed(self) -> dict[str, Any]:
        answer = self.loop.run_until_complete(runtime.functions_metadata_request(None))
        return {each.name: each for each in answer.function_metadata_results}

    def bindings(self) -> dict[str, list[dict[str, Any]]]:
        """The bindings of every function, as the host reads them."""
        return {name: [json.loads(raw) for raw in each.raw_bindings] for name, each in self.functions.items()}

    def load(self, name: str) -> bool:
        """Load a function, as the host does before its first invocation."""
        ask = SimpleNamespace(function_load_request=SimpleNamespace(function_id=self.functions[name].function_id))
        answer = self.loop.run_until_complete(runtime.function_load_request(SimpleNamespace(request=ask)))
        return bool(answer.result.status == StatusResult.Success)

    def invoke(self, name: str, value: Datum, metadata: Mapping[str, Datum] | None = None) -> Answer:
        """Invoke a function by its trigger's value."""
        found = self.functions[name]
        parameter = next(each["name"] for each in self.bindings()[name] if each["type"].endswith("Trigger"))
        call = invocation_request_native("invocation-1", found.function_id, [(parameter, value)], dict(metadata or {}))
        ok, returned, _outputs, error, trace = self.loop.run_until_complete(call)
        return Answer(ok, returned, error or "", trace or "")

    def message(self, name: str, message: Message) -> Answer:
        """A Service Bus message; the metadata are those that the host's extension sends."""
        sent = datetime.fromtimestamp(message.enqueued, UTC).isoformat()
        facts: dict[str, Any] = {
            "MessageId": message.id,
            "DeliveryCount": message.delivery_count,
            "SequenceNumber": message.sequence,
            "EnqueuedTimeUtc": sent,
            "LockToken": message.lock_token,
            "ApplicationProperties": dict(message.properties),
            "UserProperties": dict(message.properties),
        }
        if message.dead_letter_source:
            facts["DeadLetterSource"] = message.dead_letter_source
            facts["DeadLetterReason"] = message.dead_letter_reason
            facts["DeadLetterErrorDescription"] = message.dead_letter_description
        metadata = {key: Datum(json.dumps(fact), "json") for key, fact in facts.items()}
        return self.invoke(name, Datum(message.body, "bytes"), metadata)

    def event(self, name: str, event: Mapping[str, Any]) -> Answer:
        """An event of Event Grid."""
        return self.invoke(name, Datum(json.dumps(event), "json"))

    def tick(self, name: str) -> Answer:
        """A timer's time."""
        return self.invoke(name, Datum(json.dumps({"IsPastDue": False, "Schedule": {"AdjustForDST": True}}), "json"))

    def http(self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Answer:
        """An HTTP request, through the one function there is for it."""
        said = {
            "host": URL.removeprefix("https://"),
            **{name.lower(): value for name, value in (headers or {}).items()},
        }
        route, _, query = path.partition("?")
        request = {
            "method": Datum(method, "string"),
            "url": Datum(f"{URL}{path}", "string"),
            "headers": {name: Datum(value, "string") for name, value in said.items()},
            "params": {"route": Datum(route.lstrip("/"), "string")},
            "query": {
                key: Datum(value, "string")
                for key, _, value in (part.partition("=") for part in query.split("&") if part)
            },
            "body": Datum(body, "bytes"),
        }
        return self.invoke("http", Datum(request, "http"))

    def stop(self) -> None:
        """Forget the app, once it has been told of the end on the loop on which it began."""
        app = getattr(sys.modules.get("function_app"), "app", None)
        if app is not None and getattr(app, "startup_task_done", False):
            self.loop.run_until_complete(app.middleware.notify_shutdown())
            app.startup_task_done = False
        threadpool.stop_threadpool_executor()
        self.loop.close()
        while str(self.folder) in sys.path:
            sys.path.remove(str(self.folder))
        sys.modules.pop("function_app", None)
