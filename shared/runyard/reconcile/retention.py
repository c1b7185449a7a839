"""Retention: what may go, goes, oldest first; a deleted run leaves a tombstone, so that its event never runs it again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from runyard.finalize.ending import RUNS
from runyard.ports import Ports, Query
from runyard.runs.model import Run

PAGE: Final = 500
SNAPSHOT_CONTAINERS: Final = ("snapshots", "uploads")


@dataclass(slots=True, kw_only=True)
class PruneReport:
    """What was removed, or (dry run) would be."""

    runs: int = 0
    logs: int = 0
    snapshots: int = 0
    bytes: int = 0


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
    """Remove ended runs, the files of ended runs, and snapshots that no unfinished run needs.

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
    needed: set[str] = set()
    for index, run in enumerate(_all_runs(ports)):
        if not run.has_ended:
            needed.add(run.snapshot.uri if run.snapshot is not None else _asked_snapshot(run))
            continue
        age = now - (run.ended or run.created)
        kept = keep is not None and index < keep
        if runs_older_than is not None and age > runs_older_than and not kept:
            removal.blobs(RUNS, f"{run.id}/")
            if not dry_run:
                ports.runs.delete(run.id, at=now)
            report.runs += 1
        elif logs_older_than is not None and age > logs_older_than:
            report.logs += 1 if removal.blobs(RUNS, f"{run.id}/") else 0
    if snapshots_older_than is not None:
        _prune_snapshots(removal, needed, now - snapshots_older_than)
    return report


def _asked_snapshot(run: Run) -> str:
    asked = run.request.get("snapshot")
    if isinstance(asked, dict):
        return f"{asked.get('container')}/{asked.get('name')}"
    return str(asked)


def _all_runs(ports: Ports) -> Iterator[Run]:
    after: str | None = None
    while True:
        page = ports.runs.list(Query(limit=PAGE, after=after))
        yield from page.runs
        if page.next is None:
            return
        after = page.next


def _prune_snapshots(removal: _Removal, needed: set[str], before: float) -> None:
    for container in SNAPSHOT_CONTAINERS:
        after: str | None = None
        while page := removal.ports.blobs.list(container, after=after, limit=PAGE):
            for info in page:
                if info.modified < before and f"{container}/{info.name}" not in needed:
                    removal.blob(container, info.name, info.size)
                    removal.report.snapshots += 1
            after = page[-1].name
