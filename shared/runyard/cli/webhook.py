"""``runyard webhook``."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from runyard.cli.context import Json, Root, Runconfig, Target, connect, pairs
from runyard.cli.outcome import say
from runyard.cli.show import local_time, print_json, print_table
from runyard.cli.up import PORT
from runyard.errors import ConfigError

if TYPE_CHECKING:
    from runyard.sdk.client import Client

app = typer.Typer(
    name="webhook", help="Webhooks: signed deliveries that start runs.", no_args_is_help=True, rich_markup_mode=None
)

SECRET: Final = "RUNYARD_WEBHOOK_SECRET"  # noqa: S105 - the variable's name
"""The variable from which ``add`` takes the secret when it is set."""


@app.command("add")
def add(  # noqa: PLR0913, PLR0917 - each is an option
    name: Annotated[str, typer.Argument(metavar="NAME", help="Part of the URL: lower-case letters, digits, '-'.")],
    snapshot: Annotated[str, typer.Option(metavar="DIR|ZIP", help="What to run: uploaded now, or container/name.")],
    experiment: Annotated[
        str | None, typer.Option(help="The runs' experiment.", show_default="the webhook's name")
    ] = None,
    kind: Annotated[str, typer.Option(help="How deliveries are signed.")] = "github",
    runconfig: Runconfig = None,
    target: Target = None,
    arg: Annotated[
        list[str] | None,
        typer.Option(
            help="An argument; {/pointer} takes a value of the payload: --arg=--alpha={/client_payload/alpha}."
        ),
    ] = None,
    tag: Annotated[list[str] | None, typer.Option(metavar="NAME=VALUE", help="A tag; pointers as in --arg.")] = None,
    event: Annotated[list[str] | None, typer.Option(help="Only this event, such as push. Repeat.")] = None,
    secret_file: Annotated[
        Path | None, typer.Option(help=f"Holds the secret; else {SECRET}, else one is made and shown once.")
    ] = None,
    json: Json = False,
    root: Root = None,
) -> None:
    """Define a webhook; its secret is shown only if it was made here."""
    secret, made = _secret(secret_file)
    submission: dict[str, Any] = {"experiment": experiment or name}
    submission |= {key: value for key, value in (("runconfig", runconfig), ("target", target)) if value is not None}
    if arg is not None:
        submission["arguments"] = arg
    if tag is not None:
        submission["tags"] = pairs(tag, "--tag")
    with connect(root) as client:
        submission["snapshot"] = snapshot_of(client, snapshot)
        found = client.webhooks.add(name, secret=secret, submission=submission, kind=kind, events=event or [])
        url = (client.url or f"http://127.0.0.1:{PORT}") + found["path"]
    if json:
        print_json({**found, "url": url} | ({"secret": secret} if made else {}))
        return
    print(f"url     {url}")
    if made:
        print(f"secret  {secret}")
        say("the secret is shown this once; give it to the sender, with the content type application/json")


@app.command("list")
def list_webhooks(json: Json = False, root: Root = None) -> None:
    """List webhooks, without their secrets."""
    with connect(root) as client:
        found = client.webhooks.list()
    if json:
        print_json({"webhooks": found})
        return
    rows = [
        (
            each["name"],
            each["kind"],
            str(each["submission"].get("experiment", "")),
            ", ".join(each["events"]) or "all",
            local_time(each["createdTimeUtc"]),
        )
        for each in found
    ]
    print_table(("WEBHOOK", "KIND", "EXPERIMENT", "EVENTS", "CREATED"), rows)


@app.command("remove")
def remove(name: Annotated[str, typer.Argument(metavar="NAME")], root: Root = None) -> None:
    """Remove a webhook and its secret."""
    with connect(root) as client:
        client.webhooks.remove(name)
    say(f"{name} is removed")


def _secret(file: Path | None) -> tuple[str, bool]:
    """The secret, and whether it was made here. It is never taken from the command line, which others can see."""
    if file is not None:
        text = file.read_text(encoding="utf-8").strip()
        if not text:
            raise ConfigError(f"{file} is empty; put the secret into it")
        return text, False
    given = os.environ.get(SECRET)
    return (given, False) if given else (secrets.token_hex(32), True)


def snapshot_of(client: Client, text: str) -> object:
    """What a submission names: uploaded if it is here, else a reference."""
    from runyard.sdk.submitting import reference  # noqa: PLC0415 - pathspec and what it brings

    path = Path(text)
    if path.exists():
        return client.upload(path)
    return reference(text)
