"""``runyard logs``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from runyard.cli.context import Root, RunId, connect
from runyard.cli.outcome import say
from runyard.cli.terminal import Neutraliser

if TYPE_CHECKING:
    from runyard.sdk.client import Client


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("logs")(logs)


def logs(
    run: RunId,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run has ended.")] = False,
    offset: Annotated[int, typer.Option(min=0, help="Begin at this byte.")] = 0,
    attempt: Annotated[int | None, typer.Option(min=1, help="Which attempt; the newest one by default.")] = None,
    root: Root = None,
) -> None:
    """Print what a run's script wrote.

    Exact bytes into a pipe or a file; on a terminal, escape sequences are spelled out instead of obeyed.
    """
    with connect(root) as client:
        found = client.runs.resolve(run)
        if not print_log(client, found, follow=follow, offset=offset, attempt=attempt):
            shown = client.runs.get(found)
            say(
                f"{found} has written no log{' from there on' if offset else ' yet'}: {shown['status']}, {shown['reason']}"
            )


def print_log(client: Client, run_id: str, *, follow: bool, offset: int = 0, attempt: int | None = None) -> int:
    """Write the log to stdout; returns how many bytes it had."""
    terminal = Neutraliser() if sys.stdout.isatty() else None
    size = 0
    shown = attempt
    for piece in client.runs.read_log(run_id, offset=offset, follow=follow, attempt=attempt):
        if shown is not None and piece.attempt != shown:
            say(f"attempt {piece.attempt}")
        shown = piece.attempt
        size += len(piece.data)
        if terminal is None:
            sys.stdout.buffer.write(piece.data)
            sys.stdout.buffer.flush()
        else:
            sys.stdout.write(terminal.feed(piece.data))
            sys.stdout.flush()
    if terminal is not None:
        sys.stdout.write(terminal.feed(b"", last=True))
    return size
