"""Ports that tell telemetry what goes through them: each change of a run, and each message that is sent.

Here nobody can forget it, whatever use case makes a change or sends something. They are put around the adapters only while
telemetry is on.
"""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from runyard import telemetry
from runyard.ports import Ports, Queue, RunStore
from runyard.stores.observed.queue import ObservedQueue
from runyard.stores.observed.runs import ObservedRuns

__all__ = ["observed"]


def observed(ports: Ports) -> Ports:
    """The ports with those around them; as they are while telemetry is off, or where they are there already."""
    if not telemetry.on():
        return ports
    # What they do not do themselves is the adapter's own, by delegation.
    if not isinstance(ports.runs, ObservedRuns):
        ports = replace(ports, runs=cast("RunStore", ObservedRuns(ports.runs)))
    if not isinstance(ports.queue, ObservedQueue):
        ports = replace(ports, queue=cast("Queue", ObservedQueue(ports.queue)))
    return ports
