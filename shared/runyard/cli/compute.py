"""``runyard compute``."""

from __future__ import annotations

import json as jsons
import math
from typing import Annotated, Any

import typer

from runyard.cli.context import Json, Root, connect, pairs
from runyard.cli.outcome import say
from runyard.cli.show import print_json, print_table

app = typer.Typer(name="compute", help="Computes: where runs execute.", no_args_is_help=True, rich_markup_mode=None)


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
            "paused" if each["paused"] else "",
            ", ".join(each["aliases"]),
        )
        for each in found
    ]
    print_table(("COMPUTE", "KIND", "RUNNING", "WAITING", "", "ALIASES"), rows)


@app.command("set")
def set_compute(
    name: Annotated[str, typer.Argument(metavar="NAME")],
    kind: Annotated[str | None, typer.Option(help="Its kind, to create it.")] = None,
    limit: Annotated[int | None, typer.Option(help="How many runs it carries at a time.")] = None,
    paused: Annotated[
        bool | None, typer.Option("--pause/--resume", help="Whether it starts no more runs.", show_default=False)
    ] = None,
    option: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="A setting of its kind; JSON, else a text. Repeat.")
    ] = None,
    json: Json = False,
    root: Root = None,
) -> None:
    """Create a compute, or change what is given."""
    options = {key: _value(text) for key, text in pairs(option, "--option").items()} or None
    with connect(root) as client:
        found = client.computes.set(name, kind=kind, limit=limit, paused=paused, options=options)
    if json:
        print_json(found)
    else:
        state = ", paused" if found["paused"] else ""
        print(f"{found['name']}: kind {found['kind']}, {found['limit']} runs at a time{state}")


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
def remove_compute(name: Annotated[str, typer.Argument(metavar="NAME")], root: Root = None) -> None:
    """Remove a compute that is not in use."""
    with connect(root) as client:
        client.computes.remove(name)
    say(f"{name} is removed")


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
