"""The proxy before Azurite: faults happen when they should, and requests are counted."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from runyard.errors import ConfigError, NotFoundError, ThrottledError, TransientError
from runyard.stores.azure.clients import Clients
from runyard.stores.azure.settings import AzureSettings
from runyard.stores.azure.table import Op, Table, TransactionConflictError
from tests.standins.azurite import azurite
from tests.standins.faults import (
    EVERY,
    Fault,
    busy,
    closed,
    internal,
    lost,
    slow,
    throttled,
    timed_out,
    twice,
)
from tests.standins.proxy import Proxy, proxied


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with proxied(azurite().account()) as running:
        yield running


@pytest.fixture
def clients(proxy: Proxy) -> Iterator[Clients]:
    made = Clients(AzureSettings(storage_connection=proxy.connection))
    made.tables.create_table("things")
    made.blobs.create_container("runs")
    proxy.forget()
    yield made
    made.close()


@pytest.fixture
def table(clients: Clients) -> Table:
    return Table(clients.tables.get_table_client("things"))


def row(key: str, **more: object) -> dict[str, object]:
    return {"PartitionKey": "p", "RowKey": key, **more}


@pytest.mark.parametrize("fault", [busy(), busy(0), throttled(0), internal(), timed_out(), closed(), slow()], ids=str)
def test_what_passes_is_sent_again_by_the_sdk_and_succeeds(proxy: Proxy, table: Table, fault: Fault) -> None:
    table.create(row("a", n=1))
    proxy.faults.at(fault, 1, operation="GET entity")
    found = table.get("p", "a")
    assert found is not None
    assert found.row["n"] == 1
    assert proxy.faults.happened == {fault.name: 1}
    assert proxy.counts["table", "GET entity"] == (1 if fault == slow() else 2)


def test_what_does_not_pass_is_ours_with_the_time_to_wait(proxy: Proxy, table: Table) -> None:
    proxy.faults.at(busy(0), operation="GET entity")
    with pytest.raises(ThrottledError) as told:
        table.get("p", "a")
    assert told.value.retry_after == 0
    proxy.faults.none()
    proxy.faults.at(closed(), operation="GET entity")
    with pytest.raises(TransientError):
        table.get("p", "a")
    assert proxy.counts["table", "GET entity"] == 8
    proxy.faults.none()
    assert table.get("p", "a") is None


@pytest.mark.parametrize("fault", [lost(), timed_out(done=True), twice()], ids=str)
def test_a_write_whose_answer_was_lost_meets_itself(proxy: Proxy, table: Table, fault: Fault) -> None:
    etag = table.create(row("gate", n=0))
    proxy.faults.at(fault, 1, operation="POST $batch")
    with pytest.raises((TransactionConflictError, TransientError)):
        table.transact([Op(kind="merge", row=row("gate", n=1), etag=etag), Op(kind="create", row=row("slot"))])
    found = table.get("p", "slot")
    assert found is not None
    assert sum(proxy.faults.happened.values()) == 1


def test_what_was_closed_before_anything_left_nothing_behind(proxy: Proxy, table: Table) -> None:
    proxy.faults.at(closed(), operation="POST entities")
    with pytest.raises(TransientError):
        table.create(row("a"))
    assert table.get("p", "a") is None


def test_the_third_put_of_a_blob_is_the_one(proxy: Proxy, clients: Clients) -> None:
    proxy.faults.at(busy(0), 3, service="blob", method="PUT", path="/runs/")
    container = clients.blobs.get_container_client("runs")
    for name in ("a", "b", "c", "d"):
        container.upload_blob(name, b"x")
    assert proxy.counts["blob", "PUT blob"] == 5
    assert proxy.total("blob", "PUT") == 5
    assert proxy.total("table") == 0
    assert [blob.name for blob in container.list_blobs()] == ["a", "b", "c", "d"]


def test_a_seed_tells_what_happens(proxy: Proxy, table: Table) -> None:
    def played(seed: int) -> dict[str, int]:
        proxy.faults.happened.clear()
        proxy.faults.by_chance(0.2, seed, EVERY[:4])
        for number in range(40):
            assert table.get("p", f"{number}") is None
        proxy.faults.none()
        return dict(proxy.faults.happened)

    first = played(11)
    assert sum(first.values()) > 2
    assert played(11) == first
    assert played(12) != first


def test_a_transaction_is_one_request_and_a_bad_one_names_its_operation(proxy: Proxy, table: Table) -> None:
    table.transact([Op(kind="create", row=row(f"{number}")) for number in range(100)])
    assert proxy.counts == {("table", "POST $batch"): 1}
    with pytest.raises(ConfigError, match="InvalidDuplicateRow"):
        table.transact([Op(kind="upsert", row=row("a")), Op(kind="upsert", row=row("a"))])
    with pytest.raises(ConfigError, match="1:The key"):
        table.transact([Op(kind="create", row=row("a")), Op(kind="create", row=row("b/c"))])
    assert proxy.refused == {"InvalidDuplicateRow": 1, "OutOfRangeInput": 1}
    assert table.get("p", "a") is None


def test_what_azurite_answers_comes_through_as_it_is(proxy: Proxy, table: Table, clients: Clients) -> None:
    with pytest.raises(NotFoundError):
        table.replace(row("nobody"), "*")
    blob = clients.blobs.get_blob_client("runs", "a b/ü%2e?.bin")
    blob.upload_blob(b"0123456789")
    assert blob.download_blob(offset=2, length=3).readall() == b"234"
    assert blob.get_blob_properties().size == 10
    blob.delete_blob()
    assert not blob.exists()
