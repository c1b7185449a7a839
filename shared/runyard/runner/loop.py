"""A loop of one thread: descriptors, timers, a worker for what would hold it up, and a few for waiting for the disk."""

import functools
import heapq
import os
import queue
import selectors
import threading
import time
import traceback
from typing import Any, Callable, List, Optional, Tuple

Call = Callable[[], None]
Done = Callable[[Any, Optional[Exception]], None]
Task = Tuple[Callable[[], Any], Done]

_SYNCS = 4
"""Threads that wait for the disk."""
_QUICK = 0.001
"""Seconds of a sync that is waited for in place: handing it to a thread, and the news of it back, takes a part of that."""
_FORGET = 0.8
"""What remains, after each sync, of how long an earlier one took: after a slow one of 30 ms the next fifteen have threads."""


class Timer:
    """A call at a time; ``cancel`` makes it not happen."""

    __slots__ = ("call",)

    def __init__(self, call: Call) -> None:
        self.call: Optional[Call] = call

    def cancel(self) -> None:
        """Do not call, and let go of what would be called."""
        self.call = None


class Loop:
    """Calls back what waits for a descriptor, a time, or a piece of work."""

    def __init__(self, complain: Callable[[str], Any]) -> None:
        """``complain`` is told, as text, of an error that a callback let through; the loop goes on."""
        self._complain = complain
        self._selector = selectors.DefaultSelector()
        self._timers: List[Tuple[float, int, Timer]] = []
        self._count = 0
        self._work: "queue.Queue[Task]" = queue.Queue()
        self._syncs: "queue.Queue[Task]" = queue.Queue()
        self._took = 0.03
        """Seconds that a sync takes at present; slow until one was seen."""
        self._soon: List[Tuple[Done, Any, Optional[Exception]]] = []
        """What was waited for in place; told when the step that asked for it is over."""
        self._threads = {"worker": 0, "sync": 0}
        self._done: "queue.Queue[Tuple[Done, Any, Optional[Exception]]]" = queue.Queue()
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)
        self.watch(self._wake_read, selectors.EVENT_READ, self._collect)

    def watch(self, descriptor: Any, events: int, call: Call) -> None:
        """Call ``call()`` when the descriptor is ready."""
        self._selector.register(descriptor, events, call)

    def rewatch(self, descriptor: Any, events: int, call: Call) -> None:
        """Change what a descriptor is watched for."""
        self._selector.modify(descriptor, events, call)

    def unwatch(self, descriptor: Any) -> None:
        """Watch it no more."""
        self._selector.unregister(descriptor)

    def call_after(self, seconds: float, call: Call) -> Timer:
        """Call ``call()`` after so many seconds."""
        timer = Timer(call)
        self._count += 1
        heapq.heappush(self._timers, (time.monotonic() + seconds, self._count, timer))
        return timer

    def do(self, work: Callable[[], Any], done: Done) -> None:
        """Run ``work()`` on the worker, then ``done(value, error)`` here."""
        self._employ("worker", 1, self._work)
        self._work.put((work, done))

    def sync(self, work: Callable[[], Any], done: Done) -> None:
        """As :meth:`do`, for work that waits for the disk: it neither waits for long work, nor much for others of its kind.

        What is synced at the same time is written by the file system together. A disk that has been quick lately is waited
        for in place; ``done`` is not called before this returns either way.
        """

        def timed() -> Any:
            began = time.monotonic()
            try:
                return work()
            finally:
                self._took = max(time.monotonic() - began, self._took * _FORGET)

        if self._took < _QUICK:
            self._soon.append((done,) + _outcome(timed))
        else:
            self._employ("sync", _SYNCS, self._syncs)
            self._syncs.put((timed, done))

    def _employ(self, name: str, most: int, tasks: "queue.Queue[Task]") -> None:
        if self._threads[name] < most:
            self._threads[name] += 1
            threading.Thread(target=self._labour, args=(tasks,), name=name, daemon=True).start()

    def step(self, block: bool = True) -> None:
        """See to what happened; wait for something to happen, if ``block``."""
        for key, _ in self._selector.select(self._patience() if block and not self._soon else 0):
            self.call(key.data)
        soon, self._soon = self._soon, []
        for done, value, error in soon:
            self.call(functools.partial(done, value, error))
        now = time.monotonic()
        while self._timers and self._timers[0][0] <= now:
            timer = heapq.heappop(self._timers)[2]
            if timer.call is not None:
                self.call(timer.call)

    def _patience(self) -> Optional[float]:
        while self._timers and self._timers[0][2].call is None:
            heapq.heappop(self._timers)
        return max(0.0, self._timers[0][0] - time.monotonic()) if self._timers else None

    def call(self, call: Call) -> None:
        """Call it; an error that it lets through is complained of."""
        try:
            call()
        except Exception:  # the boundary: an error of one attempt or host must not reach the others
            self._complain(traceback.format_exc())

    def _labour(self, tasks: "queue.Queue[Task]") -> None:
        while True:
            work, done = tasks.get()
            self._done.put((done,) + _outcome(work))
            try:
                os.write(self._wake_write, b"x")
            except BlockingIOError:
                pass  # it has been woken often enough

    def _collect(self) -> None:
        try:
            os.read(self._wake_read, 4096)
        except BlockingIOError:
            pass
        while not self._done.empty():
            done, value, error = self._done.get()
            self.call(functools.partial(done, value, error))


def _outcome(work: Callable[[], Any]) -> Tuple[Any, Optional[Exception]]:
    """What a piece of work gives, or the error that it raises."""
    try:
        return work(), None
    except Exception as caught:  # handed to the loop's thread, which records it
        return None, caught
