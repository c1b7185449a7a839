"""A loop of one thread: descriptors, timers, and one worker for what would hold it up."""

import heapq
import os
import queue
import selectors
import threading
import time
import traceback


class Timer:
    """A call at a time; ``cancel`` makes it not happen."""

    __slots__ = ("call",)

    def __init__(self, call):
        self.call = call

    def cancel(self):
        self.call = None


class Loop:
    """Calls back what waits for a descriptor, a time, or a piece of work."""

    def __init__(self, complain):
        """``complain`` is told, as text, of an error that a callback let through; the loop goes on."""
        self._complain = complain
        self._selector = selectors.DefaultSelector()
        self._timers = []
        self._count = 0
        self._work = None
        self._done = queue.Queue()
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)
        self.watch(self._wake_read, selectors.EVENT_READ, self._collect)

    def watch(self, descriptor, events, call):
        """Call ``call()`` when the descriptor is ready."""
        self._selector.register(descriptor, events, call)

    def rewatch(self, descriptor, events, call):
        """Change what a descriptor is watched for."""
        self._selector.modify(descriptor, events, call)

    def unwatch(self, descriptor):
        """Watch it no more."""
        self._selector.unregister(descriptor)

    def call_after(self, seconds, call):
        """Call ``call()`` after so many seconds."""
        timer = Timer(call)
        self._count += 1
        heapq.heappush(self._timers, (time.monotonic() + seconds, self._count, timer))
        return timer

    def do(self, work, done):
        """Run ``work()`` on the worker, then ``done(value, error)`` here."""
        if self._work is None:
            self._work = queue.Queue()
            threading.Thread(target=self._labour, name="worker", daemon=True).start()
        self._work.put((work, done))

    def step(self, block=True):
        """See to what happened; wait for something to happen, if ``block``."""
        for key, _ in self._selector.select(self._patience() if block else 0):
            self._call(key.data)
        now = time.monotonic()
        while self._timers and self._timers[0][0] <= now:
            timer = heapq.heappop(self._timers)[2]
            if timer.call is not None:
                self._call(timer.call)

    def _patience(self):
        while self._timers and self._timers[0][2].call is None:
            heapq.heappop(self._timers)
        return max(0.0, self._timers[0][0] - time.monotonic()) if self._timers else None

    def _call(self, call):
        try:
            call()
        except Exception:  # the boundary: an error of one attempt or host must not reach the others
            self._complain(traceback.format_exc())

    def _labour(self):
        while True:
            work, done = self._work.get()
            value = error = None
            try:
                value = work()
            except Exception as caught:  # handed to the loop's thread, which records it
                error = caught
            self._done.put((done, value, error))
            try:
                os.write(self._wake_write, b"x")
            except BlockingIOError:
                pass  # it has been woken often enough

    def _collect(self):
        try:
            os.read(self._wake_read, 4096)
        except BlockingIOError:
            pass
        while not self._done.empty():
            done, value, error = self._done.get()
            self._call(lambda done=done, value=value, error=error: done(value, error))
