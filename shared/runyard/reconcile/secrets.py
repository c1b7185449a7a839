"""Secrets of runs that no row names: whoever wrote them died before the row, or between the row and their removal."""

from __future__ import annotations

import logging
from typing import Final

from runyard.ports import Ports
from runyard.runs.identity import OF_RUN
from runyard.runs.kept import decode

ORPHANED: Final = 3600.0
"""Seconds from writing a secret within which its row is there, however long its writer stood still."""
LOOKED_AT: Final = 200
"""Secrets that are looked at in one round, however many there are."""
ROUND: Final = 300.0
"""Seconds between rounds: the next one begins where this one ended, as the clock tells."""

log = logging.getLogger(__name__)


def sweep_secrets(ports: Ports) -> int:
    """Remove some of the secrets that belong to no run; returns how many. Every secret is looked at in turn."""
    names = [name for name in ports.secrets.names() if name.startswith(OF_RUN)]
    if len(names) > LOOKED_AT:
        begin = int(ports.clock.now() // ROUND) * LOOKED_AT % len(names)
        names = (names[begin:] + names[:begin])[:LOOKED_AT]
    removed = sum(1 for name in names if _is_orphan(ports, name) and ports.secrets.remove(name))
    if removed:
        log.warning("%d secrets belonged to no run and were removed", removed, extra={"action": "sweep"})
    return removed


def _is_orphan(ports: Ports, name: str) -> bool:
    text = ports.secrets.get(name)
    kept = decode(text) if text is not None else None
    if kept is None or ports.clock.now() - kept.at < ORPHANED:
        return False
    run = ports.runs.get(kept.run)
    return run is None or run.secret != name
