"""The table of runs in SQLite."""

from __future__ import annotations

import heapq
import itertools
import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from runyard.errors import ConflictError, NotFoundError
from runyard.ports.runs import Page, Query
from runyard.runs.model import Attempt, Event, Run
from runyard.runs.moves import Transition
from runyard.runs.states import ENDINGS, State
from runyard.stores.embedded.database import Database
from runyard.stores.paging import Key, check_query, encode_cursor, key_of

_encode: Final = msgspec.json.Encoder().encode
_decode_run: Final = msgspec.json.Decoder(Run).decode
_decode_attempt: Final = msgspec.json.Decoder(Attempt).decode

_INSERT_IDENTITY: Final = "INSERT INTO identities (identity, run_id) VALUES (?, ?) ON CONFLICT DO NOTHING"
_SELECT_EXISTING: Final = (
    "SELECT document FROM identities LEFT JOIN runs ON runs.id = identities.run_id WHERE identities.identity = ?"
)
_INSERT_RUN: Final = (
    "INSERT INTO runs (id, version, created, experiment, target, compute, status, ending, document)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_INSERT_EVENT: Final = (
    "INSERT INTO run_events (run_id, seq, time, state, reason, who, op_id, schema) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
_INDEXED: Final = ("status", "target", "compute", "ending")
_UPDATE: Final = "UPDATE runs SET version = ?, document = ?{} WHERE id = ? AND version = ?"
_HELD: Final = frozenset(map(str, State)) - frozenset(map(str, ENDINGS)) - {str(State.NOT_STARTED), str(State.QUEUED)}
"""The statuses of runs on a compute: there are never more of them than slots."""
_PUT_ATTEMPT: Final = (
    "INSERT INTO attempts (run_id, number, document) VALUES (?, ?, ?)"
    " ON CONFLICT (run_id, number) DO UPDATE SET document = excluded.document"
)

_PUT_OUT: Final = (
    "INSERT INTO outbox (run_id, at) SELECT ?, ? WHERE EXISTS (SELECT 1 FROM documents WHERE kind = 'subscription')"
    " ON CONFLICT DO NOTHING"
)


class EmbeddedRunStore:
    """A :class:`~runyard.ports.runs.RunStore` in ``runyard.db``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, birth: Transition, *, durable: bool = False) -> tuple[Run, bool]:
        """Write a new run; see the port."""
        run = birth.after
        row = (
            run.id,
            run.version,
            run.created,
            run.experiment,
            run.target,
            run.compute,
            run.status,
            _ending(run),
            _encode(run),
        )
        events = _event_rows(birth.events)
        ends = _ends(birth)

        def work(db: sqlite3.Connection) -> list[Any] | None:
            if db.execute(_INSERT_IDENTITY, (run.identity, run.id)).rowcount == 0:
                return list(db.execute(_SELECT_EXISTING, (run.identity,)).fetchone())
            try:
                db.execute(_INSERT_RUN, row)
            except sqlite3.IntegrityError as error:
                raise ConflictError(f"the run id {run.id} is taken by a run of another event") from error
            for event in events:
                db.execute(_INSERT_EVENT, event)
            if ends:
                db.execute(_PUT_OUT, ends)
            return None

        existing = self._database.write(work, durable=durable)
        if existing is None:
            return run, True
        return (run if existing[0] is None else _decode_run(existing[0])), False

    def get(self, run_id: str) -> Run | None:
        """The run, or ``None``."""
        rows = self._database.look("SELECT document FROM runs WHERE id = ?", (run_id,))
        return _decode_run(rows[0][0]) if rows else None

    recent = get

    def find(self, identity: str) -> str | None:
        """The id of the run made for this identity (also of a deleted one), or ``None``."""
        rows = self._database.look("SELECT run_id FROM identities WHERE identity = ?", (identity,))
        return str(rows[0][0]) if rows else None

    def transition(self, change: Transition, *, durable: bool = False) -> Run:
        """Write the change if the run is still at the version it began from; see the port."""
        before, after = change.before, change.after
        changed = _changed(before, after)
        sql = _UPDATE.format("".join(f", {name} = ?" for name in changed))
        args = (after.version, _encode(after), *changed.values(), before.id, before.version)
        events = _event_rows(change.events)
        ends = _ends(change)
        attempt = change.attempt
        attempt_row = None if attempt is None else (attempt.run_id, attempt.number, _encode(attempt))

        def work(db: sqlite3.Connection) -> Run:
            if db.execute(sql, args).rowcount == 0:
                return _written_before(db, change)
            for event in events:
                db.execute(_INSERT_EVENT, event)
            if attempt_row is not None:
                db.execute(_PUT_ATTEMPT, attempt_row)
            if ends:
                db.execute(_PUT_OUT, ends)
            return after

        return self._database.write(work, durable=durable)

    def list(self, query: Query) -> Page:
        """A page of runs, newest first: each index that the filters ask for is read in order, and merged."""
        after = check_query(query)
        parts = [self._database.read(sql, args) for sql, args in _selects(query, after)]
        newest = heapq.merge(*parts, key=lambda row: (row[0], row[1]), reverse=True)
        rows = list(itertools.islice(newest, query.limit + 1))
        runs = tuple(_decode_run(row[2]) for row in rows[: query.limit])
        return Page(runs=runs, next=encode_cursor(key_of(runs[-1])) if len(rows) > query.limit else None)

    def history(self, run_id: str) -> Sequence[Event]:
        """Every event of the run, oldest first; empty if there is no such run."""
        rows = self._database.read(
            "SELECT run_id, seq, time, state, reason, who, op_id, schema FROM run_events WHERE run_id = ? ORDER BY seq",
            (run_id,),
        )
        names = ("run_id", "seq", "time", "state", "reason", "who", "op_id", "schema")
        return [msgspec.convert(dict(zip(names, row, strict=True)), Event) for row in rows]

    def attempts(self, run_id: str) -> Sequence[Attempt]:
        """Every attempt of the run, oldest first."""
        rows = self._database.look("SELECT document FROM attempts WHERE run_id = ? ORDER BY number", (run_id,))
        return [_decode_attempt(row[0]) for row in rows]

    def attempt(self, run: Run) -> Attempt | None:
        """The row of the run's newest attempt."""
        sql = "SELECT document FROM attempts WHERE run_id = ? AND number = ?"
        rows = self._database.look(sql, (run.id, run.attempt))
        return _decode_attempt(rows[0][0]) if rows else None

    def delete(self, run_id: str, *, at: float) -> None:
        """Remove an ended run and leave a tombstone; see the port."""

        def work(db: sqlite3.Connection) -> None:
            row = db.execute("SELECT document FROM runs WHERE id = ?", (run_id,)).fetchone()
            if row is None:
                return
            run = _decode_run(row[0])
            if not run.has_ended:
                raise ConflictError(f"run {run_id} is {run.status}; only an ended run can be deleted: cancel it first")
            db.execute("UPDATE identities SET deleted_at = ? WHERE identity = ?", (at, run.identity))
            db.execute("DELETE FROM runs WHERE id = ?", (run_id,))
            db.execute("DELETE FROM run_events WHERE run_id = ?", (run_id,))
            db.execute("DELETE FROM attempts WHERE run_id = ?", (run_id,))

        self._database.write(work)

    def forget(self, before: float) -> int:
        """Drop tombstones older than ``before``; returns how many."""
        return self._database.write(
            lambda db: db.execute("DELETE FROM identities WHERE deleted_at < ?", (before,)).rowcount
        )

    def outbox(self, *, before: float, most: int) -> Sequence[str]:
        """Runs whose ending is not announced yet; see the port."""
        rows = self._database.look("SELECT run_id FROM outbox WHERE at < ? ORDER BY at, run_id LIMIT ?", (before, most))
        return [str(row[0]) for row in rows]

    def in_outbox(self, run_id: str) -> bool:
        """Whether the run's ending is still to be announced."""
        return bool(self._database.look("SELECT 1 FROM outbox WHERE run_id = ?", (run_id,)))

    def announced(self, run_id: str) -> None:
        """Take a run out of the outbox."""
        self._database.write(lambda db: db.execute("DELETE FROM outbox WHERE run_id = ?", (run_id,)).rowcount)


def _ends(change: Transition) -> tuple[str, float] | None:
    """The run and the time, if this change ends it."""
    if not change.after.has_ended or change.before.has_ended:
        return None
    return change.after.id, change.events[-1].time


def _changed(before: Run, after: Run) -> dict[str, str]:
    """The indexed columns that change. SQLite rewrites an index entry whenever its column is named, changed or not."""
    old = (before.status, before.target, before.compute, _ending(before))
    new = (after.status, after.target, after.compute, _ending(after))
    return {name: to for name, of, to in zip(_INDEXED, old, new, strict=True) if of != to}


def _ending(run: Run) -> str:
    return str(run.state) if run.has_ended else ""


def _event_rows(events: Sequence[Event]) -> list[tuple[object, ...]]:
    return [(e.run_id, e.seq, e.time, str(e.state), e.reason, e.who, e.op_id, e.schema) for e in events]


def _written_before(db: sqlite3.Connection, change: Transition) -> Run:
    """The stored run, if this very change made it: the reply to the first sending was lost."""
    row = db.execute("SELECT version, document FROM runs WHERE id = ?", (change.before.id,)).fetchone()
    if row is None:
        raise NotFoundError(f"there is no run {change.before.id}")
    op = db.execute(
        "SELECT op_id FROM run_events WHERE run_id = ? AND seq = ?", (change.before.id, change.events[-1].seq)
    ).fetchone()
    if op is not None and op[0] == change.op_id:
        return _decode_run(row[1])
    raise ConflictError(
        f"run {change.before.id} is at version {row[0]}, not {change.before.version}: somebody else changed it first"
    )


def _selects(query: Query, after: Key | None) -> Iterator[tuple[str, list[object]]]:
    """One ordered SELECT per index range; together they cover the query, and no run comes twice."""
    conditions: list[str] = []
    args: list[object] = []

    def also(condition: str, *values: object) -> None:
        conditions.append(condition)
        args.extend(values)

    if after is not None:
        also("(created, id) < (?, ?)", *after)
    if query.created_before is not None:
        also("created < ?", query.created_before)
    for by_status, status_args, held in _by_status(query.statuses):
        own = [*conditions, *by_status]
        values = [*args, *status_args]
        if query.experiment is not None:
            own.append(_unindexed("experiment = ?", held))
            values.append(query.experiment)
        for by_target, target_args in _by_target(query.target):
            where = " AND ".join([*own, *(_unindexed(each, held) for each in by_target)]) or "TRUE"
            sql = f"SELECT created, id, document FROM runs WHERE {where} ORDER BY created DESC, id DESC LIMIT ?"  # noqa: S608  # fixed texts
            yield sql, [*values, *target_args, query.limit + 1]


def _by_status(statuses: frozenset[str]) -> Iterator[tuple[list[str], list[object], bool]]:
    if not statuses:
        yield [], [], False
    for status in sorted(statuses):
        yield ["status = ?"], [status], status in _HELD


def _unindexed(condition: str, held: bool) -> str:
    """Keeps SQLite (by the ``+``) from reading all runs of an experiment to find the few that hold a slot now."""
    return f"+{condition}" if held else condition


def _by_target(target: str | None) -> Iterator[tuple[list[str], list[object]]]:
    if target is None:
        yield [], []
        return
    yield ["target = ?"], [target]
    yield ["compute = ?", "compute <> target"], [target]
