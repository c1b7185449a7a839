"""The tables of ``runyard.db`` and how an older file becomes a newer one.

``PRAGMA user_version`` holds the number of migrations that a file has seen. A migration is never changed once
released: what comes later is a new one at the end.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from runyard.errors import ConfigError

_RUNS: Final = (
    """CREATE TABLE runs (
        id TEXT NOT NULL PRIMARY KEY,
        version INTEGER NOT NULL,
        created REAL NOT NULL,
        experiment TEXT NOT NULL,
        target TEXT NOT NULL,
        compute TEXT NOT NULL,
        status TEXT NOT NULL,  -- as shown
        ending TEXT NOT NULL,  -- the ending's name; '' until there is one
        document BLOB NOT NULL -- the run as JSON, with its schema number
    )""",
    "CREATE INDEX runs_by_time ON runs (created, id)",
    "CREATE INDEX runs_by_experiment ON runs (experiment, created, id)",
    "CREATE INDEX runs_by_ending ON runs (ending, created, id)",
    "CREATE INDEX runs_by_target ON runs (target, created, id)",
    # Most runs name their compute itself: only an alias makes the two differ.
    "CREATE INDEX runs_by_compute ON runs (compute, created, id) WHERE compute <> target",
    """CREATE TABLE run_events (
        run_id TEXT NOT NULL,
        seq INTEGER NOT NULL,
        time REAL NOT NULL,
        state TEXT NOT NULL,
        reason TEXT NOT NULL,
        who TEXT NOT NULL,
        op_id TEXT NOT NULL,
        schema INTEGER NOT NULL,
        PRIMARY KEY (run_id, seq)
    ) WITHOUT ROWID""",
    """CREATE TABLE attempts (
        run_id TEXT NOT NULL,
        number INTEGER NOT NULL,
        document BLOB NOT NULL,
        PRIMARY KEY (run_id, number)
    ) WITHOUT ROWID""",
    """CREATE TABLE identities (
        identity TEXT NOT NULL PRIMARY KEY,
        run_id TEXT NOT NULL,
        deleted_at REAL,
        schema INTEGER NOT NULL DEFAULT 1
    ) WITHOUT ROWID""",
)

_GATES: Final = (
    """CREATE TABLE gates (
        compute TEXT NOT NULL PRIMARY KEY,
        slot_limit INTEGER NOT NULL,
        paused INTEGER NOT NULL,
        generation INTEGER NOT NULL DEFAULT 0,
        next_at REAL,
        schema INTEGER NOT NULL DEFAULT 1
    ) WITHOUT ROWID""",
    """CREATE TABLE waiting (
        compute TEXT NOT NULL,
        run_id TEXT NOT NULL,
        rank INTEGER NOT NULL, -- the priority, negated: ascending order is the order of going
        enqueued REAL NOT NULL,
        schema INTEGER NOT NULL DEFAULT 1,
        PRIMARY KEY (compute, run_id)
    ) WITHOUT ROWID""",
    "CREATE INDEX waiting_in_order ON waiting (compute, rank, enqueued, run_id)",
    """CREATE TABLE slots (
        compute TEXT NOT NULL,
        run_id TEXT NOT NULL,
        number INTEGER NOT NULL,
        taken REAL NOT NULL,
        schema INTEGER NOT NULL DEFAULT 1,
        PRIMARY KEY (compute, run_id)
    ) WITHOUT ROWID""",
)

_QUEUE: Final = (
    """CREATE TABLE messages (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        queue TEXT NOT NULL,
        id TEXT NOT NULL,
        body BLOB NOT NULL,
        properties BLOB,
        enqueued REAL NOT NULL,
        visible REAL NOT NULL, -- when it may be received: its scheduled time, or the end of its lock
        deliveries INTEGER NOT NULL DEFAULT 0,
        lock TEXT,
        reason TEXT NOT NULL DEFAULT '',
        description TEXT NOT NULL DEFAULT '',
        source TEXT NOT NULL DEFAULT '',
        schema INTEGER NOT NULL DEFAULT 1
    )""",
    "CREATE INDEX messages_by_queue ON messages (queue, visible)",
)

_DOCUMENTS: Final = (
    """CREATE TABLE documents (
        kind TEXT NOT NULL,
        name TEXT NOT NULL,
        document BLOB NOT NULL,
        PRIMARY KEY (kind, name)
    ) WITHOUT ROWID""",
)

Migrations = Sequence[Sequence[str]]

_TOMBSTONES_BY_AGE: Final = ("CREATE INDEX tombstones ON identities (deleted_at) WHERE deleted_at IS NOT NULL",)

_ORDER_WITH_AGEING: Final = (
    "DROP INDEX waiting_in_order",
    "ALTER TABLE waiting RENAME COLUMN rank TO old_rank",
    # `rank` is Waiting.rank: when it was enqueued, moved by an hour for each step of its priority.
    "ALTER TABLE waiting ADD COLUMN rank REAL NOT NULL DEFAULT 0",
    "ALTER TABLE waiting ADD COLUMN priority INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE waiting ADD COLUMN not_before REAL NOT NULL DEFAULT 0",
    "UPDATE waiting SET priority = -old_rank, rank = enqueued + 3600.0 * old_rank",
    "ALTER TABLE waiting DROP COLUMN old_rank",
    "CREATE INDEX waiting_in_order ON waiting (compute, rank, run_id)",
    "ALTER TABLE slots ADD COLUMN priority INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE slots ADD COLUMN enqueued REAL NOT NULL DEFAULT 0",
    "ALTER TABLE gates ADD COLUMN draining INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE gates ADD COLUMN blocked_until REAL NOT NULL DEFAULT 0",
    "ALTER TABLE gates ADD COLUMN blocked_reason TEXT NOT NULL DEFAULT ''",
)

# What one message costs must not grow with the number of runs that wait.
_MANY_WAITING: Final = (
    # How many wait is kept in the gate's row, in the transaction of whoever comes and goes.
    "ALTER TABLE gates ADD COLUMN waiting_count INTEGER NOT NULL DEFAULT 0",
    "UPDATE gates SET waiting_count = (SELECT count(*) FROM waiting WHERE waiting.compute = gates.compute)",
    (
        "CREATE TRIGGER waiting_came AFTER INSERT ON waiting BEGIN"
        " UPDATE gates SET waiting_count = waiting_count + 1 WHERE compute = NEW.compute; END"
    ),
    (
        "CREATE TRIGGER waiting_went AFTER DELETE ON waiting BEGIN"
        " UPDATE gates SET waiting_count = waiting_count - 1 WHERE compute = OLD.compute; END"
    ),
    # Those that may go, and those that wait for their time, each in their order.
    "CREATE INDEX waiting_ready ON waiting (compute, rank, run_id) WHERE not_before = 0",
    "CREATE INDEX waiting_later ON waiting (compute, not_before) WHERE not_before > 0",
    # A run that has ended shows its ending as its status, so one index finds both: a few that run among many that wait.
    "CREATE INDEX runs_by_status ON runs (status, created, id)",
    "DROP INDEX runs_by_ending",
)

_SCHEDULES: Final = (
    """CREATE TABLE schedules (
        name TEXT NOT NULL PRIMARY KEY,
        version INTEGER NOT NULL, -- begins with a random number
        due REAL,                 -- NULL: nothing to do, or paused
        moved REAL,               -- NULL: paused
        document BLOB NOT NULL
    ) WITHOUT ROWID""",
    "CREATE INDEX schedules_by_due ON schedules (due) WHERE due IS NOT NULL",
    "CREATE INDEX schedules_by_move ON schedules (moved) WHERE moved IS NOT NULL",
)

# A root that was watched before there were start marks has always taken whatever lay in it.
_START_MARKS: Final = (
    (
        "INSERT INTO documents (kind, name, document)"
        """ SELECT 'mark', 'snapshots', '{"container":"snapshots","since":0.0}'"""
        " WHERE EXISTS (SELECT 1 FROM documents WHERE kind = 'compute')"
    ),
)

_ENDINGS_OUT: Final = (
    # Endings that are still to be announced: written in the transaction of the ending, if there is a subscription.
    "CREATE TABLE outbox (run_id TEXT NOT NULL PRIMARY KEY, at REAL NOT NULL, schema INTEGER NOT NULL DEFAULT 1) WITHOUT ROWID",
    """CREATE TABLE deliveries (
        subscription TEXT NOT NULL,
        id TEXT NOT NULL,
        state TEXT NOT NULL,
        created REAL NOT NULL,
        next_at REAL NOT NULL,
        settled REAL NOT NULL,
        version INTEGER NOT NULL,
        document BLOB NOT NULL, -- the delivery as JSON, with its schema number
        PRIMARY KEY (subscription, id)
    )""",
    "CREATE INDEX deliveries_due ON deliveries (subscription, next_at) WHERE state = 'pending'",
    "CREATE INDEX deliveries_settled ON deliveries (subscription, state, settled, id)",
    "CREATE INDEX deliveries_newest ON deliveries (subscription, created, id)",
)

MIGRATIONS: Final[Migrations] = (
    (*_RUNS, *_GATES, *_QUEUE, *_DOCUMENTS),
    _TOMBSTONES_BY_AGE,
    _ORDER_WITH_AGEING,
    _MANY_WAITING,
    _SCHEDULES,
    _START_MARKS,
    _ENDINGS_OUT,
)
"""What takes a file from version n to n + 1, by n. Version 0 is an empty file."""


def upgrade(connection: sqlite3.Connection, path: Path, migrations: Migrations = MIGRATIONS) -> None:
    """Bring the file to the newest version in one transaction; two processes may try at once.

    Raises:
        ConfigError: if a newer Runyard wrote the file.
    """
    if _version(connection, path, len(migrations)) == len(migrations):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        for number in range(_version(connection, path, len(migrations)), len(migrations)):
            for statement in migrations[number]:
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(migrations)}")
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _version(connection: sqlite3.Connection, path: Path, newest: int) -> int:
    found = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if found <= newest:
        return found
    raise ConfigError(
        f"{path} was written by a newer Runyard (its schema is {found}, this version knows up to {newest}); "
        "install that version, or use another root"
    )
