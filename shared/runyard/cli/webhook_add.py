"""``runyard webhook add``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from runyard.cli.context import Json, Root, Runconfig, Target, connect, pairs, seconds
from runyard.cli.outcome import say
from runyard.cli.show import print_json
from runyard.cli.up import PORT
from runyard.errors import ConfigError
from runyard.events.signatures import ALGORITHMS, ENCODINGS, SCHEMES, SIGNATURE_HEADER, TIMESTAMP_HEADER, new_secret

if TYPE_CHECKING:
    from runyard.api.shapes import WebhookShape
    from runyard.sdk.client import Client

SECRET: Final = "RUNYARD_WEBHOOK_SECRET"  # noqa: S105 - the variable's name
"""The variable from which ``add`` and ``rotate`` take the secret when it is set."""
KINDS: Final = "github, hmac, cloudevents or eventgrid"

SecretFile = Annotated[
    Path | None, typer.Option(help=f"Holds the secret; else {SECRET}, else one is made and shown once.")
]


def add(  # noqa: PLR0913, PLR0917 - each is an option
    name: Annotated[str, typer.Argument(metavar="NAME", help="Part of the URL: lower-case letters, digits, '-'.")],
    snapshot: Annotated[
        str | None, typer.Option(metavar="DIR|ZIP", help="What to run: uploaded now, or container/name.")
    ] = None,
    experiment: Annotated[
        str | None, typer.Option(help="The runs' experiment.", show_default="the webhook's name")
    ] = None,
    kind: Annotated[str, typer.Option(help=f"Who sends: {KINDS}.")] = "github",
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
    event_type: Annotated[
        list[str] | None, typer.Option("--type", help="The same, for event types of cloudevents and eventgrid. Repeat.")
    ] = None,
    subject_prefix: Annotated[str | None, typer.Option(help="Only events whose subject begins so.")] = None,
    subject_suffix: Annotated[str | None, typer.Option(help="Only events whose subject ends so.")] = None,
    scheme: Annotated[
        str | None,
        typer.Option(
            help=f"How deliveries of hmac and cloudevents are signed: {', '.join(SCHEMES)}.",
            show_default="timestamped for hmac; cloudevents and eventgrid show the secret in a header",
        ),
    ] = None,
    signature_header: Annotated[
        str | None, typer.Option(help="Holds the signature.", show_default=SIGNATURE_HEADER)
    ] = None,
    timestamp_header: Annotated[
        str | None, typer.Option(help="Holds its time in seconds.", show_default=TIMESTAMP_HEADER)
    ] = None,
    algorithm: Annotated[
        str | None, typer.Option(help=f"{' or '.join(ALGORITHMS)}.", show_default=ALGORITHMS[0])
    ] = None,
    encoding: Annotated[str | None, typer.Option(help=f"{' or '.join(ENCODINGS)}.", show_default=ENCODINGS[0])] = None,
    tolerance: Annotated[
        str | None,
        typer.Option(
            metavar="DURATION", help="How far a signature's time may be from ours, either way.", show_default="300s"
        ),
    ] = None,
    id_header: Annotated[str | None, typer.Option(help="Of hmac: holds a delivery's identity.")] = None,
    id_pointer: Annotated[
        str | None, typer.Option(metavar="/POINTER", help="Of hmac: where the payload has its identity.")
    ] = None,
    secret_header: Annotated[
        str | None,
        typer.Option(
            help="Shows the secret of cloudevents and eventgrid; Authorization: Bearer does too.",
            show_default="X-Runyard-Key",
        ),
    ] = None,
    open_handshake: Annotated[
        bool, typer.Option("--open-handshake", help="Answer a handshake without the secret; deliveries need it still.")
    ] = False,
    blob_drops: Annotated[
        bool, typer.Option("--blob-drops", help="Of eventgrid: run each zip that a BlobCreated event tells of.")
    ] = False,
    secret_file: SecretFile = None,
    json: Json = False,
    root: Root = None,
) -> None:
    """Define a webhook; its secret is shown only if it was made here."""
    given = given_secret(secret_file)
    secret = given or new_secret(scheme or "")
    submission = _submission(name, experiment, runconfig, target, arg, tag)
    if (snapshot is None) != blob_drops:
        raise typer.BadParameter(
            "--snapshot says what to run; with --blob-drops each event does, and one of the two is needed"
        )
    if blob_drops and len(submission) > 1:
        raise typer.BadParameter(
            "with --blob-drops the zip says what runs; leave out --runconfig, --target, --arg and --tag"
        )
    with connect(root) as client:
        if snapshot is not None:
            submission["snapshot"] = snapshot_of(client, snapshot)
        found = client.webhooks.add(
            name,
            secret=secret,
            submission={} if blob_drops else submission,
            kind=kind,
            events=[*(event or []), *(event_type or [])],
            scheme=scheme,
            signature_header=signature_header,
            timestamp_header=timestamp_header,
            algorithm=algorithm,
            encoding=encoding,
            tolerance=seconds(tolerance, "--tolerance"),
            secret_header=secret_header,
            id_header=id_header,
            id_pointer=id_pointer,
            subject_prefix=subject_prefix,
            subject_suffix=subject_suffix,
            blob_drops=blob_drops,
            open_handshake=open_handshake,
        )
        host = client.url
    url = reached(host, found)
    if json:
        print_json({**found, "url": url} | ({} if given else {"secret": secret}))
        return
    print(f"url     {url}")
    if not given:
        print(f"secret  {secret}")
        say(f"the secret is shown this once; give it to the sender, for {_what_for(found)}")
    for line in example_lines(found, host):
        say(line)


def given_secret(file: Path | None) -> str | None:
    """The secret of the file or the variable. It is never taken from the command line, which others can see."""
    if file is not None:
        text = file.read_text(encoding="utf-8").strip()
        if not text:
            raise ConfigError(f"{file} is empty; put the secret into it")
        return text
    return os.environ.get(SECRET) or None


def reached(host: str, found: WebhookShape) -> str:
    """Where the webhook is, as far as can be told from here: a proxy or a tunnel has an address of its own."""
    return (host or f"http://127.0.0.1:{PORT}") + found["path"]


def example_lines(found: WebhookShape, host: str) -> list[str]:
    """The command that sends a delivery, for a shell."""
    url = host or f"http://127.0.0.1:{PORT}"
    return ["# a delivery by hand; $SECRET is the webhook's secret", f"URL={url}", *found["example"].split("\n")]


def _what_for(found: WebhookShape) -> str:
    proof = found["proof"]
    if proof["scheme"] == "secret-header":
        return f"the header {proof['header']}"
    if found["kind"] == "github":
        return "its setting Secret, with the content type application/json"
    return f"signing by {proof['scheme']}"


def _submission(
    name: str,
    experiment: str | None,
    runconfig: str | None,
    target: str | None,
    arg: list[str] | None,
    tag: list[str] | None,
) -> dict[str, Any]:
    submission: dict[str, Any] = {"experiment": experiment or name}
    submission |= {key: value for key, value in (("runconfig", runconfig), ("target", target)) if value is not None}
    if arg is not None:
        submission["arguments"] = arg
    if tag is not None:
        submission["tags"] = pairs(tag, "--tag")
    return submission


def snapshot_of(client: Client, text: str) -> object:
    """What a submission names: uploaded if it is here, else a reference."""
    from runyard.sdk.submitting import reference  # noqa: PLC0415 - pathspec and what it brings

    path = Path(text)
    if path.exists():
        return client.upload(path)
    return reference(text)
