"""Every function is found by the worker, with the bindings that the host then serves; an app that cannot work does not load."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runyard.dispatch.wakes import BURIED, queues
from runyard.targets.registry import cloud_kinds
from tests.worker.host import Worker


def queue(name: str) -> list[dict[str, Any]]:
    return [
        {
            "direction": "IN",
            "type": "serviceBusTrigger",
            "name": "message",
            "queueName": name,
            "connection": "ServiceBus",
        }
    ]


def timer(schedule: str) -> list[dict[str, Any]]:
    return [{"direction": "IN", "type": "timerTrigger", "name": "timer", "schedule": schedule}]


METHODS = {"GET", "POST", "DELETE", "HEAD", "PATCH", "PUT", "OPTIONS"}
EXPECTED: dict[str, list[dict[str, Any]]] = {
    "accept": queue("submissions"),
    "watch": queue("watch"),
    "announce": queue("finished"),
    "notify": queue("notify"),
    "dead_letters": queue("deadletters"),
    "dispatch_batch": queue("dispatch-batch"),
    "blob_created": [{"direction": "IN", "type": "eventGridTrigger", "name": "event"}],
    "reconcile": timer("*/30 * * * * *"),
    "schedules": timer("*/15 * * * * *"),
    "sweep": timer("0 */5 * * * *"),
    "http": [
        {
            "direction": "IN",
            "type": "httpTrigger",
            "name": "req",
            "methods": METHODS,
            "authLevel": "ANONYMOUS",
            "route": "/{*route}",
        },
        {"direction": "OUT", "type": "http", "name": "$return"},
    ],
}


def said(binding: dict[str, Any]) -> dict[str, Any]:
    """A binding without what the library leaves empty; methods have no order, and newer libraries name more of them."""
    found = {key: value for key, value in binding.items() if value not in (None, False, [])}
    return {**found, "methods": METHODS & set(found["methods"])} if "methods" in found else found


def test_every_function_is_indexed_with_the_bindings_expected(
    start: Callable[..., Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runyard.targets.registry._paths", lambda: {"local": "a:B", "batch": "c:D"})
    worker = start()
    assert "" == worker.failure
    assert EXPECTED == {name: [said(each) for each in all_] for name, all_ in worker.bindings().items()}
    listened = {each["queueName"] for all_ in worker.bindings().values() for each in all_ if "queueName" in each}
    assert queues(cloud_kinds()) - {BURIED} == listened
    assert all(worker.load(name) for name in worker.functions)


def test_the_kind_local_is_not_indexed(start: Callable[..., Worker]) -> None:
    worker = start()
    assert "" == worker.failure
    assert not any(name.startswith("dispatch_local") for name in worker.functions)


def test_an_app_with_a_missing_setting_is_not_indexed_and_says_which(
    start: Callable[..., Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ServiceBus__fullyQualifiedNamespace")
    failure = start().failure
    assert failure.startswith("ConfigError: the setting ServiceBus__fullyQualifiedNamespace is missing")


BAD: dict[str, tuple[str, str]] = {
    "a parameter that is not bound": (
        "def broken(message: func.ServiceBusMessage, other: str) -> None:",
        "declared in Python but not in the function definition",
    ),
    "a binding without its parameter": ("def broken() -> None:", "not present in Python"),
    "another trigger's type": (
        "def broken(message: func.TimerRequest) -> None:",
        "do not match the corresponding function parameter",
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_binding_is_seen_to_fail(start: Callable[..., Worker], tmp_path: Path, what: str) -> None:
    signature, complaint = BAD[what]
    (tmp_path / "function_app.py").write_text(
        "import azure.functions as func\napp = func.FunctionApp()\n"
        '@app.service_bus_queue_trigger(arg_name="message", queue_name="q", connection="ServiceBus")\n'
        f"{signature}\n    pass\n"
    )
    failure = start(tmp_path).failure
    assert failure.startswith("FunctionLoadError: cannot load the broken function")
    assert complaint in failure
