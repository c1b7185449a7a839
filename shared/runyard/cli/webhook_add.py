"""``runyard webhook add``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from runyard.cli import webhook_options as options
from runyard.cli.context import Json, Root, Runconfig, Target, connect, pairs, seconds
from runyard.cli.outcome import say
from runyard.cli.show import print_json
from runyard.cli.up import PORT
from runyard.errors import ConfigError
from runyard.events.signatures import new_secret

if TYPE_CHECKING:
    from runyard.api.event_shapes import WebhookShape
    from runyard.sdk.client import Client


def add(  # noqa: PLR0913, PLR0917 - each is an option
    name: options.NewName,
    snapshot: options.Snapshot = None,
    experiment: options.Experiment = None,
    kind: options.Kind = "github",
    runconfig: Runconfig = None,
    target: Target = None,
    arg: options.Arg = None,
    tag: options.Tag = None,
    event: options.Event = None,
    event_type: options.EventType = None,
    subject_prefix: options.SubjectPrefix = None,
    subject_suffix: options.SubjectSuffix = None,
    scheme: options.Scheme = None,
    signature_header: options.SignatureHeader = None,
    timestamp_header: options.TimestampHeader = None,
    algorithm: options.Algorithm = None,
    encoding: options.Encoding = None,
    tolerance: options.Tolerance = None,
    id_header: options.IdHeader = None,
    id_pointer: options.IdPointer = None,
    secret_header: options.SecretHeader = None,
    open_handshake: options.OpenHandshake = False,
    blob_drops: options.BlobDrops = False,
    secret_file: options.SecretFile = None,
    json: Json = False,
    root: Root = None,
) -> None:
    """Define a webhook; its secret is shown only if it was made here."""
    given = given_secret(secret_file)
    secret = given or new_secret(scheme or "")
    submission = _submission(name, experiment, runconfig, target, arg, tag)
    _check_choice(snapshot, blob_drops, submission)
    with connect(root) as client:
        if snapshot is not None:
            submission["snapshot"] = stored_snapshot(client, snapshot)
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
    _tell(found, host, None if given else secret, as_json=json)


def _check_choice(snapshot: str | None, blob_drops: bool, submission: dict[str, Any]) -> None:
    if (snapshot is None) != blob_drops:
        raise typer.BadParameter(
            "--snapshot says what to run; with --blob-drops each event does, and one of the two is needed"
        )
    if blob_drops and len(submission) > 1:
        raise typer.BadParameter(
            "with --blob-drops the zip says what runs; leave out --runconfig, --target, --arg and --tag"
        )


def _tell(found: WebhookShape, host: str, made: str | None, *, as_json: bool) -> None:
    """Print the webhook, and the secret if it was made here."""
    url = reached(host, found)
    if as_json:
        print_json({**found, "url": url} | ({} if made is None else {"secret": made}))
        return
    print(f"url     {url}")
    if made is not None:
        print(f"secret  {made}")
        say(f"the secret is shown this once; give it to the sender, for {_what_for(found)}")
    for line in example_lines(found, host):
        say(line)


def given_secret(file: Path | None) -> str | None:
    """The secret of the file or the variable. It is never taken from the command line, which others can see."""
    if file is not None:
        try:
            text = file.read_text(encoding="utf-8").strip()
        except UnicodeDecodeError:
            raise ConfigError(f"{file} is not UTF-8 text; put the secret into it as text, in base64 say") from None
        if not text:
            raise ConfigError(f"{file} is empty; put the secret into it")
        return text
    return os.environ.get(options.SECRET) or None


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


def stored_snapshot(client: Client, text: str) -> object:
    """The reference to a snapshot: of a directory or zip that is uploaded here, or ``container/name`` as it is."""
    from runyard.sdk.submitting import reference  # noqa: PLC0415 - pathspec and what it brings

    path = Path(text)
    if path.exists():
        return client.upload(path)
    return reference(text)
