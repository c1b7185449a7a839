"""What goes wrong, on demand or by chance with a seed."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from threading import Lock
from typing import Final

LOSE_LOCK: Final = "lose lock"
"""A settlement finds its lock gone; the message comes again."""
REDELIVER: Final = "redeliver"
"""A message is completed by its receiver and comes again all the same."""
DUPLICATE: Final = "duplicate"
"""A message that is sent is there twice."""
TEAR_BEFORE: Final = "tear before"
"""The connection breaks as a message or a settlement comes in, before anything is done."""
TEAR_AFTER: Final = "tear after"
"""The same, after it is done and before the answer."""
FULL: Final = "full"
"""The queue has no room."""
BUSY: Final = "busy"
"""The namespace is throttled."""
SLOW: Final = "slow"
"""The answer takes its time."""
DETACH: Final = "detach"
"""The link is closed in place of an answer, as the service does with idle links and at its updates."""
LOSE_REPLY: Final = "lose reply"
"""A settlement is done and never answered."""
ALL: Final = (
    LOSE_LOCK, REDELIVER, DUPLICATE, TEAR_BEFORE, TEAR_AFTER, FULL, BUSY, SLOW, DETACH, LOSE_REPLY,
)  # fmt: skip


@dataclass
class Faults:
    """Which of them happen: each by its rate, and those that are ordered once."""

    seed: int = 0
    rates: dict[str, float] = field(default_factory=dict)
    """From 0 to 1; may be changed at any time."""
    pause: float = 0.2
    """Seconds that a slow answer takes."""
    happened: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._lock = Lock()
        self._orders: list[tuple[str, str]] = []

    def order(self, fault: str, queue: str = "", *, times: int = 1) -> None:
        """Have the next one or few on the queue (on any, without a name) go wrong in this way."""
        if fault not in ALL:
            raise ValueError(f"there is no fault {fault!r}")
        with self._lock:
            self._orders += [(fault, queue)] * times

    def hits(self, fault: str, queue: str) -> bool:
        """Whether it happens now."""
        with self._lock:
            due = next((order for order in self._orders if order[0] == fault and order[1] in {"", queue}), None)
            if due is not None:
                self._orders.remove(due)
            rate = self.rates.get(fault, 0.0)
            if due is None and not (rate and self._random.random() < rate):
                return False
            self.happened[fault] = self.happened.get(fault, 0) + 1
            return True

    def clear(self) -> None:
        """No more of it."""
        with self._lock:
            self.rates.clear()
            self._orders.clear()
            self.happened.clear()
