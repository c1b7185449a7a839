"""The rows of one run: a partition of the table ``runs``.

``run`` holds the run and, beside it, the attempt that was written last; ``e-000001`` … its events, ``a-01`` … its attempts, ``o``
that its ending is still to be announced. ``x`` is what a deletion leaves until it is through.

An event's number is the run's version after it, so whoever changes a run creates the row of the number after the version that it
saw: that row being there already is how a change from an old version is refused, without a read before it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from runyard.errors import ConfigError
from runyard.runs.model import Attempt, Event, Run
from runyard.runs.moves import Transition
from runyard.stores.azure.keys import escaped
from runyard.stores.azure.table import PIECE, Op, Row, packed, unpacked

RUN: Final = "run"
OUT: Final = "o"
LEFT: Final = "x"
EVENTS: Final = ("e-", "e.")
"""The range of the keys of events."""
ATTEMPTS: Final = ("a-", "a.")

MOST_EVENT_ROWS: Final = 90
"""Of one transition; a transaction has 100 operations."""
MOST_BYTES: Final = 2_900_000
"""Of documents in one transaction: with base64 and what stands around it that stays under the 4 MiB of a transaction,
https://learn.microsoft.com/rest/api/storageservices/performing-entity-group-transactions#requirements-for-entity-group-transactions"""

encode: Final = msgspec.json.Encoder().encode
decode_run: Final = msgspec.json.Decoder(Run).decode
_decode_attempt: Final = msgspec.json.Decoder(Attempt).decode
_decode_events: Final = msgspec.json.Decoder(list[Event]).decode


def partition(run_id: str) -> str:
    """The PartitionKey of a run's rows."""
    return escaped(run_id)


def event_key(seq: int) -> str:
    """The RowKey of an event."""
    return f"e-{seq:06d}"


def attempt_key(number: int) -> str:
    """The RowKey of an attempt."""
    return f"a-{number:02d}" if number < 100 else f"a-={number:08d}"


def written(change: Transition, how: str, etag: str | None = None) -> list[Op]:
    """The operations of one change; ``how`` is that of the run's own row: ``create``, ``update`` or ``merge``.

    Raises:
        ConfigError: if it is too large for a row or a transaction; nothing is written yet.
    """
    run, attempt = change.after, change.attempt
    key = {"PartitionKey": partition(run.id)}
    document = packed(encode(run))
    row = {**key, "RowKey": RUN, **document, "pieces": len(document), "version": run.version, "identity": run.identity}
    operations = [Op(kind=how, row=row, etag=etag)]
    for seq, events in _event_rows(change.events):
        content = {"op": change.op_id, **packed(encode(events))}
        operations.append(Op(kind="create", row={**key, "RowKey": event_key(seq), **content}))
    if attempt is not None:
        text = encode(attempt)
        operations.append(Op(kind="upsert", row={**key, "RowKey": attempt_key(attempt.number), **packed(text)}))
        row["attempt"] = text if len(text) <= PIECE else b""
    size = sum(len(value) for op in operations for value in op.row.values() if isinstance(value, bytes))
    if size > MOST_BYTES:
        raise ConfigError(f"{run.id}: one change of {size:,} bytes, and a table takes {MOST_BYTES:,} at once")
    return operations


def put_out(run_id: str, at: float) -> Op:
    """The operation that puts an ending into the outbox."""
    return Op(kind="upsert", row={"PartitionKey": partition(run_id), "RowKey": OUT, "at": at})


def _event_rows(events: Sequence[Event]) -> Iterator[tuple[int, Sequence[Event]]]:
    """Rows of events, each by the number of its first: one event a row, unless that were too many rows."""
    size = -(-len(events) // MOST_EVENT_ROWS)
    for start in range(0, len(events), size):
        yield events[start].seq, events[start : start + size]


def run_of(row: Mapping[str, Any]) -> Run:
    """The run of a row ``run``. A merge leaves pieces of a longer document before it, so their number is kept too."""
    return decode_run(b"".join(bytes(row[f"d{index}"]) for index in range(int(row["pieces"]))))


def beside(row: Mapping[str, Any]) -> Attempt | None:
    """The attempt that is kept beside the run."""
    text = bytes(row.get("attempt") or b"")
    return _decode_attempt(text) if text else None


def attempt_of(row: Row) -> Attempt:
    """The attempt of a row ``a-01``."""
    return _decode_attempt(unpacked(row))


def events_of(rows: Sequence[Row]) -> list[Event]:
    """The events of the rows of events."""
    return list(itertools.chain.from_iterable(_decode_events(unpacked(row)) for row in rows))
