"""One table: the few operations that the stores are made of, with ETags, and errors that are ours.

An entity is a plain dict with ``PartitionKey`` and ``RowKey``. Documents are kept as binary properties of at most 64 KiB
(https://learn.microsoft.com/rest/api/storageservices/understanding-the-table-service-data-model#property-types), so a longer
one has several.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Final

from azure.core import MatchConditions
from azure.data.tables import TableClient, TableTransactionError, UpdateMode

from runyard.errors import ConfigError, ConflictError, NotFoundError, RunyardError
from runyard.stores.azure.edge import code_of, translate, translated

Row = dict[str, Any]

MOST_OPERATIONS: Final = 100
"""Operations of one entity-group transaction: the service's limit."""
PIECE: Final = 60 << 10
"""Bytes of one binary property; the service takes 64 KiB."""
MOST_DOCUMENT: Final = 12 * PIECE
"""Bytes of a document; an entity has at most 1 MiB, and a request base64 on the wire."""
PAGE: Final = 1000
"""Entities of one answer: the service's limit."""


@dataclass(frozen=True, slots=True)
class Found:
    """A stored entity."""

    row: Row
    etag: str

    @property
    def key(self) -> str:
        """Its RowKey."""
        return str(self.row["RowKey"])

    @property
    def document(self) -> bytes:
        """What :func:`packed` stored."""
        return unpacked(self.row)


@dataclass(frozen=True, slots=True, kw_only=True)
class Op:
    """One operation of a transaction."""

    kind: str
    """``create``, ``update`` (replaces) or ``merge`` (either with an ETag, or ``*``), ``upsert``, ``delete``."""
    row: Row
    etag: str | None = None
    """Which version is meant; ``None`` for ``create`` and ``upsert``, ``*`` for whatever is there."""


class TransactionConflictError(ConflictError):
    """A transaction was refused as a whole, because one of its operations found another state; ``index`` says which."""

    def __init__(self, message: str, index: int, *, missing: bool, exists: bool) -> None:
        super().__init__(message)
        self.index = index
        self.missing = missing
        """Whether the entity was not there."""
        self.exists = exists
        """Whether it was there and must not be."""


def packed(document: bytes) -> Row:
    """The properties that hold a document.

    Raises:
        ConfigError: if it is too large for an entity.
    """
    if len(document) > MOST_DOCUMENT:
        raise ConfigError(
            f"this has {len(document):,} bytes as it is stored, and a table row holds {MOST_DOCUMENT:,}; put what is large into a blob"
        )
    pieces = range(0, max(len(document), 1), PIECE)
    return {f"d{index}": document[start : start + PIECE] for index, start in enumerate(pieces)}


def unpacked(row: Mapping[str, Any]) -> bytes:
    """What :func:`packed` stored."""
    names = itertools.takewhile(row.__contains__, (f"d{index}" for index in itertools.count()))
    return b"".join(bytes(row[name]) for name in names)


class Table:
    """One table of the account."""

    def __init__(self, client: TableClient) -> None:
        self._client = client
        self._name = client.table_name

    def get(self, partition: str, key: str) -> Found | None:
        """One entity."""
        try:
            with translated(f"reading the table {self._name}"):
                return _found(self._client.get_entity(partition, key))
        except NotFoundError:
            return None

    def create(self, row: Row) -> str:
        """Insert; returns its ETag.

        Raises:
            ConflictError: if it is there.
        """
        with self._writing():
            return _etag(self._client.create_entity(row))

    def replace(self, row: Row, etag: str) -> str:
        """Replace the version ``etag`` (``*``: any); returns the new ETag.

        Raises:
            ConflictError: if it has another.
            NotFoundError: if it is not there.
        """
        with self._writing():
            return _etag(self._client.update_entity(row, mode=UpdateMode.REPLACE, **_match(etag)))

    def merge(self, row: Row, etag: str) -> str:
        """Set some properties of the version ``etag`` (``*``: any); raises as :meth:`replace`."""
        with self._writing():
            return _etag(self._client.update_entity(row, mode=UpdateMode.MERGE, **_match(etag)))

    def upsert(self, row: Row) -> str:
        """Insert or replace; returns the new ETag."""
        with self._writing():
            return _etag(self._client.upsert_entity(row, mode=UpdateMode.REPLACE))

    def delete(self, partition: str, key: str, etag: str = "*") -> bool:
        """Delete; whether it was there.

        Raises:
            ConflictError: if it has another ETag.
        """
        # The client takes a 404 for success, so what was there has to be told by the answer itself.
        status: list[int] = []
        with self._writing():
            self._client.delete_entity(
                partition, key, raw_response_hook=lambda answer: status.append(answer.http_response.status_code),
                **_match(etag),
            )  # fmt: skip
        return not status or status[-1] != 404

    def query(self, partition: str, *, low: str = "", high: str = "", where: str = "", parameters: Mapping[str, Any] | None = None,
              select: Sequence[str] | None = None, most: int | None = None) -> Iterator[Found]:  # fmt: skip
        """Entities of one partition in the order of their keys: ``low`` ≤ RowKey < ``high``, and ``where`` if given.

        One request for each :data:`PAGE` of them; at most ``most`` are given.
        """
        values: dict[str, Any] = {**(parameters or {}), "pk": partition, "low": low, "high": high}
        parts = ["PartitionKey eq @pk"]
        if low:
            parts.append("RowKey ge @low")
        if high:
            parts.append("RowKey lt @high")
        if where:
            parts.append(f"( {where} )")  # the SDK looks for parameters between spaces
        return self._pages(" and ".join(parts), values, select, most)

    def scan(self, where: str = "", *, parameters: Mapping[str, Any] | None = None, select: Sequence[str] | None = None,
             most: int | None = None) -> Iterator[Found]:  # fmt: skip
        """Entities of every partition, by (PartitionKey, RowKey); reads the whole table, so for small tables only."""
        return self._pages(where, dict(parameters or {}), select, most)

    def transact(self, operations: Sequence[Op]) -> list[str]:
        """All or nothing, in one partition; returns the ETag of each (empty of what was deleted).

        Raises:
            TransactionConflictError: if one of them found another state than it asked for.
        """
        if not 1 <= len(operations) <= MOST_OPERATIONS:
            raise ConfigError(f"a transaction has 1 to {MOST_OPERATIONS} operations, not {len(operations)}")
        batch = [_operation(each) for each in operations]
        with self._writing():
            try:
                return [_etag(each) for each in self._client.submit_transaction(batch)]
            except TableTransactionError as error:
                raise self._refused(error) from error

    def _refused(self, error: TableTransactionError) -> RunyardError:
        ours = translate(error, f"writing the table {self._name}")
        if isinstance(ours, ConflictError | NotFoundError):
            missing = isinstance(ours, NotFoundError)
            exists = code_of(error) == "EntityAlreadyExists"
            return TransactionConflictError(ours.message, error.index, missing=missing, exists=exists)
        return ours

    def _pages(self, where: str, values: Row, select: Sequence[str] | None, most: int | None) -> Iterator[Found]:
        size = PAGE if most is None else max(1, min(most, PAGE))
        chosen = list(select) if select else None
        with translated(f"reading the table {self._name}"):
            rows = self._client.query_entities(where, parameters=values, select=chosen, results_per_page=size)
            for row in itertools.islice(rows, most):
                yield _found(row)

    def _writing(self) -> AbstractContextManager[None]:
        return translated(f"writing the table {self._name}")


def _operation(op: Op) -> Any:
    options: Row = {} if op.etag is None else _match(op.etag)
    if op.kind in {"update", "merge"}:
        mode = UpdateMode.REPLACE if op.kind == "update" else UpdateMode.MERGE
        return "update", op.row, {**options, "mode": mode}
    if op.kind == "upsert":
        return "upsert", op.row, {"mode": UpdateMode.REPLACE}
    return op.kind, op.row, options


def _match(etag: str) -> Row:
    if etag == "*":
        return {"match_condition": MatchConditions.Unconditionally}  # sent as If-Match: *, so that it must be there
    return {"match_condition": MatchConditions.IfNotModified, "etag": etag}


def _etag(metadata: Mapping[str, Any]) -> str:
    return str(metadata.get("etag") or "")


def _found(entity: Any) -> Found:
    return Found(row=dict(entity), etag=str(entity.metadata.get("etag") or ""))
