"""Messages on the queue ``submissions``: what the doors write there for accept, beside the public submissions."""

from __future__ import annotations

from typing import Final

import msgspec

from runyard.errors import EventError
from runyard.events.blob import BlobDrop

SCHEMA: Final = 1


class Envelope(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What tells a door's own message from a public submission: ``kind`` is ``run`` or ``blob``."""

    kind: str = ""
    run: str = ""
    """Of kind ``run``: the id of a run whose row the API door wrote."""
    blob: BlobDrop | None = None
    """Of kind ``blob``: a blob that was created."""
    source: str = "blob"
    """Of kind ``blob``: ``blob``, or ``sweep`` when the reconciler found it."""
    schema: int = 0


def for_run(run_id: str) -> bytes:
    """The message that asks accept to go on with a run whose row is written."""
    return msgspec.json.encode(Envelope(kind="run", run=run_id, schema=SCHEMA))


def for_blob(drop: BlobDrop, source: str) -> bytes:
    """The message that tells accept of a blob."""
    return msgspec.json.encode(Envelope(kind="blob", blob=drop, source=source, schema=SCHEMA))


def read(body: bytes) -> Envelope | None:
    """The door's own message, or ``None`` if this is something else (a public submission, or not even that).

    Raises:
        EventError: if a newer version wrote it.
    """
    try:
        envelope = msgspec.json.decode(body, type=Envelope)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    if envelope.kind not in {"run", "blob"}:
        return None
    if envelope.schema > SCHEMA:
        raise EventError(
            f"the message has schema {envelope.schema}, and this version knows up to {SCHEMA}; upgrade first"
        )
    return envelope
