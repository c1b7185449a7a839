"""Calls a function of the app, and says what went wrong."""

from __future__ import annotations

import asyncio
import logging

from runyard.errors import RunyardError
from runyard.host.app import Served
from runyard.host.bindings import InvocationContext
from runyard.runconfig.redact import redacted_text

log = logging.getLogger("runyard.host")


def invoke(served: Served, value: object) -> None:
    """Call a function with its trigger's value; what it raises passes through."""
    arguments: dict[str, object] = {served.parameter: value}
    if served.takes_context:
        arguments["context"] = InvocationContext(served.name, served.folder)
    if served.is_async:
        asyncio.run(served.call(**arguments))
    else:
        served.call(**arguments)


def describe(error: BaseException) -> str:
    """An error in one line: our own sentence, else the type and what it says. It goes to the log and to dead letters."""
    if isinstance(error, RunyardError):
        return redacted_text(error.message)
    text = redacted_text(" ".join(str(error).split()))
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def report_failure(served: Served, what: str, error: BaseException) -> None:
    """Log one line for people (``<function>: <what>: <error>``), and the traceback for those who debug."""
    log.error("%s: %s: %s", served.name, what, describe(error), extra={"action": "function.failed"})
    log.debug("%s: the traceback", served.name, exc_info=error)
