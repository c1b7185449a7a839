"""One call at a time for each compute (or subscription) and queue in this process, so that one that hangs holds up nobody else.

Without it every wake and every tick of a compute that does not answer would wait there too, until no call is left for the
others. It is no lock: elsewhere another process may do the same for the same compute, and the gate decides between the two.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

import msgspec

from runyard.ports import Queue

_Key = tuple[str, str]


class _Named(msgspec.Struct, frozen=True):
    """What these messages have: one of the two."""

    compute: str = ""
    subscription: str = ""
    generation: int | None = None


class Turns:
    """Puts off what comes for a compute while a call for it is under way; of several messages the newest is kept."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._lock = Lock()
        self._later: dict[_Key, dict[bool, tuple[int, bytes]]] = {}
        """By queue and compute, for each call under way: the nudge and the newest tick (``True``) that came meanwhile."""

    def take(self, queue: str, body: bytes, handle: Callable[[bytes], None]) -> None:
        """Handle a message of ``queue`` now, or have it come again once the call that is under way is over.

        What is put off is in memory, as every wake is: should this process end, the next one looks at every compute, and
        a tick that is lost makes its gate overdue, which the reconciler sees.
        """
        named = _read(body)
        whose = named and (named.compute or named.subscription)
        if named is None or not whose:
            handle(body)
            return
        key = (queue, whose)
        with self._lock:
            if (later := self._later.get(key)) is not None:
                generation = named.generation or 0
                there = later.get(named.generation is not None, (-1, b""))
                later[named.generation is not None] = max(there, (generation, body))
                return
            self._later[key] = {}
        try:
            handle(body)
        finally:
            with self._lock:
                later = self._later.pop(key)
            for _, each in later.values():
                self._queue.wake(queue, each)


def _read(body: bytes) -> _Named | None:
    """What the message names; ``None`` if it cannot be read, which is for its handler to say."""
    try:
        return msgspec.json.decode(body, type=_Named)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
