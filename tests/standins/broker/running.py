"""One broker for the test process; each test may have a namespace of its own, which costs nothing."""

from __future__ import annotations

import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.standins.broker.entities import Namespace, QueueSettings
    from tests.standins.broker.faults import Faults

READY = 10.0

leaks_sockets = pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning"
)
"""For tests that tear connections: the SDK leaves the socket of a torn one to the garbage collector. Collect it there too."""


class Bench:
    """A namespace as a test sees it."""

    def __init__(self, broker: Broker, namespace: Namespace) -> None:
        self._broker = broker
        self.namespace = namespace

    @property
    def connection(self) -> str:
        """The connection string."""
        return (
            f"Endpoint=sb://127.0.0.1:{self._broker.port};SharedAccessKeyName={self.namespace.key_name};"
            f"SharedAccessKey={self.namespace.key};UseDevelopmentEmulator=true;"
        )

    @property
    def faults(self) -> Faults:
        """What goes wrong, in every namespace."""
        return self._broker.faults

    def queue(self, name: str, settings: QueueSettings | None = None) -> None:
        """Make a queue."""
        from tests.standins.broker.entities import QueueSettings

        with self._broker.lock:
            self.namespace.make(name, settings or QueueSettings())

    def counts(self) -> Mapping[str, int]:
        """What each queue holds, those that hold nothing left out."""
        with self._broker.lock:
            return {each.name: len(each.messages) for each in self.namespace.entities() if each.messages}

    def clear(self, clock: Callable[[], float] | None = None) -> Sequence[str]:
        """Empty every queue and end every fault; gives the queues of which messages had been delivered.

        Args:
            clock: The time from now on; the machine's when not given.
        """
        with self._broker.lock:
            delivered = [each.name for each in self.namespace.entities() if each.delivered]
            self.namespace.clear()
            self.namespace.clock = clock or time.time
            self.faults.clear()
            return delivered


class Broker:
    """A running broker."""

    def __init__(self) -> None:
        from tests.standins.broker.faults import Faults
        from tests.standins.broker.server import Server

        self.lock = threading.RLock()
        self.faults = Faults()
        self.port = _free_port()
        self._namespaces: dict[str, Namespace] = {}
        self._server = Server(self._namespaces, self.faults, self.lock)
        ready = threading.Event()
        self._thread = threading.Thread(
            target=self._server.run, args=(self.port, ready.set), name="broker", daemon=True
        )
        self._thread.start()
        assert ready.wait(READY), "the broker did not start"

    def namespace(
        self,
        queues: Mapping[str, QueueSettings] | Iterable[str] = (),
        *,
        clock: Callable[[], float] | None = None,
        on_demand: QueueSettings | None = None,
    ) -> Bench:
        """An empty namespace with these queues.

        Args:
            queues: Their names, and how they are made.
            clock: Its time; the machine's when not given.
            on_demand: Make any queue that is named, like this: a switch of the stand-in's alone.
        """
        from tests.standins.broker.entities import Namespace, QueueSettings

        made = Namespace(f"key{len(self._namespaces):05d}", secrets.token_hex(16), clock or time.time, on_demand)
        settings = queues if isinstance(queues, Mapping) else dict.fromkeys(queues, QueueSettings())
        with self.lock:
            for name, each in settings.items():
                made.make(name, each)
            self._namespaces[made.key_name] = made
        return Bench(self, made)

    def stop(self) -> None:
        """End the broker's thread."""
        self._server.stop()
        self._thread.join(READY)


_running: list[Broker] = []


def broker() -> Broker:
    """The one of this process, started on first use. Without proton the test is skipped; in CI it fails."""
    try:
        import proton  # noqa: F401
    except ImportError:
        reason = "python-qpid-proton is not installed (`make .venv/.made` compiles it: a C compiler is needed)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    if not _running:
        _running.append(Broker())
    return _running[-1]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
