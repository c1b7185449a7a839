"""Puts adapters behind the ports: everything that is wired is wired here."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from runyard.accept import Tally
from runyard.attempts import Keyring
from runyard.computes import ensure_default, undrain
from runyard.dispatch.turns import Turns
from runyard.dispatch.wakes import WATCH, nudge
from runyard.errors import ConfigError
from runyard.ports import Clock, Ports, Queue, TargetContext
from runyard.reconcile import AlarmLog, alarms, recover
from runyard.services.check import Check
from runyard.services.checks import run_checks, supervision
from runyard.stores.courier import HttpCourier
from runyard.stores.embedded import EmbeddedStores, SystemClock
from runyard.targets.registry import Registry, known_kinds

HALF_WRITTEN: Final = 3600.0
"""Seconds without a change after which a half-written file has no writer any more."""

log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class Services:
    """The ports, wired, and what they need to be closed."""

    ports: Ports
    root: Path | None
    token: str | None = None
    """What callers over the network must show; ``None`` = nobody may call over the network."""
    one_time_code: str | None = None
    """What the printed link holds; used up by its first use."""
    hosted: bool = False
    """Whether these are a host's, so that what is asked for is carried out."""
    drain_ended: bool = False
    """Whether taking over ended a drain."""
    turns: Turns = field(init=False)
    """Who is at work on which compute, in this process."""
    tally: Tally = field(init=False)
    """What became of webhooks' deliveries in this process."""
    keyring: Keyring = field(init=False)
    """What attempt tokens are signed with."""
    _tidy: Callable[[], object] | None = None
    _closers: list[Callable[[], None]] = field(default_factory=list)
    _alarm_log: AlarmLog | None = None

    def __post_init__(self) -> None:
        self.turns = Turns(self.ports.queue)
        self.tally = Tally(self.ports.clock.now())
        self.keyring = Keyring(self.ports.secrets, self.ports.clock)

    def doctor(self) -> Sequence[Check]:
        """Check what a run needs here; each finding says how to mend it."""
        return run_checks(self.ports, self.root)

    def watch_over(self) -> None:
        """Look for what is amiss, and tell the log."""
        if self._alarm_log is None:
            self._alarm_log = AlarmLog(self.ports.clock)
        self._alarm_log.tell(alarms(self.ports, supervision(self.root)))

    def take_over(self) -> None:
        """What a host does first, once it is alone on its root: clear up after killed writers, go on where others ended.

        A drain was of the host before, so it is over.
        """
        self.hosted = True
        if self._tidy is not None:
            self._tidy()
        self.drain_ended = undrain(self.ports)
        recover(self.ports)

    def close(self) -> None:
        """Let go of everything, in the reverse order of making; jobs go on."""
        while self._closers:
            self._closers.pop()()


def kinds() -> Sequence[str]:
    """The kinds of compute target that this version has, in order of name."""
    return known_kinds()


def open_embedded(root: Path, *, clock: Clock | None = None) -> Services:
    """Open a root folder (made, or upgraded, when needed) with the adapters for one machine.

    Raises:
        ConfigError: if the root was made by a newer version, or is not a folder that we may write to.
    """
    clock = clock or SystemClock()
    stores = EmbeddedStores.open(root, clock)
    targets = Registry(
        TargetContext(blobs=stores.blobs, secrets=stores.secrets, clock=clock, tell=_teller(stores.queue), root=root)
    )
    ports = Ports(
        runs=stores.runs,
        gates=stores.gates,
        queue=stores.queue,
        blobs=stores.blobs,
        computes=stores.computes,
        webhooks=stores.webhooks,
        schedules=stores.schedules,
        marks=stores.marks,
        subscriptions=stores.subscriptions,
        deliveries=stores.deliveries,
        courier=HttpCourier(),
        secrets=stores.secrets,
        clock=clock,
        targets=targets,
    )
    services = Services(
        ports=ports,
        root=root,
        _tidy=lambda: stores.blobs.sweep(clock.now() - HALF_WRITTEN),
        _closers=[stores.close, targets.close],
    )
    try:
        ensure_default(ports, targets.default_compute())
    except BaseException:
        services.close()
        raise
    return services


def _teller(queue: Queue) -> Callable[[str], None]:
    """What a target calls from any thread when something happened on a compute."""

    def tell(compute: str) -> None:
        queue.wake(WATCH, nudge(compute))

    return tell


_current: Services | None = None


def install(services: Services | None) -> None:
    """Make ``services`` those of this process: the triggers find them by :func:`current`."""
    global _current  # noqa: PLW0603 - a process has one, set by the host before any trigger runs
    _current = services


def current() -> Services:
    """The services of this process.

    Raises:
        ConfigError: if there are none: nothing hosts this process.
    """
    if _current is None:
        raise ConfigError("no services in this process; start a host with `runyard up`")
    return _current
