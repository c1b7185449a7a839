"""``runyard submit``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from runyard.cli.context import Json, Root, Runconfig, Target, connect, pairs, root_of
from runyard.cli.logs import print_log
from runyard.cli.outcome import OF_STATUS, say
from runyard.cli.show import between, colourless, print_json
from runyard.cli.up import hosting, next_step
from runyard.errors import TargetError, TransientError

if TYPE_CHECKING:
    from runyard.sdk.client import Client
    from runyard.sdk.submitting import Asked, Posted, Progress


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("submit")(submit)


def submit(  # noqa: PLR0913, PLR0917 - each is an option
    source: Annotated[
        str, typer.Argument(metavar="DIR|ZIP", help="A directory, a zip, or container/name of a stored snapshot.")
    ],
    experiment: Annotated[
        str | None, typer.Option(help="The name that groups runs.", show_default="the directory's name")
    ] = None,
    runconfig: Runconfig = None,
    target: Target = None,
    arg: Annotated[
        list[str] | None, typer.Option(help="An argument of the script, instead of its own; --arg=--alpha=0.5. Repeat.")
    ] = None,
    script: Annotated[str | None, typer.Option(help="The script, instead of the run configuration's.")] = None,
    env: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="An environment variable of the script. Repeat.")
    ] = None,
    tag: Annotated[list[str] | None, typer.Option(metavar="NAME=VALUE", help="A tag of the run. Repeat.")] = None,
    name: Annotated[str, typer.Option(help="Shown with the run.", show_default=False)] = "",
    priority: Annotated[int, typer.Option(min=-100, max=100, help="Higher goes first; equal ones by age.")] = 0,
    wait: Annotated[
        bool, typer.Option("--wait", help="Show the log and wait for the end; plays host if none runs.")
    ] = False,
    key: Annotated[str | None, typer.Option(help="The request's identity: the same key finds the same run.")] = None,
    json: Json = False,
    root: Root = None,
) -> None:
    """Pack a directory and run it."""
    from runyard.sdk.submitting import Asked, experiment_name  # noqa: PLC0415

    asked = Asked(
        experiment=experiment or experiment_name(Path(source)),
        runconfig=runconfig,
        target=target,
        script=script,
        arguments=arg,
        environment_variables=pairs(env, "--env"),
        tags=pairs(tag, "--tag"),
        display_name=name,
        priority=priority,
    )
    with served(root, wait=wait) as client:
        run, created, same = _send(client, source, asked, key, quiet=json)
        if not created:
            other = ", whose snapshot is not what was sent now; use another key for that" if same is False else ""
            say(f"the key found a run that exists: {run['runId']}{other}")
        if wait:
            raise typer.Exit(_follow(client, run["runId"], json))
        if json:
            print_json(run)
        else:
            print(run["runId"], flush=True)
        if client.embedded:
            next_step(root_of(root))
        elif not json:
            say(f"follow it with `runyard logs -f {run['runId']}`")


@contextmanager
def served(root: Path | None, *, wait: bool) -> Iterator[Client]:
    """A client; to wait for a run without a host, this process plays host."""
    client = connect(root)
    if not (wait and client.embedded):
        with client:
            yield client
        return
    client.close()
    with hosting(root_of(root)) as (host, _services):
        say(f"no host serves {root_of(root)}: playing host at {host.url} until the run ends")
        with connect(root) as client:
            yield client


def _send(client: Client, source: str, asked: Asked, key: str | None, *, quiet: bool) -> Posted:
    place: Path | str = Path(source) if Path(source).exists() else source
    if quiet or colourless():
        return client.submit_once(place, asked, key=key)
    with _bar() as progress:
        return client.submit_once(place, asked, key=key, progress=progress)


@contextmanager
def _bar() -> Iterator[Progress]:
    """A bar for each thing that takes its time; what stays on the screen is said once they are gone."""
    from rich.console import Console  # noqa: PLC0415 - 60 ms
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TransferSpeedColumn  # noqa: PLC0415
    from rich.progress import Progress as Bars  # noqa: PLC0415

    columns = (TextColumn("{task.description:<9}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    is_unchanged = False
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks = {name: bars.add_task(name, total=None, visible=False, start=False) for name in ("packing", "uploading")}

        def tell(what: str, done: int, total: int) -> None:
            nonlocal is_unchanged
            if what not in tasks:
                is_unchanged = True
                return
            bars.start_task(tasks[what])  # its speed counts from its first call
            bars.update(tasks[what], completed=done, total=total, visible=True)

        yield tell
    if is_unchanged:
        say("unchanged: the service has this snapshot already, and uses it again")


def _follow(client: Client, run_id: str, json: bool) -> int:
    """Wait for the run's end; returns the exit code."""
    try:
        return _to_the_end(client, run_id, json)
    except KeyboardInterrupt:
        say(f"{run_id} is not canceled: it goes on, or waits; without a host, `runyard up` finishes it")
        raise
    except TargetError as error:
        what = error.message.removesuffix("; try again")
        raise TransientError(
            f"{what}; the run is written down and is not lost: follow it with `runyard logs -f {run_id}`"
        ) from error


def _to_the_end(client: Client, run_id: str, json: bool) -> int:
    if not json:
        say(f"{run_id}")
        print_log(client, run_id, follow=True)
    run = client.runs.wait(run_id)
    if json:
        print_json(run)
    else:
        took = between(run["startTimeUtc"], run["endTimeUtc"])
        say(f"{run_id} {run['status']}" + (f" after {took}" if took else "") + f": {run['reason']}")
    return OF_STATUS[run["status"]]
