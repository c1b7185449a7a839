"""The database file: groups, crashes, full disks, other processes and older versions."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from runyard.errors import ConfigError, ConflictError, RunyardError, StorageFullError
from runyard.stores.embedded import database as module
from runyard.stores.embedded.database import Database
from runyard.stores.embedded.schema import MIGRATIONS

Work = Callable[[sqlite3.Connection], Any]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runyard.db"


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    database = Database(path)
    database.write(lambda db: db.execute("CREATE TABLE t (n INTEGER PRIMARY KEY)"))
    yield database
    database.close()


def add(number: int) -> Work:
    return lambda db: db.execute("INSERT INTO t VALUES (?)", (number,)).rowcount


def numbers(database: Database) -> list[int]:
    return [row[0] for row in database.read("SELECT n FROM t ORDER BY n")]


def fail_after_writing(db: sqlite3.Connection) -> None:
    db.execute("INSERT INTO t VALUES (99)")
    raise ConflictError("changed my mind")


def as_one_group(database: Database, works: list[Work]) -> list[Any]:
    """Hand in all works while a leader is held up, and return what became of each."""
    started, go_on = threading.Event(), threading.Event()
    outcomes: list[Any] = [None] * len(works)

    def hold(_: sqlite3.Connection) -> None:
        started.set()
        go_on.wait(10)

    def follow(index: int) -> None:
        try:
            outcomes[index] = database.write(works[index])
        except RunyardError as error:
            outcomes[index] = error

    threads = [threading.Thread(target=database.write, args=(hold,))]
    threads[0].start()
    started.wait(10)
    for index in range(len(works)):
        threads.append(threading.Thread(target=follow, args=(index,)))
        threads[-1].start()
        while len(database._queue) <= index:
            pass
    go_on.set()
    for thread in threads:
        thread.join()
    return outcomes


def test_writes_that_come_together_share_one_commit(database: Database) -> None:
    statements: list[str] = []
    database._writer.set_trace_callback(statements.append)
    as_one_group(database, [add(number) for number in range(5)])
    database._writer.set_trace_callback(None)
    assert numbers(database) == [0, 1, 2, 3, 4]
    assert statements.count("COMMIT") == 2  # the one that was held up, and the group


def test_a_write_that_fails_half_way_hurts_no_neighbour(database: Database) -> None:
    outcomes = as_one_group(database, [add(1), fail_after_writing, add(2)])
    assert outcomes[0] == outcomes[2] == 1
    assert isinstance(outcomes[1], ConflictError)
    assert numbers(database) == [1, 2]


def test_a_write_that_fails_before_it_writes_hurts_no_neighbour(database: Database) -> None:
    def refuse(_: sqlite3.Connection) -> None:
        raise ConflictError("no")

    outcomes = as_one_group(database, [refuse, add(1)])
    assert isinstance(outcomes[0], ConflictError)
    assert numbers(database) == [1]


def test_a_lone_write_that_fails_leaves_nothing(database: Database) -> None:
    with pytest.raises(ConflictError, match="changed my mind"):
        database.write(fail_after_writing)
    assert numbers(database) == []
    database.write(add(1))
    assert numbers(database) == [1]


def test_an_interrupted_write_leaves_nothing_and_the_database_usable(database: Database) -> None:
    def interrupted(db: sqlite3.Connection) -> None:
        db.execute("INSERT INTO t VALUES (1)")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        database.write(interrupted)
    database.write(add(2))
    assert numbers(database) == [2]


def test_every_write_of_many_threads_is_done_once(database: Database) -> None:
    def work(worker: int) -> None:
        for number in range(50):
            database.write(add(worker * 50 + number), durable=number % 10 == 0)

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert numbers(database) == list(range(400))


def test_only_durable_writes_wait_for_the_disk(database: Database) -> None:
    def mode(db: sqlite3.Connection) -> int:
        return int(db.execute("PRAGMA synchronous").fetchone()[0])

    normal, full = 1, 2
    assert [database.write(mode, durable=durable) for durable in (False, True, True, False)] == [
        normal,
        full,
        full,
        normal,
    ]


def test_a_full_disk_is_said_so_and_loses_nothing(database: Database) -> None:
    def fill(db: sqlite3.Connection) -> None:
        db.execute("CREATE TABLE big (b BLOB)")
        db.execute("INSERT INTO big VALUES (zeroblob(10000000))")

    database.write(add(1))
    pages = database._writer.execute("PRAGMA page_count").fetchone()[0]
    database._writer.execute(f"PRAGMA max_page_count = {pages + 10}")
    with pytest.raises(StorageFullError, match="no room"):
        database.write(fill)
    assert isinstance(as_one_group(database, [fill, add(2)])[0], StorageFullError)
    assert numbers(database) == [1, 2]
    database._writer.execute("PRAGMA max_page_count = 1000000")
    database.write(fill)


def test_two_processes_see_each_others_writes(database: Database, path: Path) -> None:
    other = Database(path)
    other.write(add(1))
    database.write(add(2))
    assert numbers(database) == numbers(other) == [1, 2]
    other.close()
    database.write(add(3))
    assert numbers(database) == [1, 2, 3]


def test_a_writer_waits_for_another_process(database: Database, path: Path) -> None:
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    other.execute("INSERT INTO t VALUES (1)")
    release = threading.Timer(0.05, other.execute, ("COMMIT",))
    release.start()
    database.write(add(2))
    release.join()
    other.close()
    assert numbers(database) == [1, 2]


def test_a_process_that_keeps_the_database_locked_is_named_as_the_cause(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BUSY_SECONDS", 0.05)
    database = Database(path)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(RunyardError, match="another process"):
        database.write(lambda _: None)
    other.close()
    database.write(lambda _: None)
    database.close()


def test_a_closed_database_refuses_politely(path: Path) -> None:
    database = Database(path)
    database.read("SELECT 1")
    database.close()
    database.close()
    with pytest.raises(RunyardError, match="closed"):
        database.write(lambda _: None)
    with pytest.raises(RunyardError, match="closed"):
        database.read("SELECT 1")
    assert not path.with_name("runyard.db-wal").exists()


def test_readers_cannot_write(database: Database) -> None:
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        database.read("INSERT INTO t VALUES (1)")


def test_a_file_that_is_no_database_is_refused_and_kept(path: Path) -> None:
    path.write_bytes(b"my thesis, the only copy\n" * 100)
    with pytest.raises(ConfigError, match="not a whole database"):
        Database(path)
    assert path.read_bytes().startswith(b"my thesis")


def test_a_database_of_an_older_version_is_upgraded_with_its_rows(path: Path) -> None:
    old = Database(path, MIGRATIONS[:1])
    old.write(
        lambda db: db.execute("INSERT INTO messages (queue, id, body, enqueued, visible) VALUES ('q', 'a', 'b', 1, 1)")
    )
    assert old.read("PRAGMA user_version") == [(1,)]
    old.close()
    new = Database(path)
    assert new.read("PRAGMA user_version") == [(len(MIGRATIONS),)]
    assert new.read("SELECT queue, id FROM messages") == [("q", "a")]
    assert new.read("SELECT name FROM sqlite_master WHERE type = 'index' AND name = 'tombstones'") == [("tombstones",)]
    new.close()


def test_an_upgrade_that_fails_changes_nothing(path: Path) -> None:
    Database(path).close()
    with pytest.raises(sqlite3.OperationalError, match="nonsense"):
        Database(path, [*MIGRATIONS, ("CREATE TABLE extra (n)", "nonsense")])
    database = Database(path)
    assert database.read("SELECT name FROM sqlite_master WHERE name = 'extra'") == []
    database.close()


def test_a_database_of_a_newer_version_is_refused_and_not_touched(path: Path) -> None:
    Database(path, [*MIGRATIONS, ("CREATE TABLE later (n)",)]).close()
    with pytest.raises(ConfigError, match="newer Runyard"):
        Database(path)
    with sqlite3.connect(path) as raw:
        assert raw.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS) + 1,)
    raw.close()


def test_processes_that_create_the_file_at_once_all_succeed(path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from runyard.stores.embedded.database import Database\n"
        "sys.stdin.readline(); Database(Path(sys.argv[1])).close()"
    )
    shared = str(Path(module.__file__).parents[3])
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, env={"PYTHONPATH": shared, "PATH": ""}
        )
        for _ in range(4)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(b"go\n")
        process.stdin.flush()
    for process in processes:
        process.communicate()
    assert [process.returncode for process in processes] == [0, 0, 0, 0]
