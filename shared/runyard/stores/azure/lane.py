"""One queue's receiver, shared by the threads of a process: the SDK's is for one thread at a time and takes 0.5 s to open.

While somebody waits for the queue, a thread of its own listens and keeps the one message that comes until it is received. Nothing
is held before anybody asks, so that other processes get what this one has no use for.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from runyard.errors import RunyardError, TransientError
from runyard.stores.azure.bus_edge import translated

if TYPE_CHECKING:
    from azure.servicebus import ServiceBusReceivedMessage, ServiceBusReceiver

LOOK: Final = 0.02
"""Seconds that a look for messages waits for the service; what comes later is there at the next look."""
PAUSE: Final = 1.0
"""Seconds between tries when the queue fails."""
IDLE: Final = 30.0
"""Seconds without anybody waiting after which the receiver is closed, so that nothing comes to one who does not listen."""

log = logging.getLogger(__name__)


class Lane:
    """A queue as it is received from."""

    def __init__(
        self, name: str, make: Callable[[], ServiceBusReceiver], heard: Callable[[], None], look: float = LOOK
    ) -> None:
        """Nothing is opened yet.

        Args:
            name: The queue.
            make: Makes a receiver.
            heard: Called by the lane's thread when it has looked.
            look: Seconds that a look waits for the service.
        """
        self.name = name
        self.looks = 0
        """How often the lane's thread has looked."""
        self.failure: RunyardError | None = None
        """Why its last look failed."""
        self._make = make
        self._heard = heard
        self._look = look
        self._turn = threading.Lock()
        self._sdk: ServiceBusReceiver | None = None
        self._held: dict[str, ServiceBusReceivedMessage] = {}
        self._changed = threading.Condition()
        self._callers = 0
        self._come: list[ServiceBusReceivedMessage] = []
        self._wanted_until = 0.0
        self._thread: threading.Thread | None = None
        self._is_looking = False
        self._closed = False

    @property
    def has_come(self) -> bool:
        """Whether there is a message to receive."""
        with self._changed:
            return bool(self._come)

    @property
    def is_watched(self) -> bool:
        """Whether somebody waited for this queue a moment ago."""
        with self._changed:
            return self._thread is not None and time.monotonic() < self._wanted_until + PAUSE

    def want(self, until: float) -> int:
        """Look for messages until then (``time.monotonic``); gives how many looks are over or have begun."""
        with self._changed:
            self._wanted_until = until
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._listen, name=f"lane-{self.name}", daemon=True)
                self._thread.start()
            self._changed.notify_all()
            return self.looks + self._is_looking

    def receive(self, most: int) -> list[ServiceBusReceivedMessage]:
        """Lock up to ``most`` of the messages that are there."""
        with self._use("receiving from") as receiver:
            taken = self._take(most)
            if len(taken) < most:
                taken += receiver.receive_messages(most - len(taken), max_wait_time=self._look)
            for token in [token for token, each in self._held.items() if _expired(each)]:
                del self._held[token]
            self._held |= {str(each.lock_token): each for each in taken}
            return sorted(taken, key=lambda each: each.sequence_number or 0)

    def settle(self, token: str, how: Callable[[ServiceBusReceiver, ServiceBusReceivedMessage], None]) -> bool:
        """Settle a message; ``False`` if its lock is not held here: it ends with the receiver that it was given to."""
        with self._use("settling a message of") as receiver:
            message = self._held.pop(token, None)
            if message is None:
                return False
            how(receiver, message)
            return True

    def peek(self, first: int, most: int) -> list[ServiceBusReceivedMessage]:
        """Look at messages from a sequence number on; the service gives 250 at most."""
        with self._use("looking at") as receiver:
            return receiver.peek_messages(most, sequence_number=first)

    def close(self) -> None:
        """Give back what nobody has received, and close."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        with self._turn:
            try:
                self._give_back()
            except RunyardError as error:  # they come again when their locks end
                log.info("the queue %s failed: %s", self.name, error.message, extra={"action": "queue.failed"})
            finally:
                self._drop()

    def _give_back(self) -> None:
        if self._sdk is not None:
            with translated(f"giving back messages of the queue {self.name}"):
                for message in self._take(len(self._come)):
                    self._sdk.abandon_message(message)

    @contextmanager
    def _use(self, what: str) -> Iterator[ServiceBusReceiver]:
        """The receiver, for this thread alone; a broken one is dropped, and the locks with it."""
        with self._changed:
            self._callers += 1
        try:
            with self._turn, translated(f"{what} the queue {self.name}"), self._guarded():
                yield self._opened()
        finally:
            with self._changed:
                self._callers -= 1
                self._changed.notify_all()

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        from azure.servicebus import exceptions as bus  # noqa: PLC0415

        try:
            yield
        except (bus.MessageLockLostError, bus.MessageAlreadySettled, bus.ServiceBusServerBusyError):
            raise  # the receiver is as good as before
        except Exception:
            self._drop()
            raise

    def _opened(self) -> ServiceBusReceiver:
        if self._closed:
            raise TransientError(f"the receiver of the queue {self.name} was closed")
        if self._sdk is None:
            self._sdk = self._make()
        self._sdk.__enter__()
        return self._sdk

    def _drop(self) -> None:
        receiver, self._sdk = self._sdk, None
        self._held.clear()
        with self._changed:
            self._come.clear()
        if receiver is not None:
            receiver.close()

    def _take(self, most: int) -> list[ServiceBusReceivedMessage]:
        with self._changed:
            taken, self._come = self._come[:most], self._come[most:]
        return [each for each in taken if not _expired(each)]

    def _listen(self) -> None:
        """The lane's thread: it looks while somebody waits and nothing has come, and gives way to whoever has work to do."""
        failure: RunyardError | None
        while self._rest():
            try:
                with self._turn, translated(f"listening to the queue {self.name}"), self._guarded():
                    found = self._opened().receive_messages(1, max_wait_time=self._look)
            except RunyardError as error:
                found, failure = [], error
            except Exception as error:  # the thread must go on: nobody else would say that nothing is heard any more
                log.exception("the queue %s: a bug", self.name, extra={"action": "queue.bug"})
                found, failure = (
                    [],
                    TransientError(f"listening to the queue {self.name}: a bug, {type(error).__name__}"),
                )
            else:
                failure = None
            self._tell_of(failure)
            with self._changed:
                self._come += found
                self.failure = failure
                self.looks += 1
                self._is_looking = False
            self._heard()
            if failure is not None:
                with self._changed:
                    self._changed.wait_for(lambda: self._closed, PAUSE)

    def _tell_of(self, failure: RunyardError | None) -> None:
        """Tell the log of an outage's beginning and end, and not of each look in vain."""
        if failure is not None and (self.failure is None or self.failure.message != failure.message):
            log.info("the queue %s failed: %s", self.name, failure.message, extra={"action": "queue.failed"})
        if failure is None and self.failure is not None:
            log.info("the queue %s is heard again", self.name, extra={"action": "queue.heard"})

    def _rest(self) -> bool:
        """Wait until there is something to do; ``False`` when the thread may go."""
        idle_at = time.monotonic() + IDLE
        with self._changed:
            while not self._closed:
                now = time.monotonic()
                if now < self._wanted_until and not self._come and not self._callers:
                    self._is_looking = True
                    return True
                if now < self._wanted_until:
                    idle_at = now + IDLE
                elif now >= idle_at and not self._held:
                    break
                self._changed.wait(PAUSE)
            self._thread = None
        if not self._closed:
            with self._turn:
                self._drop()
        return False


def _expired(message: ServiceBusReceivedMessage) -> bool:
    until = message.locked_until_utc
    return until is not None and until <= datetime.now(UTC)
