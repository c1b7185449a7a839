"""The services of a process: which they are, and the ports they stand on. The modules beside this one wire them."""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from runyard import telemetry
from runyard.accept import Tally
from runyard.attempts import Keyring
from runyard.computes import undrain
from runyard.dispatch.turns import Turns
from runyard.dispatch.wakes import WATCH, nudge
from runyard.errors import ConfigError
from runyard.ports import Ports, Queue
from runyard.reconcile import AlarmLog, alarms, recover
from runyard.services.check import Check
from runyard.services.checks import run_checks, supervision
from runyard.services.entry import Entry
from runyard.stores.azure.settings import azure_settings, names_azure
from runyard.stores.observed import observed
from runyard.targets.registry import cloud_kinds, known_kinds


@dataclass(slots=True, kw_only=True)
class Services:
    """The ports, wired, and what they need to be closed."""

    ports: Ports
    root: Path | None
    token: str | None = None
    """What callers on this machine must show; ``None`` = nobody may call by it."""
    entry: Entry | None = None
    """Who may call from anywhere; ``None`` = only this machine may call."""
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
        self.ports = observed(self.ports)
        self.turns = Turns(self.ports.queue)
        self.tally = Tally(self.ports.clock.now())
        self.keyring = Keyring(self.ports.secrets, self.ports.clock)

    def doctor(self) -> Sequence[Check]:
        """Check what a run needs here; each finding says how to mend it."""
        return run_checks(self.ports, self.root)

    def watch_over(self) -> None:
        """Look for what is amiss, and tell the log; see that there is a token to call by."""
        if self._alarm_log is None:
            self._alarm_log = AlarmLog(self.ports.clock)
        self._alarm_log.tell(alarms(self.ports, supervision(self.root)))
        if self.entry is not None:
            self.entry.token()  # so that it is in the vault soon after the first start, for who wants to call

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


def teller(queue: Queue) -> Callable[[str], None]:
    """What a target calls from any thread when something happened on a compute."""

    def tell(compute: str) -> None:
        queue.wake(WATCH, nudge(compute))

    return tell


_current: Services | None = None
_opening = threading.Lock()


def install(services: Services | None) -> None:
    """Make ``services`` those of this process: the triggers find them by :func:`current`."""
    global _current  # noqa: PLW0603 - a process has one, set by the host before any trigger runs
    _current = services


def current() -> Services:
    """The services of this process: those that its host installed, else Azure's by the app's settings, opened once.

    Raises:
        ConfigError: if there are none, or naming the setting that is missing or wrong.
    """
    found = _current
    return found if found is not None else _open()


def _open() -> Services:
    global _current  # noqa: PLW0603 - as above
    with _opening:
        if _current is None:
            if not names_azure(os.environ):
                raise ConfigError(
                    "no services in this process: on one machine, start a host with `runyard up`; in Azure, the app's settings "
                    "say where its stores are, and the setting Storage__blobServiceUri is missing"
                )
            from runyard.services.azure import open_azure  # noqa: PLC0415 - a host on one machine has no use for it

            _current = open_azure(azure_settings(os.environ))
        return _current


def begin() -> None:
    """What the app does when it is loaded: without a host of its own, as in Azure, telemetry begins before anything is opened.

    Raises:
        ConfigError: if the settings of telemetry contradict each other.
    """
    if _current is None and names_azure(os.environ) and telemetry.start(system=telemetry.SERVICE_BUS):
        atexit.register(telemetry.stop)  # nobody tells an app in Azure of its end


def kinds() -> Sequence[str]:
    """The kinds of compute target that there are where this process runs, in order of name.

    Raises:
        ConfigError: naming the setting that is missing or wrong: an app that cannot work takes no message.
    """
    if _current is not None:
        return _current.ports.targets.kinds()
    if not names_azure(os.environ):
        return known_kinds()
    azure_settings(os.environ)
    return cloud_kinds()
