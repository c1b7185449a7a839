"""Watches a container of a blob store that tells of nothing, as an emulator's: it is listed again and again. For development."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator

from runyard.errors import RunyardError
from runyard.host.arrivals import Emit, Known, is_snapshot_name
from runyard.ports import BlobInfo, BlobStore

PAGE = 5000

log = logging.getLogger("runyard.host")


class ContainerWatch:
    """Reports each version of each snapshot once."""

    def __init__(
        self, blobs: BlobStore, container: str, *, emit: Emit, known: Known, since: float, interval: float
    ) -> None:
        """Make a watch.

        Args:
            blobs: The store.
            container: Which container of it.
            emit: Told of each snapshot.
            known: Whether one has been dealt with before.
            since: What came before is left alone.
            interval: Seconds between two listings.
        """
        self._blobs = blobs
        self._container = container
        self._emit = emit
        self._known = known
        self._since = since
        self._interval = interval
        self._seen: dict[str, str] = {}
        self._ready = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="container", daemon=True)

    def start(self) -> None:
        """Begin to list."""
        self._thread.start()

    def wait_ready(self, timeout: float) -> bool:
        """Wait until the container was listed once."""
        return self._ready.wait(timeout)

    def stop(self) -> None:
        """List no more."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def look(self) -> int:
        """List the container once; returns how many snapshots were reported."""
        seen: dict[str, str] = {}
        count = 0
        for blob in self._all():
            if not is_snapshot_name(blob.name.rpartition("/")[2]):
                continue
            is_new = self._seen.get(blob.name) != blob.etag and blob.came >= self._since
            if is_new and not self._known(blob.container, blob.name, blob.etag, blob.modified):
                self._emit(blob)
                count += 1
            seen[blob.name] = blob.etag
        self._seen = seen
        return count

    def _all(self) -> Iterator[BlobInfo]:
        after: str | None = None
        while page := self._blobs.list(self._container, after=after, limit=PAGE):
            yield from page
            if len(page) < PAGE:
                return
            after = page[-1].name

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self.look()
                self._ready.set()
            except RunyardError as error:
                log.warning("the container %s cannot be listed now: %s", self._container, error.message)
            self._stopping.wait(self._interval)
