"""Bells that wake the receivers of a queue in this process."""

from __future__ import annotations

from threading import Condition, Lock


class _Bell:
    """Counts its rings, so that one between a look and a wait is not missed."""

    __slots__ = ("condition", "rings", "sleepers")

    def __init__(self) -> None:
        self.condition = Condition(Lock())
        self.rings = 0
        self.sleepers = 0


class Bells:
    """One bell per queue name."""

    def __init__(self) -> None:
        self._bells: dict[str, _Bell] = {}

    def count(self, name: str) -> int:
        """How often the bell has rung; pass it to :meth:`wait`."""
        return self._bell(name).rings

    def ring(self, name: str) -> None:
        """Wake one sleeper: one message came. Cheap when nobody sleeps."""
        bell = self._bell(name)
        with bell.condition:
            bell.rings += 1
            if bell.sleepers:
                bell.condition.notify()

    def ring_all(self) -> None:
        """Wake every sleeper."""
        for bell in list(self._bells.values()):
            with bell.condition:
                bell.rings += 1
                bell.condition.notify_all()

    def wait(self, name: str, heard: int, seconds: float) -> None:
        """Sleep until the bell rings, at most ``seconds``; not at all if it rang since :meth:`count` gave ``heard``."""
        bell = self._bell(name)
        with bell.condition:
            if bell.rings == heard:
                bell.sleepers += 1
                try:
                    bell.condition.wait(seconds)
                finally:
                    bell.sleepers -= 1

    def _bell(self, name: str) -> _Bell:
        return self._bells.get(name) or self._bells.setdefault(name, _Bell())
