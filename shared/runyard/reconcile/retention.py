"""Retention: what may go, goes, oldest first; a deleted run leaves a tombstone, so that its event never runs it again."""

from __future__ import annotations

import hashlib
import math
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from typing import Final

from runyard.finalize.ending import RUNS
from runyard.ports import Ports, Query
from runyard.reconcile.registers import forget_registers
from runyard.reconcile.tombstones import buried_at, forget_old
from runyard.runs.model import Run
from runyard.runs.states import CANCEL_REQUESTED, ENDINGS, State

PAGE: Final = 500
MOST_UNTOLD: Final = 100_000
"""Endings still to be announced that are looked at: there are a handful, unless nothing serves the root."""
SNAPSHOT_CONTAINERS: Final = ("snapshots", "uploads")


@dataclass(slots=True, kw_only=True)
class PruneReport:
    """What was removed, or (dry run) would be."""

    runs: int = 0
    logs: int = 0
    snapshots: int = 0
    bytes: int = 0
    tombstones: int = 0
    """Deleted runs whose events are forgotten: nothing repeats them any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Removal:
    ports: Ports
    report: PruneReport
    dry_run: bool

    def blobs(self, container: str, prefix: str) -> int:
        """Remove every blob under a prefix; returns how many."""
        count = 0
        after: str | None = None
        while page := self.ports.blobs.list(container, prefix, after=after, limit=PAGE):
            for info in page:
                self.blob(container, info.name, info.size)
            count += len(page)
            after = page[-1].name
        return count

    def run(self, run: Run) -> None:
        """Remove an ended run, its files and its start registers."""
        self.report.runs += 1
        self.blobs(RUNS, f"{run.id}/")
        if self.dry_run:
            return
        attempts = self.ports.runs.attempts(run.id)
        self.ports.runs.delete(run.id, at=buried_at(run, self.ports.clock.now()))
        if run.secret:
            self.ports.secrets.remove(run.secret)
        forget_registers(self.ports, run, attempts)

    def blob(self, container: str, name: str, size: int) -> None:
        self.report.bytes += size
        if not self.dry_run:
            self.ports.blobs.delete(container, name)


def prune(
    ports: Ports,
    *,
    runs_older_than: float | None = None,
    logs_older_than: float | None = None,
    snapshots_older_than: float | None = None,
    keep: int | None = None,
    dry_run: bool = False,
) -> PruneReport:
    """Remove ended runs, files of ended runs, snapshots that no unfinished run, schedule or webhook needs, and tombstones of long ago.

    Args:
        ports: The outside.
        runs_older_than: Runs that ended more than so many seconds ago go, with all their files.
        logs_older_than: Of runs that ended more than so many seconds ago only the files go (logs, outputs, metrics).
        snapshots_older_than: Snapshots last changed more than so many seconds ago go.
        keep: The newest so many runs stay whatever their age.
        dry_run: Only count.
    """
    report = PruneReport()
    removal = _Removal(ports=ports, report=report, dry_run=dry_run)
    now = ports.clock.now()
    held = {slot.run_id for gate in ports.gates.list() if gate.taken for slot in ports.gates.slots(gate.compute)}
    held.update(ports.runs.outbox(before=math.inf, most=MOST_UNTOLD))  # their endings are still to be announced
    for index, run in enumerate(_all_runs(ports, Query(limit=PAGE))):
        if not run.has_ended or run.id in held:  # one that holds a slot is still to be cleaned up after
            continue
        age = now - (run.ended or run.created)
        kept = keep is not None and index < keep
        if runs_older_than is not None and age > runs_older_than and not kept:
            removal.run(run)
        elif logs_older_than is not None and age > logs_older_than:
            report.logs += 1 if removal.blobs(RUNS, f"{run.id}/") else 0
    if snapshots_older_than is not None:
        _prune_snapshots(removal, now - snapshots_older_than)
    if not dry_run:
        report.tombstones = forget_old(ports)
    return report


def _asked_snapshot(request: Mapping[str, object]) -> str:
    asked = request.get("snapshot")
    if isinstance(asked, dict):
        return f"{asked.get('container')}/{asked.get('name')}"
    return str(asked)


def _standing(ports: Ports) -> Iterator[str]:
    """The snapshots that schedules and webhooks submit, also those that are paused."""
    submissions = [each.submission for each in ports.schedules.list()]
    submissions += [each.submission for each in ports.webhooks.list()]
    yield from map(_asked_snapshot, submissions)


def _all_runs(ports: Ports, query: Query) -> Iterator[Run]:
    while True:
        page = ports.runs.list(query)
        yield from page.runs
        if page.next is None:
            return
        query = replace(query, after=page.next)


class _Needed:
    """The snapshots that are needed still, 8 bytes for each: two that look alike here only keep one too many."""

    def __init__(self, uris: Iterable[str]) -> None:
        self._marks = array("Q", sorted(array("Q", map(_mark, uris))))

    def __contains__(self, uri: str) -> bool:
        place = bisect_left(self._marks, _mark(uri))
        return place < len(self._marks) and self._marks[place] == _mark(uri)


def _mark(uri: str) -> int:
    return int.from_bytes(hashlib.blake2b(uri.encode("utf-8", "surrogateescape"), digest_size=8).digest(), "big")


def _prune_snapshots(removal: _Removal, before: float) -> None:
    unfinished = frozenset({CANCEL_REQUESTED, *map(str, set(State) - ENDINGS)})
    runs = _all_runs(removal.ports, Query(statuses=unfinished, limit=PAGE))
    of_runs = (run.snapshot.uri if run.snapshot is not None else _asked_snapshot(run.request) for run in runs)
    needed = _Needed(chain(of_runs, _standing(removal.ports)))
    for container in SNAPSHOT_CONTAINERS:
        after: str | None = None
        while page := removal.ports.blobs.list(container, after=after, limit=PAGE):
            for info in page:
                if info.modified < before and f"{container}/{info.name}" not in needed:
                    removal.blob(container, info.name, info.size)
                    removal.report.snapshots += 1
            after = page[-1].name
