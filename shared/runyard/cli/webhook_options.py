"""The options of ``runyard webhook add``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from runyard.events.signatures import ALGORITHMS, ENCODINGS, SCHEMES, SIGNATURE_HEADER, TIMESTAMP_HEADER

SECRET: Final = "RUNYARD_WEBHOOK_SECRET"  # noqa: S105 - the variable's name
"""The variable from which ``add`` and ``rotate`` take the secret when it is set."""
KINDS: Final = "github, hmac, cloudevents or eventgrid"

NewName = Annotated[str, typer.Argument(metavar="NAME", help="Part of the URL: lower-case letters, digits, '-'.")]
Snapshot = Annotated[str | None, typer.Option(metavar="DIR|ZIP", help="What to run: uploaded now, or container/name.")]
Experiment = Annotated[str | None, typer.Option(help="The runs' experiment.", show_default="the webhook's name")]
Kind = Annotated[str, typer.Option(help=f"Who sends: {KINDS}.")]
Arg = Annotated[
    list[str] | None,
    typer.Option(help="An argument; {/pointer} takes a value of the payload: --arg=--alpha={/client_payload/alpha}."),
]
Tag = Annotated[list[str] | None, typer.Option(metavar="NAME=VALUE", help="A tag; pointers as in --arg.")]
Event = Annotated[list[str] | None, typer.Option(help="Only this event, such as push. Repeat.")]
EventType = Annotated[
    list[str] | None, typer.Option("--type", help="The same, for event types of cloudevents and eventgrid. Repeat.")
]
SubjectPrefix = Annotated[str | None, typer.Option(help="Only events whose subject begins so.")]
SubjectSuffix = Annotated[str | None, typer.Option(help="Only events whose subject ends so.")]
Scheme = Annotated[
    str | None,
    typer.Option(
        help=f"How deliveries of hmac and cloudevents are signed: {', '.join(SCHEMES)}.",
        show_default="timestamped for hmac; cloudevents and eventgrid show the secret in a header",
    ),
]
SignatureHeader = Annotated[str | None, typer.Option(help="Holds the signature.", show_default=SIGNATURE_HEADER)]
TimestampHeader = Annotated[str | None, typer.Option(help="Holds its time in seconds.", show_default=TIMESTAMP_HEADER)]
Algorithm = Annotated[str | None, typer.Option(help=f"{' or '.join(ALGORITHMS)}.", show_default=ALGORITHMS[0])]
Encoding = Annotated[str | None, typer.Option(help=f"{' or '.join(ENCODINGS)}.", show_default=ENCODINGS[0])]
Tolerance = Annotated[
    str | None,
    typer.Option(
        metavar="DURATION", help="How far a signature's time may be from ours, either way.", show_default="300s"
    ),
]
IdHeader = Annotated[str | None, typer.Option(help="Of hmac: holds a delivery's identity.")]
IdPointer = Annotated[str | None, typer.Option(metavar="/POINTER", help="Of hmac: where the payload has its identity.")]
SecretHeader = Annotated[
    str | None,
    typer.Option(
        help="Shows the secret of cloudevents and eventgrid; Authorization: Bearer does too.",
        show_default="X-Runyard-Key",
    ),
]
OpenHandshake = Annotated[
    bool, typer.Option("--open-handshake", help="Answer a handshake without the secret; deliveries need it still.")
]
BlobDrops = Annotated[
    bool, typer.Option("--blob-drops", help="Of eventgrid: run each zip that a BlobCreated event tells of.")
]
SecretFile = Annotated[
    Path | None, typer.Option(help=f"Holds the secret; else {SECRET}, else one is made and shown once.")
]
