"""``runyard logs``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from runyard.cli.context import Root, RunId, connect
from runyard.cli.outcome import say
from runyard.cli.preparing import preparation_log, show_preparation
from runyard.cli.terminal import Neutraliser

if TYPE_CHECKING:
    from runyard.sdk.client import Client


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("logs")(logs)


def logs(
    run: RunId,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run has ended.")] = False,
    offset: Annotated[int, typer.Option(min=0, max=1 << 62, help="Begin at this byte.")] = 0,
    attempt: Annotated[int | None, typer.Option(min=1, help="Which attempt; the newest one by default.")] = None,
    root: Root = None,
) -> None:
    """Print what a run's script wrote.

    Exact bytes into a pipe or a file; on a terminal, escape sequences are spelled out instead of obeyed.
    """
    with connect(root) as client:
        found = client.runs.resolve(run)
        if not print_log(client, found, follow=follow, offset=offset, attempt=attempt):
            say(_why_none(client, found, offset))


def print_log(client: Client, run_id: str, *, follow: bool, offset: int = 0, attempt: int | None = None) -> int:
    """Write the log to stdout; returns how many bytes it had.

    Of a run that failed before its script began, that is the log of its preparation. What is done before the script
    starts is told on stderr while it is followed.
    """
    told = show_preparation(client, run_id, attempt) if follow and not offset else 0
    terminal = Neutraliser() if sys.stdout.isatty() else None
    size = 0
    shown = attempt
    for piece in client.runs.read_log(run_id, offset=offset, follow=follow, attempt=attempt):
        if shown is not None and piece.attempt != shown:
            say(f"attempt {piece.attempt}")
        shown = piece.attempt
        size += len(piece.data)
        _write(piece.data, terminal)
    if not size and not offset:
        prepared = preparation_log(client, run_id, attempt)[told if terminal is not None else 0 :]
        size = len(prepared)
        _write(prepared, terminal)
    if terminal is not None:
        sys.stdout.write(terminal.feed(b"", last=True))
    return size


def _write(data: bytes, terminal: Neutraliser | None) -> None:
    if terminal is None:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    else:
        sys.stdout.write(terminal.feed(data))
        sys.stdout.flush()


def _why_none(client: Client, run_id: str, offset: int) -> str:
    run = client.runs.get(run_id)
    if offset:
        what = "has written no log from there on"
    elif run["endTimeUtc"] is None:
        what = "has written no log yet"
    elif run["startTimeUtc"] and not client.runs.files(run_id):
        what = "has no log any more: its log was removed"
    else:
        what = "has written no log"
    return f"{run_id} {what}; {run['status']}: {run['reason']}"
