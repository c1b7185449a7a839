"""``runyard events``."""

from __future__ import annotations

import json as jsons
from typing import TYPE_CHECKING, Annotated, Final

import typer

from runyard.cli.context import Json, Root, RunId, connect
from runyard.cli.show import local_time, print_json, print_table
from runyard.cli.terminal import plain

if TYPE_CHECKING:
    from runyard.api.shapes import AttemptShape, EventShape

_STATUS: Final = 13
"""Characters of the longest state's name, and of the longest usual actor's below."""
_WHO: Final = 10


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("events")(events)


def events(
    run: RunId,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run has ended.")] = False,
    json: Json = False,
    root: Root = None,
) -> None:
    """List what happened to a run and why, oldest first, and its attempts.

    With --follow, each event as it comes; with --json, too, one a line.
    """
    with connect(root) as client:
        found = client.runs.resolve(run)
        if follow:
            for event in client.runs.follow_history(found):
                print(jsons.dumps(event) if json else _line(event), flush=True)
            rows: list[EventShape] = []
        else:
            rows = client.runs.history(found)
        attempts = client.runs.attempts(found)
    if json:
        if not follow:
            print_json({"runId": found, "events": rows, "attempts": attempts})
        return
    if not follow:
        print_table(
            ("TIME", "STATUS", "WHO", "REASON"),
            [(local_time(row["timeUtc"]), row["status"], row["who"], row["reason"]) for row in rows],
            fixed=3,
            status=1,
        )
    if attempts:
        print()
        _print_attempts(attempts)


def _line(event: EventShape) -> str:
    """An event as it comes: the columns have to be wide enough for what is not known yet."""
    who = plain(event["who"])
    return f"{local_time(event['timeUtc'])}  {event['status']:<{_STATUS}}  {who:<{_WHO}}  {plain(event['reason'])}"


def _print_attempts(attempts: list[AttemptShape]) -> None:
    rows = [
        (
            str(each["attempt"]),
            each["compute"],
            str(each["slot"]),
            local_time(each["claimedTimeUtc"]),
            local_time(each["startTimeUtc"]),
            local_time(each["endTimeUtc"]),
            "" if each["exitCode"] is None else str(each["exitCode"]),
            each["outcome"],
            each["handle"] or each["name"],
        )
        for each in attempts
    ]
    print_table(
        ("ATTEMPT", "COMPUTE", "SLOT", "CLAIMED", "STARTED", "ENDED", "EXIT", "OUTCOME", "HANDLE"), rows, fixed=8
    )
