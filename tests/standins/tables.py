"""Azure Tables in memory, behind the same few operations as :class:`runyard.stores.azure.table.Table`.

For what needs many thousands of operations (crash points of every request, a simulation of a minute at full rate). That it behaves as
Azurite does is proved by running the same tests over both (``tests/azure/test_table.py``); what the contract suites run over is
Azurite.
"""

from __future__ import annotations

import bisect
import itertools
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from runyard.errors import ConfigError, ConflictError, NotFoundError
from runyard.stores.azure.table import MOST_OPERATIONS, PAGE, Found, Op, Row, TransactionConflictError

Told = Callable[[str, str, str, int], None]
"""What is called for each request: (table, verb, partition, entities)."""

_TOKEN = re.compile(r"\s*(\(|\)|'(?:[^']|'')*'|@?[A-Za-z_]\w*|-?\d+(?:\.\d+)?)")
_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
    "gt": lambda a, b: a > b,
    "ge": lambda a, b: a >= b,
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
}


class MemoryTables:
    """The tables of one account; one lock, so that every request is atomic, as a partition's are."""

    def __init__(self, told: Told | None = None) -> None:
        self._tables: dict[str, MemoryTable] = {}
        self.lock = threading.RLock()
        self.versions = itertools.count(1)
        self.told: Told = told or _nothing
        """Called before each request; what it raises keeps the request from being made."""
        self.answered: Told = _nothing
        """Called after each; what it raises is instead of the answer, and what was asked for is done."""
        self.resent: Callable[[], bool] = lambda: False
        """Whether the reply to a write is lost, and the SDK sends it again: the second answer counts."""

    def table(self, name: str) -> MemoryTable:
        """The table, made when it is first asked for."""
        with self.lock:
            return self._tables.setdefault(name, MemoryTable(self, name))


def _nothing(table: str, verb: str, partition: str, entities: int) -> None:
    """Of what nobody asked to be told."""


class MemoryTable:
    """One table."""

    def __init__(self, account: MemoryTables, name: str) -> None:
        self._account = account
        self._name = name
        self._partitions: dict[str, dict[str, Found]] = {}
        self._keys: dict[str, list[str]] = {}

    def get(self, partition: str, key: str) -> Found | None:
        with self._request("get", partition, 1):
            return self._read(partition, key)

    def create(self, row: Row) -> str:
        return self._one(Op(kind="create", row=row))

    def replace(self, row: Row, etag: str) -> str:
        return self._one(Op(kind="update", row=row, etag=etag))

    def merge(self, row: Row, etag: str) -> str:
        return self._one(Op(kind="merge", row=row, etag=etag))

    def upsert(self, row: Row) -> str:
        return self._one(Op(kind="upsert", row=row))

    def delete(self, partition: str, key: str, etag: str = "*") -> bool:
        try:
            self._one(Op(kind="delete", row={"PartitionKey": partition, "RowKey": key}, etag=etag))
        except NotFoundError:
            return False
        return True

    def query(
        self,
        partition: str,
        *,
        low: str = "",
        high: str = "",
        where: str = "",
        parameters: Mapping[str, Any] | None = None,
        select: Sequence[str] | None = None,
        most: int | None = None,
    ) -> Iterator[Found]:
        matches = _filter(where, parameters or {})
        start = low
        left = most
        while True:
            with self._request("query", partition, 0):
                keys = self._keys.get(partition, [])
                first = bisect.bisect_left(keys, start)
                last = bisect.bisect_left(keys, high) if high else len(keys)
                size = PAGE if left is None else min(left, PAGE)
                page = []
                for key in itertools.islice(keys, first, last):
                    found = self._partitions[partition][key]
                    if matches(found.row):
                        page.append(found)
                        if len(page) == size:
                            break
                more = len(page) == size and page[-1].key < keys[last - 1]
            yield from (_selected(found, select) for found in page)
            left = None if left is None else left - len(page)
            if not more or left == 0:
                return
            start = page[-1].key + "\0"

    def scan(
        self,
        where: str = "",
        *,
        parameters: Mapping[str, Any] | None = None,
        select: Sequence[str] | None = None,
        most: int | None = None,
    ) -> Iterator[Found]:
        matches = _filter(where, parameters or {})
        with self._request("scan", "", 0):
            rows = [
                self._partitions[partition][key] for partition in sorted(self._keys) for key in self._keys[partition]
            ]
        return itertools.islice((_selected(found, select) for found in rows if matches(found.row)), most)

    def transact(self, operations: Sequence[Op]) -> list[str]:
        if not 1 <= len(operations) <= MOST_OPERATIONS:
            raise ConfigError(f"a transaction has 1 to {MOST_OPERATIONS} operations, not {len(operations)}")
        partitions = {str(op.row["PartitionKey"]) for op in operations}
        keys = {str(op.row["RowKey"]) for op in operations}
        if len(partitions) != 1 or len(keys) != len(operations):
            raise ConfigError("a transaction is of one partition, and names each entity once")
        return self._written("transact", partitions.pop(), operations)

    def _one(self, op: Op) -> str:
        try:
            return self._written(op.kind, str(op.row["PartitionKey"]), [op])[0]
        except TransactionConflictError as refused:
            form = NotFoundError if refused.missing else ConflictError
            raise form(refused.message) from None

    def _written(self, verb: str, partition: str, operations: Sequence[Op]) -> list[str]:
        with self._request(verb, partition, len(operations)):
            etags = self._all(operations)
            return self._all(operations) if self._account.resent() else etags

    def _all(self, operations: Sequence[Op]) -> list[str]:
        for index, op in enumerate(operations):
            self._check(op, index)
        return [self._apply(op) for op in operations]

    @contextmanager
    def _request(self, verb: str, partition: str, entities: int) -> Iterator[None]:
        self._account.told(self._name, verb, partition, entities)
        with self._account.lock:
            yield
        self._account.answered(self._name, verb, partition, entities)

    def _read(self, partition: str, key: str) -> Found | None:
        return self._partitions.get(partition, {}).get(key)

    def _check(self, op: Op, index: int) -> None:
        there = self._read(str(op.row["PartitionKey"]), str(op.row["RowKey"]))
        if op.kind == "upsert":
            return
        if op.kind == "create":
            if there is not None:
                raise TransactionConflictError(
                    "The specified entity already exists.", index, missing=False, exists=True
                )
            return
        if there is None:
            raise TransactionConflictError("The specified resource does not exist.", index, missing=True, exists=False)
        if op.etag not in {"*", there.etag}:
            text = "The update condition specified in the request was not satisfied."
            raise TransactionConflictError(text, index, missing=False, exists=False)

    def _apply(self, op: Op) -> str:
        partition, key = str(op.row["PartitionKey"]), str(op.row["RowKey"])
        rows = self._partitions.setdefault(partition, {})
        keys = self._keys.setdefault(partition, [])
        if op.kind == "delete":
            del rows[key]
            del keys[bisect.bisect_left(keys, key)]
            return ""
        if key not in rows:
            bisect.insort(keys, key)
        before = rows[key].row if op.kind == "merge" else {}
        given = {name: value for name, value in op.row.items() if value is not None}
        etag = f'W/"{next(self._account.versions)}"'
        rows[key] = Found(row={**before, **given}, etag=etag)
        return etag


def _selected(found: Found, select: Sequence[str] | None) -> Found:
    if select is None:
        return Found(row=dict(found.row), etag=found.etag)
    return Found(row={name: found.row.get(name) for name in select}, etag=found.etag)


def _filter(where: str, parameters: Mapping[str, Any]) -> Callable[[Row], bool]:
    """The part of OData that Azure Tables know: comparisons, ``and``, ``or``, ``not`` and parentheses."""
    if not where.strip():
        return lambda row: True
    tokens = _TOKEN.findall(where)
    if "".join(tokens) != re.sub(r"\s+(?=(?:[^']*'[^']*')*[^']*$)", "", where):
        raise ConfigError(f"{where!r} is not a filter")
    parsed, rest = _either(tokens, parameters)
    if rest:
        raise ConfigError(f"{where!r} is not a filter: {rest[0]!r} is left over")
    return parsed


_Test = Callable[[Row], bool]


def _any_of(one: _Test, other: _Test) -> _Test:
    return lambda row: one(row) or other(row)


def _all_of(one: _Test, other: _Test) -> _Test:
    return lambda row: one(row) and other(row)


_Parsed = tuple[_Test, Sequence[str]]


def _either(tokens: Sequence[str], values: Mapping[str, Any]) -> _Parsed:
    parsed, rest = _both(tokens, values)
    while rest and rest[0] == "or":
        other, rest = _both(rest[1:], values)
        parsed = _any_of(parsed, other)
    return parsed, rest


def _both(tokens: Sequence[str], values: Mapping[str, Any]) -> _Parsed:
    parsed, rest = _term(tokens, values)
    while rest and rest[0] == "and":
        other, rest = _term(rest[1:], values)
        parsed = _all_of(parsed, other)
    return parsed, rest


def _term(tokens: Sequence[str], values: Mapping[str, Any]) -> _Parsed:
    if tokens[0] == "not":
        inner, rest = _term(tokens[1:], values)
        return (lambda row: not inner(row)), rest
    if tokens[0] == "(":
        inner, rest = _either(tokens[1:], values)
        if not rest or rest[0] != ")":
            raise ConfigError("a parenthesis is not closed")
        return inner, rest[1:]
    name, operator, written, *rest = tokens
    compare, value = _COMPARE[operator], _value(written, values)
    # A comparison with a property that an entity lacks is false.
    return (lambda row: row.get(name) is not None and compare(row[name], value)), rest


def _value(written: str, values: Mapping[str, Any]) -> Any:
    if written.startswith("@"):
        return values[written[1:]]
    if written.startswith("'"):
        return written[1:-1].replace("''", "'")
    if written in {"true", "false"}:
        return written == "true"
    return float(written) if "." in written else int(written)
