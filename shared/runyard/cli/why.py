"""``runyard why``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import typer

from runyard.cli.context import Json, Root, RunId, connect
from runyard.cli.show import local_time, print_json, print_lines, relative

if TYPE_CHECKING:
    from runyard.api.shapes import SaidShape, WhyShape


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("why")(why)


def why(run: RunId, json: Json = False, root: Root = None) -> None:
    """Say why a run is where it is: what it waits for, what happens next and when, and what can be done about it."""
    with connect(root) as client:
        found = client.runs.why(client.runs.resolve(run))
    if json:
        print_json(found)
    else:
        print_lines(_lines(found))


def _lines(found: WhyShape) -> Iterator[tuple[str, str]]:
    now = found["nowTimeUtc"]
    yield "run", found["runId"]
    shown = found["status"] if found["status"] == found["state"] else f"{found['status']}, in state {found['state']}"
    since = found["sinceTimeUtc"]
    yield "status", f"{shown} since {local_time(since)} ({relative(since, now)})"
    yield "reason", found["reason"]
    yield from _named(
        "waits for",
        [each["text"] + (f", until {_when(each, now)}" if each["timeUtc"] else "") for each in found["waitsFor"]],
    )
    yield from _named("next", [_at(each, now) for each in found["next"]])
    yield from _named("known", [_at(each, now) for each in found["facts"]])
    yield from _named("to do", found["advice"])


def _named(name: str, texts: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The first with its name, the others below it."""
    for index, text in enumerate(texts):
        yield ("" if index else name), text


def _at(said: SaidShape, now: str) -> str:
    return f"{_when(said, now)}: {said['text']}" if said["timeUtc"] else said["text"]


def _when(said: SaidShape, now: str) -> str:
    return f"{local_time(said['timeUtc'])} ({relative(str(said['timeUtc']), now)})"
