"""The sweep: lists the drop container for snapshots that raised no event. How many it finds is the miss rate.

By itself it takes only what came since the container's start mark; what lay there before is taken when an operator asks.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Final

from runyard import telemetry
from runyard.accept import drop
from runyard.accept.acceptor import blob_identity
from runyard.events.blob import BlobDrop
from runyard.ports import BlobInfo, Ports
from runyard.reconcile.tombstones import is_too_old
from runyard.telemetry import instruments

DROP_CONTAINER: Final = "snapshots"
PAGE: Final = 5000
"""Blobs that are listed in one go: Azure's own page. A folder is read anew for each."""
SETTLED: Final = 30.0
"""Seconds since it came before a blob counts as missed: its event may still be on the way."""
NAMED: Final = 100

_OLD: Final = {"action": "too old"}

log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class Swept:
    """What a page of the container held."""

    looked: int = 0
    """Zips that were looked at."""
    taken: int = 0
    """Those without a run, which are given to accept now, or (dry run) would be."""
    older: int = 0
    """Those without a run that came before the mark and are left alone."""
    names: list[str] = field(default_factory=list)
    """The first of those that were taken."""
    next: str | None = None
    """Where the next page begins; ``None`` after the last."""


def sweep(ports: Ports) -> int:
    """Send every snapshot that came since the start mark and that no run was made for to accept; returns how many."""
    since = ports.marks.begin(DROP_CONTAINER, ports.clock.now()).since
    missed, after, more = 0, None, True
    while more:
        page = _page(ports, since, after, source="sweep")
        missed, after, more = missed + page.taken, page.next, page.next is not None
    if missed:
        ports.marks.count(DROP_CONTAINER, missed, ports.clock.now())
        telemetry.measure(instruments.SWEPT, missed)
        log.warning("the sweep found %d snapshots that raised no event", missed, extra={"action": "sweep"})
    return missed


def sweep_page(ports: Ports, *, since: float | None = None, after: str | None = None, dry_run: bool = False) -> Swept:
    """Look through one page because an operator asks.

    Args:
        ports: The outside.
        since: Takes what came since then, however old; ``None``: since the start mark, as the sweep does by itself.
        after: The name after which the page begins (:attr:`Swept.next` of the page before).
        dry_run: Only tell.
    """
    mark = ports.marks.begin(DROP_CONTAINER, ports.clock.now()).since
    source = "" if dry_run else "asked"
    return _page(ports, mark if since is None else since, after, source=source, aged=since is not None)


def _page(ports: Ports, since: float, after: str | None, *, source: str, aged: bool = False) -> Swept:
    page = ports.blobs.list(DROP_CONTAINER, after=after, limit=PAGE)
    found = Swept(next=page[-1].name if len(page) == PAGE else None)
    for info in page:
        if not info.name.endswith(".zip"):
            continue
        found.looked += 1
        if not _is_missed(ports, info, aged=aged):
            continue
        if info.came < since:
            found.older += 1
            continue
        found.taken += 1
        if len(found.names) < NAMED:
            found.names.append(info.name)
        if source:
            drop(ports, _drop_of(info), source=source)
    return found


def is_known(ports: Ports, container: str, name: str, etag: str, modified: float) -> bool:
    """Whether a run was made for this version of a blob (also one that was deleted since), or nobody can tell any more."""
    info = BlobInfo(container=container, name=name, etag=etag, size=0, modified=modified)
    if ports.runs.find(blob_identity(_drop_of(info))) is not None:
        return True
    if not is_too_old(ports, modified):
        return False
    log.info("%s/%s is older than what is kept of deleted runs; touch it to have it run", container, name, extra=_OLD)
    return True


def _is_missed(ports: Ports, info: BlobInfo, *, aged: bool) -> bool:
    if ports.clock.now() - info.came < SETTLED or (is_too_old(ports, info.modified) and not aged):
        return False
    return ports.runs.find(blob_identity(_drop_of(info))) is None


def _drop_of(info: BlobInfo) -> BlobDrop:
    return BlobDrop(
        container=info.container, name=info.name, etag=info.etag, size=info.size, modified=info.modified, event_id=""
    )
