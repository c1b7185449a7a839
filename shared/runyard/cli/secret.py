"""``runyard secret``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from runyard.cli.context import Json, Root, connect
from runyard.cli.outcome import say
from runyard.cli.show import age, print_json, print_table
from runyard.errors import ConfigError

app = typer.Typer(
    name="secret",
    help="Secrets that run configurations name, and scripts get as environment variables.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="Lower-case letters, digits, '-'.")]


@app.command("set")
def set_secret(
    name: Name,
    file: Annotated[
        Path | None, typer.Option(help="Holds the value; else it is asked for, or read from standard input.")
    ] = None,
    json: Json = False,
    root: Root = None,
) -> None:
    """Keep a value under a name. It is never taken from the command line, which others can see."""
    _check_name(name)
    value = _value(name, file)
    with connect(root) as client:
        found = client.secrets.set(name, value)
    if json:
        print_json(found)
        return
    say(f"{name} is set; `runyard: {{secrets: {{VARIABLE: {name}}}}}` in a run configuration gives it to the script")


@app.command("list")
def list_secrets(json: Json = False, root: Root = None) -> None:
    """List the names and ages, never the values."""
    with connect(root) as client:
        found = client.secrets.list()
    if json:
        print_json({"secrets": found})
        return
    print_table(("SECRET", "AGE"), [(each["name"], age(each["changedTimeUtc"])) for each in found])


@app.command("remove")
def remove(name: Name, root: Root = None) -> None:
    """Remove a secret."""
    _check_name(name)
    with connect(root) as client:
        client.secrets.remove(name)
    say(f"{name} is removed")


def _check_name(name: str) -> None:
    """Refuse what is no part of an address, before a value is asked for."""
    if "/" in name:
        raise ConfigError("no secret can have this name; it needs 1 to 100 lower-case letters, digits or '-'")


def _value(name: str, file: Path | None) -> str:
    """The value, without the newline at its end that editors and `echo` put there."""
    if file is not None:
        data = file.read_bytes()
    elif sys.stdin.isatty():
        data = str(typer.prompt(f"value of {name}", hide_input=True, err=True)).encode()
    else:
        data = sys.stdin.buffer.read()
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise ConfigError("the value is not UTF-8 text; encode it, in base64 say") from None
    text = text.removesuffix("\n").removesuffix("\r")
    if not text:
        raise ConfigError("the value is empty; nothing was kept")
    return text
