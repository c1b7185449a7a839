"""The sweep: lists the drop container for snapshots that raised no event. How many it finds is the miss rate."""

from __future__ import annotations

import logging
from typing import Final

from runyard.accept import drop
from runyard.accept.acceptor import blob_identity
from runyard.events.blob import BlobDrop
from runyard.ports import BlobInfo, Ports
from runyard.reconcile.tombstones import is_too_old

DROP_CONTAINER: Final = "snapshots"
PAGE: Final = 5000
"""Blobs that are listed in one go: Azure's own page. A folder is read anew for each."""
SETTLED: Final = 30.0
"""Seconds since its last change before a blob counts as missed: its event may still be on the way."""

_OLD: Final = {"action": "too old"}

log = logging.getLogger(__name__)


def sweep(ports: Ports) -> int:
    """Send every snapshot in the drop container that no run was made for to accept; returns how many."""
    missed = 0
    after: str | None = None
    while True:
        page = ports.blobs.list(DROP_CONTAINER, after=after, limit=PAGE)
        for info in page:
            if info.name.endswith(".zip") and _is_missed(ports, info):
                drop(ports, _drop_of(info), source="sweep")
                missed += 1
        if len(page) < PAGE:
            break
        after = page[-1].name
    if missed:
        log.warning("the sweep found %d snapshots that raised no event", missed, extra={"action": "sweep"})
    return missed


def is_known(ports: Ports, container: str, name: str, etag: str, modified: float) -> bool:
    """Whether a run was made for this version of a blob (also one that was deleted since), or nobody can tell any more."""
    info = BlobInfo(container=container, name=name, etag=etag, size=0, modified=modified)
    if ports.runs.find(blob_identity(_drop_of(info))) is not None:
        return True
    if not is_too_old(ports, modified):
        return False
    log.info("%s/%s is older than what is kept of deleted runs; touch it to have it run", container, name, extra=_OLD)
    return True


def _is_missed(ports: Ports, info: BlobInfo) -> bool:
    if ports.clock.now() - info.modified < SETTLED or is_too_old(ports, info.modified):
        return False
    return ports.runs.find(blob_identity(_drop_of(info))) is None


def _drop_of(info: BlobInfo) -> BlobDrop:
    return BlobDrop(
        container=info.container, name=info.name, etag=info.etag, size=info.size, modified=info.modified, event_id=""
    )
