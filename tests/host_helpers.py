"""What the tests of the embedded host share: zips, small function apps, and waiting for what another thread does."""

from __future__ import annotations

import io
import textwrap
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from runyard.host.app import FunctionApp, Served, load_app

PATIENCE = 40.0
"""Seconds after which a test gives up on something that takes milliseconds."""


def zip_bytes(content: bytes = b"print('hello')\n", *, comment: bytes = b"") -> bytes:
    """A small zip."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("train.py", content)
        archive.comment = comment
    return buffer.getvalue()


def write_app(folder: Path, body: str, *, host_json: str | None = None) -> Path:
    """Write a ``function_app.py`` with the usual imports."""
    folder.mkdir(parents=True, exist_ok=True)
    head = "import queue, threading\nimport azure.functions as func\n\napp = func.FunctionApp()\nseen = queue.Queue()\n"
    path = folder / "function_app.py"
    path.write_text(head + textwrap.dedent(body))
    if host_json is not None:
        (folder / "host.json").write_text(host_json)
    return path


def app_of(
    folder: Path, body: str, *, host_json: str | None = None, settings: dict[str, str] | None = None
) -> FunctionApp:
    """Write and load an app."""
    return load_app(write_app(folder, body, host_json=host_json), settings)


def served(call: Callable[..., Any], trigger: str, **settings: Any) -> Served:
    """A function without an app; ``call`` takes the trigger's value, whatever it names it."""

    def handle(*, value: Any) -> None:
        call(value)

    return Served(name="f", trigger=trigger, settings=settings, call=handle, parameter="value")


def eventually(condition: Callable[[], Any], timeout: float = PATIENCE) -> Any:
    """Wait until ``condition`` holds and return what it gave; fails after ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    while not (result := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.002)
    return result
