"""``runyard webhook``, but for ``add``, which has a module of its own."""

from __future__ import annotations

import json as json_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from runyard.cli.context import Json, Root, connect, seconds
from runyard.cli.outcome import say
from runyard.cli.show import local_time, print_fields, print_json, print_table, span
from runyard.cli.webhook_add import add, example_lines, given_secret, reached
from runyard.cli.webhook_options import SecretFile
from runyard.errors import ConfigError
from runyard.events.signatures import new_secret

if TYPE_CHECKING:
    from runyard.api.event_shapes import WebhookSecretShape, WebhookShape, WebhookTestShape

app = typer.Typer(
    name="webhook", help="Webhooks: proven deliveries that start runs.", no_args_is_help=True, rich_markup_mode=None
)
app.command("add")(add)

Name = Annotated[str, typer.Argument(metavar="NAME")]
UNTIL_REMOVED = "until-removed"


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
            "the blob's" if each["blobDrops"] else str(each["submission"].get("experiment", "")),
            ", ".join(each["events"]) or "all",
            "paused" if each["paused"] else "open",
            local_time(each["createdTimeUtc"]),
        )
        for each in found
    ]
    print_table(("WEBHOOK", "KIND", "EXPERIMENT", "EVENTS", "STATE", "CREATED"), rows)


@app.command("show")
def show(name: Name, json: Json = False, root: Root = None) -> None:
    """Show a webhook: what it takes, what became of its last deliveries, and a command that sends it one."""
    with connect(root) as client:
        found, url = client.webhooks.get(name), client.url
    if json:
        print_json({**found, "url": reached(url, found)})
        return
    print_fields([*_definition(found, reached(url, found)), *_deliveries(found)])
    print()
    for line in example_lines(found, url):
        print(line)


@app.command("remove")
def remove(name: Name, root: Root = None) -> None:
    """Remove a webhook and its secrets."""
    with connect(root) as client:
        client.webhooks.remove(name)
    say(f"{name} is removed")


@app.command("pause")
def pause(name: Name, json: Json = False, root: Root = None) -> None:
    """Turn deliveries away with 503 and Retry-After; a handshake is still answered."""
    with connect(root) as client:
        found = client.webhooks.pause(name)
    if json:
        print_json(found)
    say(f"{name} is paused: senders are asked to come again; those that do not try again lose what they send")


@app.command("resume")
def resume(name: Name, json: Json = False, root: Root = None) -> None:
    """Take deliveries again."""
    with connect(root) as client:
        found = client.webhooks.resume(name)
    if json:
        print_json(found)
    say(f"{name} takes deliveries")


@app.command("rotate")
def rotate(
    name: Name,
    secret_file: SecretFile = None,
    keep_old: Annotated[
        str,
        typer.Option(
            metavar=f"DURATION|{UNTIL_REMOVED}", help="How long the old secret goes on to prove; 0s ends it at once."
        ),
    ] = "1d",
    json: Json = False,
    root: Root = None,
) -> None:
    """Give a webhook a new secret; the old one goes on to prove until its senders have the new one."""
    keep = None if keep_old.strip().lower() == UNTIL_REMOVED else seconds(keep_old, "--keep-old")
    with connect(root) as client:
        given = given_secret(secret_file)
        secret = given or new_secret(client.webhooks.get(name)["proof"]["scheme"])
        found = client.webhooks.rotate(name, secret=secret, keep_old=keep)
    if json:
        print_json(found if given else {**found, "secret": secret})
        return
    if not given:
        print(f"secret  {secret}")
        say("the secret is shown this once; give it to the sender")
    for each in found["secrets"][1:]:
        until = each["validUntilTimeUtc"]
        say(f"secret {each['id']} goes on to prove until " + (local_time(until) if until else "it is removed"))


@app.command("secrets")
def secrets(
    name: Name,
    drop: Annotated[str | None, typer.Option("--remove", metavar="ID", help="Let this one prove nothing more.")] = None,
    json: Json = False,
    root: Root = None,
) -> None:
    """List a webhook's secrets, never their values; or remove one."""
    with connect(root) as client:
        if drop is not None:
            client.webhooks.remove_secret(name, drop)
            say(f"secret {drop} of {name} proves nothing any more")
        found = client.webhooks.secrets(name)
    if json:
        print_json({"secrets": list(found)})
        return
    rows = [
        (
            each["id"],
            local_time(each["createdTimeUtc"]),
            _until(each),
            local_time(each["lastUsedTimeUtc"]) or "not since the host started",
        )
        for each in found
    ]
    print_table(("ID", "CREATED", "VALID UNTIL", "LAST USED"), rows)


@app.command("test")
def try_out(
    name: Name,
    payload: Annotated[
        str | None,
        typer.Option(metavar="FILE|JSON", help="The event, or its data; else one is made that fits the template."),
    ] = None,
    event: Annotated[str, typer.Option(help="The event's name or type; else the first that is let through.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Start nothing; show what would be submitted.")] = False,
    json: Json = False,
    root: Root = None,
) -> None:
    """Send a webhook a delivery, signed as its sender would, through its own door."""
    data = None if payload is None else _payload(payload)
    with connect(root) as client:
        found = client.webhooks.test(name, payload=data, event=event, dry_run=dry_run)
    if json:
        print_json(found)
        return
    _print_trial(found)


def _payload(text: str) -> Any:
    """The JSON of a file, or the JSON that the text is.

    Raises:
        ConfigError: if it is neither.
    """
    is_json = text.lstrip()[:1] in {"{", "["}
    source = text.encode() if is_json else Path(text).read_bytes()
    try:
        return json_module.loads(source)
    except (ValueError, RecursionError):
        what = "the text" if is_json else text
        raise ConfigError(f"--payload: {what[:60]} is not JSON") from None


def _print_trial(found: WebhookTestShape) -> None:
    print_fields([("signature", found["signature"]), ("headers", ", ".join(found["headers"]))])
    if not found["events"]:
        print_fields([("event", "asks for nothing")])
    for each in found["events"]:
        asked = each["submission"]
        print_fields(
            [
                ("event", f"{each['eventId']} {each['type']}".rstrip()),
                ("outcome", each["outcome"]),
                ("run", each["runId"] or ""),
                ("submission", json_module.dumps(asked) if asked else ""),
            ]
        )


def _definition(found: WebhookShape, url: str) -> list[tuple[str, str]]:
    proof, submission = found["proof"], found["submission"]
    how = [f"{proof['scheme']} in {proof['header']}", *filter(None, (proof["algorithm"], proof["encoding"]))]
    window = proof["toleranceSeconds"]
    subject = f"{found['subjectPrefix']}…{found['subjectSuffix']}"
    return [
        ("webhook", f"{found['name']} ({found['kind']})" + (", paused" if found["paused"] else "")),
        ("url", url),
        ("proof", ", ".join(how) + (f", within {span(window)}" if window else "")),
        ("identity", found["idHeader"] or found["idPointer"]),
        ("events", ", ".join(found["events"]) or "all"),
        ("subject", subject if len(subject) > 1 else ""),
        ("handshake", "open: answered without the secret" if found["openHandshake"] else ""),
        ("secrets", "; ".join(f"{each['id']} until {_until(each)}" for each in found["secrets"])),
        ("starts", "the run of the blob" if found["blobDrops"] else json_module.dumps(submission)),
        ("created", local_time(found["createdTimeUtc"])),
    ]


def _deliveries(found: WebhookShape) -> list[tuple[str, str]]:
    count = found["deliveries"]
    refusal = f"{local_time(count['lastRefusedTimeUtc'])}: {count['lastRefusal']}" if count["refused"] else ""
    return [
        ("since", f"{local_time(count['sinceTimeUtc'])}, when the host started"),
        ("deliveries", f"taken {count['accepted']}, runs started {count['runs']}, refused {count['refused']}"),
        ("last taken", local_time(count["lastAcceptedTimeUtc"])),
        ("last refused", refusal),
        ("last handshake", local_time(count["lastHandshakeTimeUtc"])),
    ]


def _until(each: WebhookSecretShape) -> str:
    if not each["valid"]:
        return "over"
    return local_time(each["validUntilTimeUtc"]) or "removed"
