"""The table operations that the stores are made of, against Azurite and against the tables in memory that stand in for it."""

from __future__ import annotations

from typing import cast

import pytest

from runyard.errors import ConfigError, ConflictError, NotFoundError
from runyard.stores.azure.clients import Clients
from runyard.stores.azure.settings import AzureSettings
from runyard.stores.azure.table import Op, Table, TransactionConflictError, packed, unpacked
from tests.standins.azurite import azurite
from tests.standins.tables import MemoryTables


@pytest.fixture(params=["azurite", "memory"])
def table(request: pytest.FixtureRequest) -> Table:
    if request.param == "memory":
        return cast("Table", MemoryTables().table("things"))
    clients = Clients(AzureSettings(storage_connection=azurite().account().connection))
    clients.tables.create_table("things")
    return Table(clients.tables.get_table_client("things"))


def row(key: str, **more: object) -> dict[str, object]:
    return {"PartitionKey": "p", "RowKey": key, **more}


def test_an_entity_comes_back_as_it_was_with_its_etag(table: Table) -> None:
    etag = table.create(row("a", **packed(b"\x00" * 130_000), number=7, text="ß", flag=True, real=0.1))
    found = table.get("p", "a")
    assert found is not None
    assert found.etag == etag
    assert found.document == b"\x00" * 130_000
    assert (found.row["text"], found.row["flag"], found.row["real"]) == ("ß", True, 0.1)
    assert table.get("p", "b") is None


def test_creating_twice_is_a_conflict(table: Table) -> None:
    table.create(row("a"))
    with pytest.raises(ConflictError):
        table.create(row("a"))


def test_only_the_version_that_was_meant_is_replaced(table: Table) -> None:
    first = table.create(row("a", x=1, y=1))
    second = table.replace(row("a", x=2), first)
    with pytest.raises(ConflictError):
        table.replace(row("a", x=3), first)
    with pytest.raises(ConflictError):
        table.delete("p", "a", first)
    table.merge(row("a", y=9), second)
    found = table.get("p", "a")
    assert found is not None
    assert (found.row["x"], found.row["y"]) == (2, 9)
    with pytest.raises(NotFoundError):
        table.replace(row("b"), "*")


def test_deleting_tells_whether_it_was_there(table: Table) -> None:
    table.create(row("a"))
    assert table.delete("p", "a")
    assert not table.delete("p", "a")


def test_a_query_gives_a_range_in_order_and_no_more_than_asked(table: Table) -> None:
    for key in ("w|2", "w|1", "r|1", "w|3", "x|1"):
        table.create(row(key, n=int(key[-1])))
    assert [each.key for each in table.query("p", low="w|", high="w|~")] == ["w|1", "w|2", "w|3"]
    assert [each.key for each in table.query("p", most=2)] == ["r|1", "w|1"]
    assert [each.key for each in table.query("p", where="n eq @n", parameters={"n": 1})] == ["r|1", "w|1", "x|1"]
    assert [each.key for each in table.scan("n gt @n", parameters={"n": 1})] == ["w|2", "w|3"]
    assert [each.key for each in table.query("p", where="n gt @n and not ( n eq 3 )", parameters={"n": 1})] == ["w|2"]
    assert [each.key for each in table.query("p", where="n eq 3 or RowKey eq 'r|1'")] == ["r|1", "w|3"]
    assert list(table.query("p", where="missing ne 1")) == []
    assert [each.row for each in table.query("p", low="x|", select=["n"])] == [{"n": 1}]


def test_a_query_goes_on_beyond_a_page(table: Table) -> None:
    for start in range(0, 1100, 100):
        table.transact([Op(kind="create", row=row(f"{number:05}")) for number in range(start, start + 100)])
    assert [int(each.key) for each in table.query("p")] == list(range(1100))
    assert [int(each.key) for each in table.query("p", low="00050", most=1020)] == list(range(50, 1070))


def test_a_transaction_is_all_or_nothing_and_says_which_operation_refused(table: Table) -> None:
    etag = table.create(row("gate", n=0))
    table.transact([Op(kind="merge", row=row("gate", n=1), etag=etag), Op(kind="create", row=row("a"))])
    with pytest.raises(TransactionConflictError) as stale:
        table.transact([Op(kind="create", row=row("b")), Op(kind="merge", row=row("gate", n=2), etag=etag)])
    assert (stale.value.index, stale.value.missing, stale.value.exists) == (1, False, False)
    with pytest.raises(TransactionConflictError) as twice:
        table.transact([Op(kind="create", row=row("a"))])
    assert twice.value.exists
    with pytest.raises(TransactionConflictError) as gone:
        table.transact([Op(kind="delete", row=row("nobody"), etag="*")])
    assert gone.value.missing
    assert [each.key for each in table.query("p")] == ["a", "gate"]


def test_every_operation_of_a_transaction_gives_its_etag(table: Table) -> None:
    etags = table.transact([Op(kind="create", row=row("a")), Op(kind="upsert", row=row("b"))])
    found = [table.get("p", key) for key in ("a", "b")]
    assert etags == [each.etag for each in found if each is not None]


def test_what_is_too_large_for_a_row_is_refused_before_it_is_sent() -> None:
    with pytest.raises(ConfigError, match="blob"):
        packed(b"x" * 800_000)
    assert unpacked(packed(b"")) == b""
