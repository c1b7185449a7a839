"""The rows by which runs are listed, in three tables; what they say of a run that has not ended is not trusted but looked up.

* ``runsbytime``, partition ``yyyymm-<shard>``: ``a|…`` for each run, ``o|…`` besides for each that has not ended. Both are written,
  and one replaced and the other deleted, in one transaction.
* ``runsbyexperiment``, partition = experiment: one row for each run.
* ``runsbyending``, partition ``Failed-yyyymm`` or ``Canceled-yyyymm``: one row for each that ended so.

The keys are (created, id) descending, and the month is that of the creation. The row of a run that has ended holds the whole run, for
it does not change any more; other rows hold what never changes, so a run on its way costs no writes here. What a listing asks of
them is read from the run's own row. ``o`` rows have hints, so that the reconciler need not read every run on its way to find
the few that are ``NotStarted``, ``NotResponding`` or to be canceled: a hint is set before the run is in that state, and is only a hint.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from runyard.errors import ConflictError, NotFoundError
from runyard.runs.model import Run
from runyard.runs.states import CANCEL_REQUESTED, State
from runyard.stores.azure import names
from runyard.stores.azure.keys import descending, escaped
from runyard.stores.azure.months import OLD, Floor, month_of
from runyard.stores.azure.parallel import Parallel
from runyard.stores.azure.run_rows import encode
from runyard.stores.azure.table import Op, Row, Table, TransactionConflictError, packed

SHARDS: Final = 8
"""Partitions of a month: a partition takes 2,000 entities/s, and a run is five of them here."""
ALL, OPEN = "a|", "o|"
"""How the RowKeys of ``runsbytime`` begin."""
BY_ENDING: Final = frozenset({str(State.FAILED), str(State.CANCELED)})
"""The endings that have rows of their own: the few that somebody looks for."""
RARE: Final[Mapping[str, str]] = {
    str(State.NOT_STARTED): "new",
    CANCEL_REQUESTED: "wanted",
    str(State.NOT_RESPONDING): "silent",
}
"""The hint that says that a run may show this status."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where the rows of a run are."""

    id: str
    created: float
    experiment: str
    ending: str

    @classmethod
    def of(cls, run: Run) -> Place:
        """The place of a run."""
        ending = str(run.state) if run.has_ended else ""
        return cls(id=run.id, created=run.created, experiment=run.experiment, ending=ending)

    @property
    def key(self) -> str:
        """Sorts by (created, id) descending."""
        return key_of(self.created, self.id)

    def by_time(self, prefix: str) -> Row:
        """The key of a row in ``runsbytime``."""
        return {"PartitionKey": time_partition(month_of(self.created), shard_of(self.id)), "RowKey": prefix + self.key}

    def by_experiment(self) -> Row:
        """The key of the row in ``runsbyexperiment``."""
        return {"PartitionKey": escaped(self.experiment), "RowKey": self.key}

    def by_ending(self) -> Row:
        """The key of the row in ``runsbyending``."""
        return {"PartitionKey": f"{self.ending}-{month_of(self.created)}", "RowKey": self.key}


def key_of(created: float, run_id: str) -> str:
    """A text that sorts by (created, id) descending: of the id, the complements of its bytes, and what sorts after any of them."""
    return f"{descending(created)}|{bytes(255 - byte for byte in run_id.encode('utf-8', 'surrogatepass')).hex()}g"


def shard_of(run_id: str) -> int:
    """Which of the partitions of a month has the run; the same in every version of this code."""
    return zlib.crc32(run_id.encode("utf-8", "surrogatepass")) % SHARDS


def time_partition(month: str, shard: int) -> str:
    """A PartitionKey of ``runsbytime``."""
    return f"{month}-{shard}"


class RunIndex:
    """Writes the rows."""

    def __init__(self, table: Callable[[str], Table], now: Callable[[], float], parallel: Parallel,
                 get: Callable[[str], Run | None]) -> None:  # fmt: skip
        """``get`` reads a run's own row."""
        self.time = table(names.RUNS_BY_TIME)
        self.experiments = table(names.RUNS_BY_EXPERIMENT)
        self.endings = table(names.RUNS_BY_ENDING)
        self.floor = Floor(self.time, now)
        self.now = now
        self._parallel = parallel
        self._get = get

    def born(self, run: Run) -> None:
        """Before its own row is written: the rows of a run that has not ended. Those that are there stay as they are.

        Of a run that is born with its ending too: its rows are completed after its own is written.
        """
        common = {"run": run.id, "experiment": run.experiment, "written": self.now(), "ending": ""}
        place = Place.of(run)

        def by_time() -> None:
            hints = {hint: run.status == status for status, hint in RARE.items()}
            rows = [{**place.by_time(ALL), **common}, {**place.by_time(OPEN), **common, **hints}]
            try:
                self.time.transact([Op(kind="create", row=row) for row in rows])
            except TransactionConflictError as refused:
                if not refused.exists:
                    raise

        def by_experiment() -> None:
            try:
                self.experiments.create({**place.by_experiment(), **common})
            except ConflictError:
                return  # ours, sent twice, or of an earlier try

        self._parallel.all(by_time, *([] if run.has_ended else [by_experiment]))
        if month_of(run.created) < month_of(self.now() - OLD):
            self.floor.lower(month_of(run.created))

    def suspect(self, before: Run, after: Run) -> None:
        """Before a change is written: hint at a rare status that it brings."""
        hint = RARE.get(after.status)
        if hint is None or after.has_ended or after.status == before.status:
            return
        place = Place.of(after)
        row = {**place.by_time(OPEN), hint: True}
        try:
            self.time.merge(row, "*")
        except NotFoundError:
            common = {"run": after.id, "experiment": after.experiment, "written": self.now(), "ending": ""}
            self.time.upsert({**row, **common})

    def ended(self, run: Run) -> None:
        """After its own row is written: the rows of a run that has ended. Repeatable."""
        place = Place.of(run)
        content = {
            "run": run.id, "experiment": run.experiment, "ending": place.ending, "target": run.target, "compute": run.compute,
            **packed(encode(run)),
        }  # fmt: skip
        work: list[Callable[[], object]] = [lambda: self._ended_by_experiment(place, content)]
        if place.ending in BY_ENDING:
            work.append(lambda: self.endings.upsert({**place.by_ending(), **content}))
        self._parallel.all(*work)
        self._ended_by_time(place, content)

    def _ended_by_time(self, place: Place, content: Row) -> None:
        """The last, for the row that it deletes is how a listing comes to what is missing."""
        row = {**place.by_time(ALL), **content}
        try:
            self.time.transact(
                [Op(kind="update", row=row, etag="*"), Op(kind="delete", row=place.by_time(OPEN), etag="*")]
            )
        except TransactionConflictError as refused:
            if not refused.missing:
                raise
            if self._get(place.id) is None:  # it was deleted meanwhile, and what was just written must not stay
                self.gone(place)
                return
            self.time.upsert(row)
            self._delete(self.time, place.by_time(OPEN))

    def _ended_by_experiment(self, place: Place, content: Row) -> None:
        row = {**place.by_experiment(), **content}
        try:
            self.experiments.replace(row, "*")
        except NotFoundError:
            if self._get(place.id) is not None:
                self.experiments.upsert(row)

    def gone(self, place: Place) -> None:
        """Delete the rows; the one that a listing of all runs shows is the last. Repeatable."""
        work: list[Callable[[], object]] = [
            lambda: self._delete(self.time, place.by_time(OPEN)),
            lambda: self._delete(self.experiments, place.by_experiment()),
        ]
        if place.ending in BY_ENDING:
            work.append(lambda: self._delete(self.endings, place.by_ending()))
        self._parallel.all(*work)
        self._delete(self.time, place.by_time(ALL))

    @staticmethod
    def _delete(table: Table, key: Row) -> None:
        table.delete(key["PartitionKey"], key["RowKey"])


def hints_of(statuses: frozenset[str]) -> list[str] | None:
    """The hints of runs that may show one of these; ``None`` if any run on its way may."""
    return sorted(RARE[status] for status in statuses) if statuses <= RARE.keys() else None


def of_row(row: Mapping[str, Any]) -> str:
    """The id of the run that a row is of."""
    return str(row["run"])
