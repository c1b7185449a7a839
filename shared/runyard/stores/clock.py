"""The machine's clock."""

from __future__ import annotations

import time


class SystemClock:
    """A :class:`~runyard.ports.clock.Clock` that tells the machine's time."""

    def now(self) -> float:
        """Seconds since the epoch, UTC."""
        return time.time()
