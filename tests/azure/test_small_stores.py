"""What the contracts do not say of documents, schedules and deliveries in Azure Tables: lost replies, and what is remembered."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import pytest

from runyard.errors import ConfigError
from runyard.ports import Compute, Subscription
from runyard.ports.deliveries import DEAD
from runyard.stores.azure.deliveries import AzureDeliveryStore
from runyard.stores.azure.documents import AzureComputeStore, AzureMarkStore, AzureSubscriptionStore, AzureWebhookStore
from runyard.stores.azure.schedules import AzureScheduleStore
from runyard.stores.azure.table import Op, Table, packed
from tests.contract.test_notify import delivery
from tests.contract.test_schedules import NIGHTLY
from tests.standins.tables import MemoryTables

GPU = Compute(name="gpu", kind="ssh", limit=2)


@pytest.fixture
def tables() -> MemoryTables:
    return MemoryTables()


@pytest.fixture
def twice(tables: MemoryTables) -> MemoryTables:
    """Each write is sent twice, and the second answer counts."""
    tables.resent = lambda: True
    return tables


def table(tables: MemoryTables) -> Table:
    return cast("Table", tables.table("things"))


def test_what_another_process_changes_is_seen_five_seconds_later(tables: MemoryTables) -> None:
    now = [0.0]
    mine = AzureComputeStore(table(tables), monotonic=lambda: now[0])
    other = AzureComputeStore(table(tables), monotonic=lambda: now[0])
    assert (None, {}) == (mine.get("gpu"), mine.aliases())
    other.put(GPU)
    assert GPU == mine.get("gpu")
    other.put(replace(GPU, limit=3))
    other.set_alias("old", "gpu")
    assert (GPU, {}) == (mine.get("gpu"), mine.aliases())
    now[0] += 5.1
    assert (replace(GPU, limit=3), {"old": "gpu"}) == (mine.get("gpu"), mine.aliases())
    mine.put(GPU)
    assert GPU == mine.get("gpu")


def test_whether_somebody_listens_is_half_a_minute_old_at_most(tables: MemoryTables) -> None:
    now = [0.0]
    mine = AzureSubscriptionStore(table(tables), monotonic=lambda: now[0])
    other = AzureSubscriptionStore(table(tables), monotonic=lambda: now[0])
    assert not mine.any()
    other.put(Subscription(name="ear", url="https://ear.example"))
    now[0] += 30.1
    assert mine.any()
    assert mine.remove("ear")
    assert not mine.any()
    assert mine.source() == other.source()


def test_what_is_counted_is_counted_once(twice: MemoryTables) -> None:
    marks = AzureMarkStore(table(twice))
    assert 5.0 == marks.begin("drops", 5.0).since
    marks.count("drops", 3, 10.0)
    marks.count("drops", 4, 11.0)
    found = marks.get("drops")
    assert found is not None
    assert (7, 11.0) == (found.missed, found.missed_at)


def test_a_removal_that_is_sent_twice_was_a_removal(twice: MemoryTables) -> None:
    computes = AzureComputeStore(table(twice))
    computes.put(GPU)
    assert computes.remove("gpu")
    assert not computes.remove("gpu")


def test_a_schedule_that_is_sent_twice_is_stored_once(twice: MemoryTables) -> None:
    schedules = AzureScheduleStore(table(twice))
    stored = schedules.put(NIGHTLY)
    moved = schedules.put(replace(stored, next_at=300.0))
    assert moved == schedules.get("nightly")
    assert schedules.remove("nightly")


def test_a_delivery_that_is_sent_twice_is_stored_once(twice: MemoryTables) -> None:
    deliveries = AzureDeliveryStore(table(twice))
    assert deliveries.add(delivery())
    assert not deliveries.add(delivery(body=b"another"))
    assert deliveries.replace(delivery(version=2, state=DEAD, settled=9.0), version=1)
    assert {"ear": {DEAD: 1}} == deliveries.counts()
    assert 1 == deliveries.drop("ear")
    assert [] == list(table(twice).query("ear"))


def test_one_that_is_due_is_found_among_many_dead(tables: MemoryTables) -> None:
    deliveries = AzureDeliveryStore(table(tables))
    for number in range(300):
        deliveries.add(delivery(f"dead{number}", state=DEAD, settled=float(number)))
    deliveries.add(delivery("one", next_at=20.0))
    requests: list[str] = []
    tables.told = lambda table, verb, partition, entities: requests.append(verb)
    assert ["one"] == [each.id for each in deliveries.due("ear", 20.0, most=10)]
    assert ["query", "get"] == requests


def test_a_webhook_of_the_first_schema_is_brought_up_to_date(tables: MemoryTables) -> None:
    old = b'{"name": "push", "kind": "github", "secret": "hook-push", "created": 5.0, "schema": 1}'
    key = {"PartitionKey": "webhook", "RowKey": "push", "name": "push"}
    table(tables).transact([Op(kind="create", row={**key, **packed(old)})])
    found = AzureWebhookStore(table(tables)).get("push")
    assert found is not None
    assert [("1", "hook-push", 5.0)] == [(each.id, each.name, each.created) for each in found.secrets]


def test_a_document_that_fits_no_row_is_refused_in_one_sentence(tables: MemoryTables) -> None:
    computes = AzureComputeStore(table(tables))
    with pytest.raises(ConfigError, match="bytes"):
        computes.put(replace(GPU, options={"text": "x" * 800_000}))
