"""The stores of one root: what outlives a process, and what passes between two."""

from __future__ import annotations

import json
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import runyard
from runyard.errors import ConfigError
from runyard.ports import Compute, Waiting, Webhook, WebhookSecret
from runyard.ports.queue import MAX_DELIVERIES
from runyard.ports.webhooks import SCHEMA
from runyard.stores.embedded import EmbeddedStores
from runyard.stores.embedded import queue as queue_module
from runyard.testing import ManualClock
from tests.contract.samples import a_birth


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


@pytest.fixture
def stores(root: Path) -> Iterator[EmbeddedStores]:
    with EmbeddedStores.open(root) as stores:
        yield stores


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_root_is_private_and_has_a_drop_folder(stores: EmbeddedStores, root: Path) -> None:
    assert mode(root) == mode(root / "secrets") == 0o700
    assert (root / "snapshots").is_dir()


def test_a_root_that_others_could_read_is_made_private(root: Path) -> None:
    root.mkdir(mode=0o755)
    with EmbeddedStores.open(root):
        assert mode(root) == 0o700


def test_a_root_that_is_a_file_is_refused(root: Path) -> None:
    root.write_text("x")
    with pytest.raises(ConfigError, match="cannot be used as the root"):
        EmbeddedStores.open(root)


def test_reopening_keeps_everything(root: Path) -> None:
    hook = Webhook(name="h", kind="github", secrets=(WebhookSecret(id="1", name="s"),))
    with EmbeddedStores.open(root) as first:
        run, _ = first.runs.create(a_birth())
        first.gates.configure("c", limit=1)
        first.gates.wait("c", Waiting(run_id=run.id, priority=0, enqueued=1.0))
        first.queue.send("q", b"m")
        first.blobs.put("runs", "a/b", b"log")
        first.computes.put(Compute(name="c", kind="local", limit=1))
        first.computes.set_alias("old", "c")
        first.webhooks.put(hook)
        first.secrets.set("s", "value")
    with EmbeddedStores.open(root) as again:
        assert again.runs.get(run.id) == run
        assert again.gates.position("c", run.id) == 1
        assert [message.body for message in again.queue.receive("q", most=9, lock=1)] == [b"m"]
        assert b"".join(again.blobs.stream("runs", "a/b")) == b"log"
        assert [compute.name for compute in again.computes.list()] == ["c"]
        assert again.computes.aliases() == {"old": "c"}
        assert again.webhooks.get("h") == hook
        assert again.secrets.get("s") == "value"


@pytest.mark.parametrize("durable", [False, True])
def test_a_message_sent_by_a_process_that_was_killed_is_there(root: Path, durable: bool) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path; from runyard.stores.embedded import EmbeddedStores\n"
        "stores = EmbeddedStores.open(Path(sys.argv[1]))\n"
        f"stores.queue.send('q', b'm', durable={durable})\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    shared = str(Path(runyard.__file__).parents[1])
    killed = subprocess.run(
        [sys.executable, "-c", code, str(root)], env={"PYTHONPATH": shared, "PATH": ""}, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    with EmbeddedStores.open(root) as stores:
        assert [message.body for message in stores.queue.receive("q", most=9, lock=1)] == [b"m"]


def test_a_secret_is_a_file_that_only_its_owner_reads(stores: EmbeddedStores, root: Path) -> None:
    stores.secrets.set("token", "x")
    stores.secrets.set("token", "y")
    assert mode(root / "secrets" / "token") == 0o600
    assert [path.name for path in (root / "secrets").iterdir()] == ["token"]


def test_freed_locks_make_messages_receivable_at_once(stores: EmbeddedStores) -> None:
    stores.queue.send("q", b"m")
    stores.queue.send("q", b"late", delay=1000)
    stores.queue.receive("q", most=1, lock=1000)
    assert stores.queue.release_locks() == 1
    (message,) = stores.queue.receive("q", most=9, lock=1000)
    assert (message.body, message.delivery_count) == (b"m", 2)
    assert stores.queue.release_locks() == 1
    assert stores.queue.release_locks() == 0


def test_freed_locks_leave_parked_dead_letters_alone(root: Path) -> None:
    clock = ManualClock()
    with EmbeddedStores.open(root, clock) as stores:
        stores.queue.send("deadletters", b"m")
        for _ in range(MAX_DELIVERIES):
            stores.queue.abandon(stores.queue.receive("deadletters", most=1, lock=1)[0])
        assert stores.queue.release_locks() == 0
        assert list(stores.queue.receive("deadletters", most=1, lock=1)) == []


def received_after(stores: EmbeddedStores, *, start: threading.Thread | None = None) -> float:
    """Seconds until a receiver that waits up to 5 s has a message."""
    begun = time.monotonic()
    if start is not None:
        start.start()
    assert list(stores.queue.wait(["p", "q"], 5)) == ["q"]
    (message,) = stores.queue.receive("q", most=1, lock=60)
    took = time.monotonic() - begun
    stores.queue.complete(message)
    if start is not None:
        start.join()
    return took


def test_a_send_of_this_process_wakes_a_waiting_receiver(stores: EmbeddedStores) -> None:
    sender = threading.Timer(0.05, stores.queue.send, ("q", b"m"))
    assert 0.04 < received_after(stores, start=sender) < queue_module.LOOK_SECONDS


def test_a_waiting_receiver_wakes_when_a_delayed_message_is_due(stores: EmbeddedStores) -> None:
    stores.queue.send("q", b"m", delay=0.05)
    assert 0.04 < received_after(stores) < queue_module.LOOK_SECONDS


def test_a_waiting_receiver_hears_of_a_delayed_message_that_is_sent_later(stores: EmbeddedStores) -> None:
    stores.queue.send("q", b"far", delay=1000)
    sender = threading.Timer(0.02, stores.queue.send, ("q", b"m"), {"delay": 0.05})
    assert 0.06 < received_after(stores, start=sender) < queue_module.LOOK_SECONDS


def test_a_waiting_receiver_finds_what_another_process_sent(
    stores: EmbeddedStores, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue_module, "LOOK_SECONDS", 0.05)
    with EmbeddedStores.open(root) as other:
        sender = threading.Timer(0.02, other.queue.send, ("q", b"m"))
        assert received_after(stores, start=sender) < 2


def test_a_receiver_does_not_wait_longer_than_it_was_told(stores: EmbeddedStores) -> None:
    begun = time.monotonic()
    assert list(stores.queue.wait(["q"], 0.03)) == []
    assert 0.03 <= time.monotonic() - begun < queue_module.LOOK_SECONDS


def test_looking_at_empty_queues_writes_nothing(stores: EmbeddedStores) -> None:
    statements: list[str] = []
    stores.database._writer.set_trace_callback(statements.append)
    assert list(stores.queue.wait(["p", "q"], 0)) == []
    stores.database._writer.set_trace_callback(None)
    assert [statement.split()[0] for statement in statements] == ["SELECT"]


def test_wakes_write_nothing_and_are_this_process_s_own(stores: EmbeddedStores, root: Path) -> None:
    before = stores.database._writer.total_changes
    stores.queue.wake("q", b"c")
    assert list(stores.queue.wait(["q"], 5)) == ["q"]
    (message,) = stores.queue.receive("q", most=9, lock=60)
    stores.queue.complete(message)
    assert stores.database._writer.total_changes == before
    stores.queue.wake("q", b"c")
    with EmbeddedStores.open(root) as other:
        assert list(other.queue.receive("q", most=9, lock=60)) == []


def test_wakes_and_messages_are_seen_and_settled_alike(stores: EmbeddedStores) -> None:
    stores.queue.send("q", b"m")
    stores.queue.wake("q", b"w")
    assert dict(stores.queue.counts()) == {"q": 2}
    assert [message.body for message in stores.queue.peek("q")] == [b"w", b"m"]
    received = [*stores.queue.receive("q", most=9, lock=60), *stores.queue.receive("q", most=9, lock=60)]
    assert list(stores.queue.complete_many(received)) == []
    assert list(stores.queue.complete_many(received)) == received
    stores.queue.wake("q", b"w")
    for _ in range(MAX_DELIVERIES):
        stores.queue.abandon(stores.queue.receive("q", most=1, lock=60)[0])
    stores.queue.send("q", b"m")
    stores.queue.dead_letter(stores.queue.receive("q", most=1, lock=60)[0], reason="r", description="d")
    assert dict(stores.queue.counts()) == {"deadletters": 2}
    assert stores.queue.redrive(most=1) == 1
    assert stores.queue.redrive() == 1
    assert dict(stores.queue.counts()) == {"q": 2}


def test_lists_of_runs_use_an_index_for_every_filter(stores: EmbeddedStores) -> None:
    from runyard.ports import Query
    from runyard.stores.embedded.runs import _selects

    queries = [
        Query(),
        Query(statuses=frozenset({"Failed", "Running"})),
        Query(experiment="e"),
        Query(target="t"),
        Query(experiment="e", target="t", statuses=frozenset({"Completed"}), created_before=5.0),
    ]
    for query in queries:
        for sql, args in _selects(query, (1.0, "x")):
            (plan,) = stores.database.read(f"EXPLAIN QUERY PLAN {sql}", args)
            assert "USING INDEX" in plan[3]


def test_a_webhook_stored_by_the_first_version_has_its_one_secret_still(root: Path) -> None:
    old = {
        "name": "retrain",
        "kind": "github",
        "secret": "webhook-retrain",
        "submission": {"experiment": "ridge", "snapshot": "uploads/a.zip"},
        "events": ["push"],
        "created": 7.5,
        "schema": 1,
    }
    with EmbeddedStores.open(root) as first:
        first.webhooks.put(Webhook(name="retrain", kind="github"))
    change = "UPDATE documents SET document = ? WHERE kind = 'webhook'"
    with sqlite3.connect(root / "runyard.db") as database:
        assert 1 == database.execute(change, (json.dumps(old).encode(),)).rowcount
    database.close()
    with EmbeddedStores.open(root) as second:
        webhook = second.webhooks.get("retrain")
        assert webhook is not None
        assert (WebhookSecret(id="1", name="webhook-retrain", created=7.5),) == webhook.secrets
        assert (("push",), old["submission"], SCHEMA) == (webhook.events, webhook.submission, webhook.schema)
        assert [webhook] == list(second.webhooks.list())
        second.webhooks.put(webhook)
        assert webhook == second.webhooks.get("retrain")
