"""``runyard compute``."""

from __future__ import annotations

import json as jsons
import math
from typing import TYPE_CHECKING, Annotated, Any

import typer

from runyard.cli.context import Json, Root, connect, pairs, seconds
from runyard.cli.outcome import say
from runyard.cli.show import local_time, print_json, print_table, span
from runyard.cli.terminal import plain
from runyard.errors import NotFoundError

if TYPE_CHECKING:
    from runyard.api.shapes import ComputeShape
    from runyard.sdk.client import Client

app = typer.Typer(name="compute", help="Computes: where runs execute.", no_args_is_help=True, rich_markup_mode=None)

Name = Annotated[str, typer.Argument(metavar="NAME")]


@app.command("list")
def list_computes(json: Json = False, root: Root = None) -> None:
    """List computes, their limits and how full they are."""
    with connect(root) as client:
        found = client.computes.list()
    if json:
        print_json({"computes": found})
        return
    rows = [
        (
            each["name"],
            each["kind"],
            f"{each['taken']} of {each['limit']}",
            str(each["waiting"]),
            ", ".join(each["aliases"]),
            held(each),
        )
        for each in found
    ]
    print_table(("COMPUTE", "KIND", "RUNNING", "WAITING", "ALIASES", "STATE"), rows)


@app.command("set")
def set_compute(  # noqa: PLR0913, PLR0917 - each is an option
    name: Name,
    kind: Annotated[str | None, typer.Option(help="Its kind, to create it.")] = None,
    limit: Annotated[int | None, typer.Option(help="How many runs it carries at a time.")] = None,
    paused: Annotated[
        bool | None, typer.Option("--pause/--resume", help="Whether it starts no more runs.", show_default=False)
    ] = None,
    spot: Annotated[
        bool | None,
        typer.Option(
            "--spot/--no-spot",
            help="Whether its machines may be taken back at any time: such runs get three new attempts.",
            show_default=False,
        ),
    ] = None,
    deadline: Annotated[
        list[str] | None,
        typer.Option(
            metavar="STATE=AGE", help="How long a run may be Provisioning, Preparing or Finalizing; or default. Repeat."
        ),
    ] = None,
    option: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="A setting of its kind; JSON, else a text. Repeat.")
    ] = None,
    json: Json = False,
    root: Root = None,
) -> None:
    """Create a compute, or change what is given."""
    options = {key: _value(text) for key, text in pairs(option, "--option").items()} or None
    deadlines = {state: _age(text) for state, text in pairs(deadline, "--deadline").items()} or None
    with connect(root) as client:
        found = client.computes.set(
            name, kind=kind, limit=limit, paused=paused, options=options, spot=spot, deadlines=deadlines
        )
    _show(found, json)


@app.command("pause")
def pause_compute(
    name: Name,
    reason: Annotated[str | None, typer.Option(metavar="TEXT", help="Why, for those who find it paused.")] = None,
    json: Json = False,
    root: Root = None,
) -> None:
    """Let a compute start no more runs. What runs there goes on, and what waits keeps its place."""
    with connect(root) as client:
        _known(client, name)
        _show(client.computes.pause(name, reason=reason), json)


@app.command("resume")
def resume_compute(name: Name, json: Json = False, root: Root = None) -> None:
    """Let a paused compute start runs again."""
    with connect(root) as client:
        _known(client, name)
        _show(client.computes.resume(name), json)


def _known(client: Client, name: str) -> None:
    """To pause what is not there is a matter of spelling, and not of creating it."""
    known = [each["name"] for each in client.computes.list()]
    if name not in known:
        raise NotFoundError(f"there is no compute {name!r}; there are: {', '.join(known) or 'none'}")


def _show(found: ComputeShape, json: bool) -> None:
    if json:
        print_json(found)
        return
    about = [f"kind {found['kind']}", f"{found['limit']} run{'' if found['limit'] == 1 else 's'} at a time"]
    about += [f"{state} {span(length)}" for state, length in found["deadlines"].items()]
    print(plain(f"{found['name']}: {', '.join(about)}" + (f", {state}" if (state := held(found)) else "")))


def held(compute: ComputeShape) -> str:
    """What keeps a compute from starting anything, and that it is spot."""
    words = []
    if compute["paused"]:
        words.append("paused" + (f": {compute['pausedReason']}" if compute["pausedReason"] else ""))
    if compute["draining"]:
        words.append("draining")
    if (until := compute["blockedUntilTimeUtc"]) is not None:
        words.append(f"blocked until {local_time(until)}: {compute['blockedReason'] or 'no reason given'}")
    if compute["spot"]:
        words.append("spot")
    return "; ".join(words)


@app.command("alias")
def set_alias(
    alias: Annotated[str, typer.Argument(metavar="ALIAS", help="The name that run configurations use.")],
    compute: Annotated[str | None, typer.Argument(metavar="[COMPUTE]", help="What it shall mean.")] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Remove the alias.")] = False,
    root: Root = None,
) -> None:
    """Let another name mean a compute."""
    if (compute is None) != remove:
        raise typer.BadParameter("say the compute that the alias shall mean, or --remove")
    with connect(root) as client:
        client.computes.alias(alias, compute)
    say(f"{alias} is removed" if compute is None else f"{alias} means {compute}")


@app.command("remove")
def remove_compute(name: Name, root: Root = None) -> None:
    """Remove a compute that is not in use."""
    with connect(root) as client:
        client.computes.remove(name)
    say(f"{name} is removed")


def _age(text: str) -> float | None:
    """Seconds; ``None`` for ``default``."""
    return None if text.strip().lower() == "default" else seconds(text, "--deadline")


def _value(text: str) -> Any:
    """JSON, else the text itself."""
    try:
        return jsons.loads(text, parse_float=_finite, parse_constant=_finite)
    except (ValueError, RecursionError):
        return text


def _finite(text: str) -> float:
    number = float(text)
    if math.isfinite(number):
        return number
    raise typer.BadParameter(f"--option takes finite numbers, and not {text[:30]}")
