"""What was to be announced or delivered and is not: its message was lost, or whoever had it died."""

from __future__ import annotations

from typing import Final

from runyard.dispatch.wakes import send_ending, wake_notify
from runyard.ports import Ports

LATE: Final = 30.0
"""Seconds after an ending when its message counts as lost."""
MOST: Final = 200
"""Endings that are looked at in one round."""


def take_up(ports: Ports, *, late: float = LATE) -> int:
    """Wake for every ending that is not announced ``late`` seconds after it, and for what is due; returns how many wakes.

    A run that still holds its slot is left to those who clean up after it: they announce it, and free the slot last.
    """
    now = ports.clock.now()
    forgotten = ports.runs.outbox(before=now - late, most=MOST)
    if forgotten:
        gates = ports.gates.list()
        held = {slot.run_id for gate in gates if gate.taken for slot in ports.gates.slots(gate.compute)}
        forgotten = [run_id for run_id in forgotten if run_id not in held]
    for run_id in forgotten:
        send_ending(ports, run_id)
    due = [
        each.name
        for each in ports.subscriptions.list()
        if not each.paused and ports.deliveries.due(each.name, now, most=1)
    ]
    for name in due:
        wake_notify(ports, name)
    return len(forgotten) + len(due)
