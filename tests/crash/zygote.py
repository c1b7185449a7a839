"""A process that has everything imported and forks hosts: one that is killed costs milliseconds to start, not a second.

It reads one JSON object a line: ``{"root": …, "kill": [operation, number, moment] | null, "victims": […], "steps": …}``, and
answers with the host's process id. The host kills the victims (``supervisor``, ``host``) when it comes to that write: before or
after the ``number``-th call of ``operation``.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from runyard import services
from runyard.cli.up import hosting
from runyard.ports import Clock, Ports
from runyard.runner import build
from runyard.stores.embedded import EmbeddedStores
from runyard.testing import MemoryCourier, OnlyTargets, Step, Steps


class Assassin:
    """Counts each operation, and kills at one."""

    def __init__(self, root: Path, kill: list[Any] | None, victims: list[str], journal: Path) -> None:
        self._root = root
        self._kill = tuple(kill) if kill else None
        self._victims = victims
        self._journal = journal
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def __call__(self, step: Step) -> None:
        with self._lock:
            if step.moment == "before":
                self._counts[step.operation] += 1
            point = (step.operation, self._counts[step.operation], str(step.moment))
            if self._kill is None and step.moment == "before":
                with self._journal.open("a") as stream:
                    stream.write(json.dumps(point[:2]) + "\n")
            if point == self._kill:
                self._journal.with_name("killed").touch()
                if "supervisor" in self._victims:
                    kill_supervisor(self._root)
                if "host" in self._victims:
                    os.kill(os.getpid(), signal.SIGKILL)


def kill_supervisor(root: Path) -> None:
    """Kill the supervisor of a root, if there is one."""
    with suppress(OSError, ValueError):
        os.kill(int((root / "local" / "supervisor.lock").read_text()), signal.SIGKILL)


def instrument(assassin: Assassin) -> None:
    """Have every write of every port, those made while a root is opened among them, pass by the assassin."""
    open_stores, open_house = EmbeddedStores.open, services.open_embedded

    def stores(root: Path, clock: Clock | None = None) -> EmbeddedStores:
        found = open_stores(root, clock)
        names = (
            "runs",
            "gates",
            "queue",
            "blobs",
            "computes",
            "webhooks",
            "schedules",
            "marks",
            "subscriptions",
            "deliveries",
            "secrets",
        )
        inner = Ports(
            **{name: getattr(found, name) for name in names},
            clock=found.clock,
            targets=OnlyTargets(),
            courier=MemoryCourier(),
        )
        passing = Steps(inner=inner, hook=assassin).ports
        return replace(found, **{name: getattr(passing, name) for name in names})

    def opened(root: Path, *, clock: Clock | None = None) -> services.Services:
        found = open_house(root, clock=clock)
        targets = Steps(inner=found.ports, hook=assassin).ports.targets
        found.ports = replace(found.ports, targets=targets)
        return found

    EmbeddedStores.open = stores  # type: ignore[method-assign]
    services.open_embedded = opened


def serve(root: Path, assassin: Assassin) -> None:
    """Be a host of the root until killed or told to stop."""
    os.setsid()
    sys.stdin.close()
    with (root.parent / "host.log").open("a") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)

    instrument(assassin)
    if (root.parent / "runner-counted").exists():
        build._MAIN = Path(__file__).with_name("runner_main.py").read_text()
    with hosting(root) as (host, _):
        host.run_forever()


def main() -> None:
    """Fork a host for each line."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for hosts: the system reaps them
    for line in sys.stdin:
        order = json.loads(line)
        root = Path(order["root"])
        assassin = Assassin(root, order["kill"], order["victims"], Path(order["journal"]))
        pid = os.fork()
        if pid == 0:
            try:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                serve(root, assassin)
            finally:
                os._exit(0)
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
