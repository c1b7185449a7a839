"""What ``function_app.py`` declares, compared as data; and that its handlers stay as thin as handlers have to be."""

from __future__ import annotations

import ast
from pathlib import Path

from runyard.host.app import load_app

HERE = Path(__file__).parents[2]
MOST_LINES = 10
"""A handler parses its binding, calls one use case and returns."""


def test_every_trigger_is_bound_as_expected() -> None:
    app = load_app(HERE / "function_app.py", {})
    bound = {served.name: (served.trigger, served.settings) for served in app.functions}
    queues = {name: settings["queueName"] for name, (kind, settings) in bound.items() if kind == "serviceBusTrigger"}
    assert {
        "accept": "submissions",
        "dispatch_local": "dispatch-local",
        "watch": "watch",
        "announce": "finished",
        "notify": "notify",
        "dead_letters": "deadletters",
    } == queues
    assert {"ServiceBus"} == {
        settings["connection"] for kind, settings in bound.values() if kind == "serviceBusTrigger"
    }
    timers = {name: settings["schedule"] for name, (kind, settings) in bound.items() if kind == "timerTrigger"}
    assert {"reconcile": "*/30 * * * * *", "schedules": "*/15 * * * * *", "sweep": "0 */5 * * * *"} == timers
    assert ["blob_created"] == [name for name, (kind, _) in bound.items() if kind == "eventGridTrigger"]
    assert app.asgi is not None


def test_handlers_are_thin() -> None:
    for path in (HERE / "functions").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and path.name != "bindings.py":
                body = [
                    part
                    for part in node.body
                    if not (isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant))
                ]
                lines = (body[-1].end_lineno or 0) - body[0].lineno + 1
                assert lines <= MOST_LINES, f"{path.name}: {node.name} has {lines} lines"


def test_the_triggers_know_use_cases_and_no_adapters() -> None:
    for path in (HERE / "functions").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                assert not (node.module or "").startswith(("runyard.stores", "runyard.targets", "os")), path.name
