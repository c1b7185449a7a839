"""What is done before a script starts, shown while a command waits for it."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final

from runyard.cli.outcome import OF_STATUS, say
from runyard.errors import NotFoundError

if TYPE_CHECKING:
    from runyard.sdk.client import Client

PREPARATION_LOG: Final = "azureml-logs/20_image_build_log.txt"
"""Written if there is anything to say of the preparation; the name is the SDK's."""
PREPARING: Final = "Preparing"
_BEFORE: Final = frozenset({"NotStarted", "Queued", "Starting", "Provisioning", PREPARING})
"""The states in which no script runs yet."""
_LOOK: Final = 1.0
"""Seconds between looks; what the script writes is not waited for."""


def show_preparation(client: Client, run_id: str, attempt: int | None) -> int:
    """Tell on stderr what the preparation says, until the script writes or the run has ended; returns the bytes told."""
    told = 0
    while True:
        piece = client.runs.log(run_id, offset=0, wait=_LOOK, attempt=attempt)
        has_begun = bool(piece.data) or piece.status not in _BEFORE
        if piece.status == PREPARING or (told and has_begun and piece.status not in OF_STATUS):
            text = preparation_log(client, run_id, attempt)
            end = text.rfind(b"\n") + 1
            for line in text[told:end].decode("utf-8", "replace").splitlines():
                say(line)
            told = max(told, end)
        if has_begun:
            return told


def preparation_log(client: Client, run_id: str, attempt: int | None) -> bytes:
    """The log of a preparation; empty if there is none."""
    into = io.BytesIO()
    try:
        client.runs.download(run_id, PREPARATION_LOG, into, attempt=attempt)
    except NotFoundError:
        return b""
    return into.getvalue()


def last_line(client: Client, run_id: str) -> str:
    """What the preparation of a run is at."""
    lines = preparation_log(client, run_id, None).decode("utf-8", "replace").splitlines()
    return next((line for line in reversed(lines) if line.strip()), "")
