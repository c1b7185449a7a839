"""``runyard drain``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from runyard.cli.context import Json, Root, connect, root_of, seconds
from runyard.cli.outcome import TIMED_OUT, UNREACHABLE, say
from runyard.cli.show import print_json

if TYPE_CHECKING:
    from runyard.api.shapes import DrainShape
    from runyard.sdk.client import Client

PAUSE: Final = 0.5
"""Seconds between two looks."""
STOP: Final = 60.0
"""Seconds that a host has to stop: calls in flight end within 10, and the rest is given back."""
_NAMED: Final = 5


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("drain")(drain)


def drain(
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until nothing runs any more.")] = True,
    timeout: Annotated[
        str | None, typer.Option(metavar="AGE", help="Wait so long at most, such as 30m; the drain goes on after that.")
    ] = None,
    stop: Annotated[bool, typer.Option("--stop", help="Then stop the host, and wait until it is gone.")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Instead: end a drain.")] = False,
    json: Json = False,
    root: Root = None,
) -> None:
    """Let the host come to rest: nothing new starts, events are kept, what runs goes on.

    Lasts until --undo, or until a host starts.
    """
    if undo and (stop or timeout is not None or not wait):
        raise typer.BadParameter("--undo ends a drain; it takes neither --wait, --timeout nor --stop")
    if not wait and (stop or timeout is not None):
        raise typer.BadParameter("--stop and --timeout need --wait")
    longest = seconds(timeout, "--timeout")
    with connect(root) as client:
        if undo:
            then = "`runyard up` starts what waits" if client.embedded else "what waits is started"
            _show(client.undrain(), json, f"the drain is over: {then}")
            return
        if client.embedded:
            _without_host(client, root_of(root), json)
            return
        found = client.drain()
        if wait:
            found = _wait(client, found, longest)
    late = wait and found["running"] > 0
    if stop and not late:
        late = not _stop(root_of(root))
    _show(found, json, _summary(found))
    if late:
        raise typer.Exit(TIMED_OUT)


def _wait(client: Client, found: DrainShape, longest: float | None) -> DrainShape:
    """Look until nothing runs any more or the time is up, and say each time that something changed."""
    deadline = None if longest is None else time.monotonic() + longest
    said = ""
    while found["running"]:
        if (line := _progress(found)) != said:
            say(line)
            said = line
        if deadline is not None and time.monotonic() >= deadline:
            say(f"the time is up, and {_still(found)} running; the drain goes on: wait again, cancel them, or --undo")
            break
        time.sleep(PAUSE)
        found = client.drained()
        if not found["draining"]:
            say("the drain was ended by somebody else, or by a host that started")
            break
    return found


def _progress(found: DrainShape) -> str:
    names = [f"{run['runId']} ({run['status']} on {run['compute']})" for run in found["runs"][:_NAMED]]
    more = found["running"] - len(names)
    if more > 0:
        names.append(f"{more} more")
    return f"{_still(found)} running: {', '.join(names)}"


def _still(found: DrainShape) -> str:
    return "1 run is still" if found["running"] == 1 else f"{found['running']} runs are still"


def _summary(found: DrainShape) -> str:
    what = "draining: nothing new starts" if found["draining"] else "not draining"
    runs = f"{_still(found)} running" if found["running"] else "nothing runs any more"
    return f"{what}; {runs}; {found['waiting']} waiting"


def _show(found: DrainShape, json: bool, text: str) -> None:
    if json:
        print_json(found)
    else:
        print(text)


def _stop(folder: Path) -> bool:
    """Stop the host; whether it is gone."""
    from runyard.host.stopping import ask_host_to_stop, wait_until_stopped  # noqa: PLC0415 - msgspec

    info = ask_host_to_stop(folder)
    say(f"nothing runs any more: stopping the host (process {info.pid})")
    if wait_until_stopped(folder, info, STOP):
        say("the host has stopped")
        return True
    say(f"the host (process {info.pid}) was asked to stop and is still there after {STOP:.0f} s; its log says why")
    return False


def _without_host(client: Client, folder: Path, json: bool) -> None:
    """Nothing starts without a host; whether anything still runs, only a host can see."""
    found = client.drained()
    if json:
        print_json(found)
    if not found["running"]:
        say(f"no host serves {folder}: nothing runs, and nothing starts until `runyard up`")
        return
    say(f"no host serves {folder}, so nothing new starts, and nobody sees how these end: {_progress(found)}")
    raise typer.Exit(UNREACHABLE)
