"""Delivers blob events to the Event Grid functions, and tries again as Event Grid does."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import azure.functions as func

from runyard.host.agenda import Agenda
from runyard.host.app import Served
from runyard.host.bindings import blob_created
from runyard.host.calls import invoke, report_failure
from runyard.ports.blobs import BlobInfo
from runyard.ports.clock import Clock

RETRIES: Final = (10.0, 30.0, 60.0, 300.0, 600.0, 1800.0, 3600.0, 10800.0, 21600.0)
"""Seconds before each further try, then every 12 hours: Event Grid's own schedule.
https://learn.microsoft.com/azure/event-grid/delivery-and-retry"""
LAST_RETRY: Final = 43200.0
GIVE_UP: Final = 86400.0
"""Seconds after which Event Grid stops; the sweep of the folder still finds the file."""

log = logging.getLogger("runyard.host")

Run = Callable[[Callable[[], None]], None]
"""Has a call run soon."""


@dataclass(frozen=True, slots=True)
class _Delivery:
    served: Served
    event: func.EventGridEvent
    blob: BlobInfo
    began: float
    tries: int = 0


class EventDelivery:
    """Calls every Event Grid function with every blob event."""

    def __init__(self, functions: Sequence[Served], clock: Clock, agenda: Agenda, run: Run) -> None:
        self._functions = functions
        self._clock = clock
        self._agenda = agenda
        self._run = run

    def deliver(self, blob: BlobInfo, url: str) -> None:
        """Hand a new blob's event to the functions; returns at once."""
        now = self._clock.now()
        log.info("%s/%s arrived (%d bytes)", blob.container, blob.name, blob.size, extra={"action": "blob.arrived"})
        event = blob_created(blob, url=url, at=now)
        for served in self._functions:
            self._run(partial(self._try, _Delivery(served, event, blob, now)))

    def _try(self, delivery: _Delivery) -> None:
        try:
            invoke(delivery.served, delivery.event)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - the edge of a call: recorded, and tried again
            self._try_later(delivery, error)

    def _try_later(self, delivery: _Delivery, error: BaseException) -> None:
        tries, blob = delivery.tries, delivery.blob
        delay = RETRIES[tries] if tries < len(RETRIES) else LAST_RETRY
        now = self._clock.now()
        given_up = now + delay > delivery.began + GIVE_UP
        then = "given up; the sweep will look again" if given_up else f"next try in {delay:.0f} s"
        report_failure(delivery.served, f"the event of {blob.container}/{blob.name} failed ({then})", error)
        if not given_up:
            again = _Delivery(delivery.served, delivery.event, blob, delivery.began, tries + 1)
            self._agenda.add(now + delay, partial(self._run, partial(self._try, again)))
