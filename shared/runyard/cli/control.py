"""``runyard cancel`` and ``resubmit``."""

from __future__ import annotations

from typing import Annotated

import typer

from runyard.cli.context import Json, Root, RunId, connect, root_of
from runyard.cli.outcome import CANCELED, OF_STATUS, say
from runyard.cli.show import print_json
from runyard.cli.up import next_step


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("cancel")(cancel)
    app.command("resubmit")(resubmit)


def cancel(
    run: RunId,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until nothing of it runs any more.")] = False,
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="End the record at once, without evidence: the script may still be running on its compute."
        ),
    ] = False,
    json: Json = False,
    root: Root = None,
) -> None:
    """Ask for a run's end. Repeatable; a run that has ended stays as it is."""
    with connect(root) as client:
        found = client.runs.resolve(run)
        after = client.runs.cancel(found, force=force)
        waits = client.embedded and after["status"] not in OF_STATUS
        if wait and not waits:
            after = client.runs.wait(found)
    if json:
        print_json(after)
    else:
        print(f"{found} {after['status']}", flush=True)
    if waits:
        say("no host serves the root now; the next `runyard up` carries it out")
    left = after["mayStillRun"]
    if left is not None:
        say(
            f"it may still be running on {left['compute']} (handle {left['handle'] or 'unknown'}); nothing watches it any more"
        )
    if after["status"] in OF_STATUS and OF_STATUS[after["status"]] != CANCELED:
        say(f"it had ended before: {after['reason']}")


def resubmit(
    run: RunId,
    target: Annotated[str | None, typer.Option(help="Another compute.")] = None,
    arg: Annotated[list[str] | None, typer.Option(help="Other arguments of the script. Repeat.")] = None,
    json: Json = False,
    root: Root = None,
) -> None:
    """Run again what an earlier run was asked with."""
    with connect(root) as client:
        new = client.runs.resubmit(client.runs.resolve(run), target=target, arguments=arg)
        if json:
            print_json(new)
        else:
            print(new["runId"])
        if client.embedded:
            next_step(root_of(root))
