"""``runyard notify``."""

from __future__ import annotations

import json as jsons
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from runyard.cli.context import Json, Root, connect, pairs
from runyard.cli.notify_show import print_deliveries, print_subscription, print_subscriptions
from runyard.cli.outcome import say
from runyard.cli.show import print_json
from runyard.cli.webhook_add import stored_snapshot
from runyard.errors import ConfigError

if TYPE_CHECKING:
    from runyard.sdk.subscriptions import Filters

app = typer.Typer(
    name="notify",
    help="Endings out: tell a URL or a queue when runs end, or start the next run.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

SECRET: Final = "RUNYARD_NOTIFY_SECRET"  # noqa: S105 - the variable's name
"""The variable from which ``add`` and ``rotate`` take the secret when it is set."""

Name = Annotated[str, typer.Argument(metavar="NAME", help="The subscription's.")]
SecretFile = Annotated[
    Path | None, typer.Option(help=f"Holds the secret (whsec_…); else {SECRET}, else one is made and shown once.")
]
Limit = Annotated[int, typer.Option(min=1, max=1000, help="At most so many, the newest.")]
State = Annotated[str | None, typer.Option(help="Only pending, delivered or dead ones.")]


@app.command("add")
def add(  # noqa: PLR0913, PLR0917 - each is an option
    name: Annotated[str, typer.Argument(metavar="NAME", help="Lower-case letters, digits, '-'.")],
    url: Annotated[str | None, typer.Option(help="Where to send a signed CloudEvent: https://…")] = None,
    url_file: Annotated[
        Path | None, typer.Option(help="Holds the URL, if it has a token in it: others see a command's options.")
    ] = None,
    queue: Annotated[
        str | None, typer.Option(help="A queue instead: submissions starts a run, any other takes the event.")
    ] = None,
    experiment: Annotated[str, typer.Option(metavar="GLOB", help="Only runs of these experiments.")] = "",
    state: Annotated[
        list[str] | None, typer.Option(help="Only these endings: Completed, Failed, Canceled. Repeat, or use commas.")
    ] = None,
    tag: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="Only runs with this tag. Repeat.")
    ] = None,
    source: Annotated[
        list[str] | None, typer.Option(help="Only runs asked for by blob, queue, webhook, api, schedule.")
    ] = None,
    secret_file: SecretFile = None,
    allow_http: Annotated[bool, typer.Option(help="Let the URL be http to another machine.")] = False,
    template: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A submission in JSON, with pointers: {/data/runId}.")
    ] = None,
    snapshot: Annotated[
        str | None, typer.Option(metavar="DIR|ZIP", help="What to start: uploaded now, or container/name.")
    ] = None,
    target_experiment: Annotated[
        str | None, typer.Option(help="The experiment of the runs that it starts.", show_default="the name")
    ] = None,
    runconfig: Annotated[str | None, typer.Option(help="Which run configuration of the snapshot.")] = None,
    target: Annotated[str | None, typer.Option(help="The compute, instead of the run configuration's.")] = None,
    arg: Annotated[
        list[str] | None, typer.Option(help="An argument of what it starts: --arg=--from={/data/runId}. Repeat.")
    ] = None,
    max_hops: Annotated[
        int | None, typer.Option(help="How many runs may start one another in a row.", show_default="10")
    ] = None,
    json: Json = False,
    root: Root = None,
) -> None:
    """Tell of endings; a secret is shown only if it was made here."""
    filters: Filters = {
        "experiment": experiment,
        "states": _many(state),
        "tags": pairs(tag, "--tag"),
        "sources": _many(source),
        "allow_http": allow_http,
    }
    started = {"runconfig": runconfig, "target": target, "arguments": arg}
    given: dict[str, Any] = {key: value for key, value in started.items() if value is not None}
    secret, made = "", False
    with connect(root) as client:
        if queue is not None:
            if url is not None or url_file is not None:
                raise typer.BadParameter("say --url or --queue, and only one of them")
            if snapshot is not None:
                given["snapshot"] = stored_snapshot(client, snapshot)
            if max_hops is not None:
                filters["max_hops"] = max_hops
            body = _template(name, template, given, target_experiment)
            found = client.subscriptions.add_queue(name, queue, template=body, **filters)
        else:
            if given or snapshot is not None or template is not None or target_experiment is not None:
                raise typer.BadParameter("what to start is for --queue submissions")
            secret, made = _secret(secret_file)
            address = _url(url, url_file)
            found = client.subscriptions.add_url(name, address, secret=secret, **filters)
    if json:
        print_json({**found} | ({"secret": secret} if made else {}))
        return
    print(f"{found['name']}  {found['url'] or 'queue ' + found['queue']}")
    if made:
        _show_made(secret)


@app.command("list")
def list_subscriptions(json: Json = False, root: Root = None) -> None:
    """List subscriptions, how much is on its way, and what was given up."""
    with connect(root) as client:
        found = client.subscriptions.list()
    if json:
        print_json({"subscriptions": found})
    else:
        print_subscriptions(found)


@app.command("show")
def show(name: Name, json: Json = False, root: Root = None) -> None:
    """Show one subscription, without its secret."""
    with connect(root) as client:
        found = client.subscriptions.get(name)
    if json:
        print_json(found)
    else:
        print_subscription(found)


@app.command("remove")
def remove(name: Name, root: Root = None) -> None:
    """Remove a subscription, its secret and its deliveries."""
    with connect(root) as client:
        client.subscriptions.remove(name)
    say(f"{name} is removed")


@app.command("pause")
def pause(
    name: Name, reason: Annotated[str, typer.Option(help="Why; shown in the list.")] = "", root: Root = None
) -> None:
    """Send nothing for now; what happens meanwhile is kept and sent later."""
    with connect(root) as client:
        client.subscriptions.pause(name, reason=reason)
    say(f"{name} is paused; `runyard notify resume {name}` sends what is kept")


@app.command("resume")
def resume(name: Name, root: Root = None) -> None:
    """Send again, first what was kept."""
    with connect(root) as client:
        found = client.subscriptions.resume(name)
    say(f"{name} goes on" + (f": {found['pending']} were kept" if found["pending"] else ""))


@app.command("rotate")
def rotate(name: Name, secret_file: SecretFile = None, json: Json = False, root: Root = None) -> None:
    """Sign with another secret; the one before signs too, for a day."""
    secret, made = _secret(secret_file)
    with connect(root) as client:
        found = client.subscriptions.rotate(name, secret=secret)
    if json:
        print_json({**found} | ({"secret": secret} if made else {}))
        return
    print(f"{name}  the secret before signs too, until {found['earlierSecretUntilTimeUtc']}")
    if made:
        _show_made(secret)


@app.command("test")
def try_now(name: Name, json: Json = False, root: Root = None) -> None:
    """Send an event of the type io.runyard.test and wait for the answer."""
    with connect(root) as client:
        came = client.subscriptions.test(name)
    if json:
        print_json(came)
    elif came["delivered"]:
        print(f"delivered in {came['seconds']:.2f} s: {came['status']}")
    if not came["delivered"]:
        raise ConfigError(f"the test was not delivered: {came['error']}")


@app.command("deliveries")
def deliveries(name: Name, state: State = None, limit: Limit = 50, json: Json = False, root: Root = None) -> None:
    """Show what was sent, what is on its way and what was given up, with the last try of each."""
    with connect(root) as client:
        found = client.subscriptions.deliveries(name, state=state, limit=limit)
    if json:
        print_json({"deliveries": found})
    else:
        print_deliveries(found)


@app.command("dead")
def dead(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Only of this subscription.")] = None,
    limit: Limit = 50,
    json: Json = False,
    root: Root = None,
) -> None:
    """Show the dead letters: deliveries that were given up, and why."""
    with connect(root) as client:
        found = client.subscriptions.deliveries(name, state="dead", limit=limit)
    if json:
        print_json({"deliveries": found})
    elif found:
        print_deliveries(found)
        say("`runyard notify redrive` sends them once more")
    else:
        say("there are none")


@app.command("redrive")
def redrive(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Only of this subscription.")] = None,
    json: Json = False,
    root: Root = None,
) -> None:
    """Send what was given up once more."""
    with connect(root) as client:
        count = client.subscriptions.redrive(name)
    if json:
        print_json({"redriven": count})
    else:
        say(f"{count} sent once more" if count else "there are none")


def _many(given: list[str] | None) -> list[str]:
    """Options that may be repeated, or hold several with commas."""
    return [part.strip() for text in given or [] for part in text.split(",") if part.strip()]


def _url(url: str | None, file: Path | None) -> str:
    if (url is None) == (file is None):
        raise typer.BadParameter("say where the events go: --url, --url-file or --queue, and only one of them")
    return url if url is not None else _held(file)


def _held(file: Path | None) -> str:
    """The one line of a file."""
    assert file is not None
    try:
        text = file.read_text(encoding="utf-8").strip()
    except UnicodeDecodeError:
        raise ConfigError(f"{file} is not UTF-8 text; it must hold one line of it") from None
    if not text:
        raise ConfigError(f"{file} is empty")
    return text


def _secret(file: Path | None) -> tuple[str, bool]:
    """The secret, and whether it was made here. It is never taken from the command line, which others can see."""
    from runyard.events.signatures import STANDARD, new_secret  # noqa: PLC0415

    if file is not None:
        return _held(file), False
    given = os.environ.get(SECRET)
    return (given, False) if given else (new_secret(STANDARD), True)


def _show_made(secret: str) -> None:
    print(f"secret  {secret}")
    say("the secret is shown this once; the receiver checks `webhook-signature` with it (Standard Webhooks)")


def _template(name: str, file: Path | None, given: dict[str, Any], experiment: str | None) -> dict[str, Any]:
    """The submission of an ending; empty for a queue that takes the event."""
    body: dict[str, Any] = {}
    if file is not None:
        try:
            body = jsons.loads(file.read_text(encoding="utf-8"))
        except UnicodeDecodeError:
            raise ConfigError(f"{file} is not JSON: it is not UTF-8 text") from None
        except ValueError as error:
            raise ConfigError(f"{file} is not JSON: {error}") from None
        if not isinstance(body, dict):
            raise ConfigError(f"{file} must hold a JSON object: a submission with pointers")
    body |= given
    if experiment is not None or (body and "experiment" not in body):
        body["experiment"] = experiment or name
    return body
