"""``runyard sweep``."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from runyard.cli.context import Json, Root, connect, root_of, seconds
from runyard.cli.outcome import say
from runyard.cli.show import colourless, local_time, print_json
from runyard.cli.terminal import plain
from runyard.cli.up import next_step

if TYPE_CHECKING:
    from runyard.api.shapes import SweptShape


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("sweep")(sweep)


def sweep(
    since: Annotated[
        str | None, typer.Option(metavar="TIME|AGE", help="Take what came since then: 2026-11-01, or 7d ago.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Take whatever lies there, however old.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would start.")] = False,
    json: Json = False,
    root: Root = None,
) -> None:
    """Start what lies in the drop folder and has no run.

    A host does so by itself every five minutes, with what came since the root was made.
    What is older is taken only here, with --since or --all.
    """
    if since is not None and everything:
        raise typer.BadParameter("give --since or --all, not both")
    total: dict[str, Any] = {"looked": 0, "taken": 0, "older": 0, "names": []}
    with connect(root) as client:
        mark = client.drops()["sinceTimeUtc"]
        for page in client.sweep(since=None if since is None else _time(since), everything=everything, dry_run=dry_run):
            _add(total, page)
            if not json:
                _progress(total, page, dry_run=dry_run)
        embedded = client.embedded
    if json:
        print_json({**total, "dryRun": dry_run, "sinceTimeUtc": mark})
    else:
        print(_told(total, dry_run=dry_run))
        if total["older"]:
            which = "before then" if since is not None else f"before the folder was watched first ({local_time(mark)})"
            say(f"{_zips(total['older'])} without a run came {which}; --all takes them too")
    if embedded and total["taken"] and not dry_run:
        next_step(root_of(root))


def _add(total: dict[str, Any], page: SweptShape) -> None:
    for key in ("looked", "taken", "older"):
        total[key] += page[key]
    total["names"] += page["names"]


def _progress(total: dict[str, Any], page: SweptShape, *, dry_run: bool) -> None:
    for name in page["names"]:
        print(f"{'would start' if dry_run else 'starts'}  {plain(name)}")
    if (more := page["taken"] - len(page["names"])) > 0:
        print(f"{'would start' if dry_run else 'starts'}  {more:,} more of this page")
    if page["next"] is not None and not colourless():
        print(f"{total['looked']:,} looked at", end="\r", file=sys.stderr, flush=True)


def _told(total: dict[str, Any], *, dry_run: bool) -> str:
    verb = "would start" if dry_run else "started"
    return f"{verb} {_zips(total['taken'])} of {total['looked']:,} looked at"


def _zips(count: int) -> str:
    return "1 zip" if count == 1 else f"{count:,} zips"


def _time(text: str) -> str:
    """A time in UTC from a time of this machine's clock, or from an age."""
    try:
        return datetime.fromisoformat(text).astimezone(UTC).isoformat()
    except (ValueError, OverflowError):
        try:
            age = seconds(text, "--since") or 0.0
            return datetime.fromtimestamp(max(time.time() - age, 0.0), UTC).isoformat()
        except typer.BadParameter:
            raise typer.BadParameter(
                f"--since takes a time such as 2026-11-01T08:00, or an age such as 7d, and not {text[:30]!r}"
            ) from None
