"""The embedded host: plays Azure's Functions host for one function app on one machine."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Final
from urllib.parse import quote

from runyard.errors import RunyardError
from runyard.host.agenda import Agenda
from runyard.host.app import EVENT, QUEUE, TIMER, FunctionApp, find_app, load_app
from runyard.host.arrivals import Known
from runyard.host.console import ConsoleHandler, Print
from runyard.host.container import ContainerWatch
from runyard.host.events import EventDelivery
from runyard.host.folder import POLL, FolderWatch
from runyard.host.lock import HostInfo, HostLock
from runyard.host.rota import Rota
from runyard.host.timers import Timer, TimerMemory
from runyard.host.web import WebServer
from runyard.ports import Ports
from runyard.ports.blobs import BlobInfo

SNAPSHOTS: Final = "snapshots"
"""The container whose folder is watched."""

log = logging.getLogger("runyard.host")


def _never_known(container: str, name: str, etag: str, modified: float) -> bool:  # noqa: ARG001 - the shape of Known
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class HostOptions:
    """How to serve."""

    app_path: Path | None = None
    """``function_app.py`` or its folder; by default the checkout's, else the package's own."""
    settings: Mapping[str, str] | None = None
    """What ``%NAME%`` in a binding stands for; by default the environment."""
    port: int = 7071
    """0 for any free one."""
    known: Known = _never_known
    """Whether a snapshot found at the start has been dealt with before."""
    since: float = 0.0
    """The start mark of the folder: what came before it is left alone at the start."""
    console: Print | None = None
    """Prints one line per event, if given."""
    json_lines: bool = False
    """Whether each line is a JSON object."""
    polling: bool = False
    """Whether to scan the folder even where the system tells of changes."""
    interval: float = POLL
    """Seconds between scans of the folder, where there are any."""
    container: bool = False
    """Whether snapshots come to the blob store's container, which is listed at each interval, and not to a folder."""
    grace: float = 10.0
    """Seconds that calls in flight have at the stop."""
    version: str = ""


@dataclass(slots=True)
class _Parts:
    """What runs while the host does."""

    app: FunctionApp
    agenda: Agenda
    rota: Rota
    folder: FolderWatch | ContainerWatch | None = None
    web: WebServer | None = None


class Host:
    """Serves what ``function_app.py`` declares, and nothing else."""

    def __init__(
        self, ports: Ports, root: Path, token: str, *, options: HostOptions | None = None, lock: HostLock | None = None
    ) -> None:
        """Make a host; :meth:`start` does the work.

        Args:
            ports: The outside. The host uses the queue and the clock, and closes nothing.
            root: The root folder.
            token: The token that the CLI presents; written to ``host.json`` (0600), shown nowhere.
            options: How to serve.
            lock: The root's lock, if the caller holds it already (it opens stores after that); given back at the stop.
        """
        self._ports = ports
        self._root = root
        self._token = token
        self._options = options or HostOptions()
        self._lock = lock or HostLock(root)
        self._parts: _Parts | None = None
        self._console: ConsoleHandler | None = None
        self._wake: int | None = None
        self._stop_once = threading.Lock()

    @property
    def url(self) -> str:
        """Where HTTP is served, without a slash at the end; empty if the app has no HTTP function."""
        web = self._running().web
        return web.url if web else ""

    @property
    def app(self) -> FunctionApp:
        """The loaded function app."""
        return self._running().app

    def start(self) -> None:
        """Take the root, load the app, serve it. Nothing is left running if this raises.

        Raises:
            ConflictError: if another host serves the root.
            ConfigError: if the app cannot be served or the port is taken.
        """
        if not self._lock.held:
            self._lock.acquire()
        try:
            self._show_lines()
            self._free_locks()
            self._parts = self._build()
            self._start_parts(self._parts)
        except BaseException:
            self.stop()
            raise

    def wait_ready(self, timeout: float) -> bool:
        """Wait until the folder is watched and what lay in it before has been looked at; the rest is ready at once."""
        folder = self._running().folder
        return folder is None or folder.wait_ready(timeout)

    def stop(self) -> None:
        """Take nothing more, let what is in flight end within ``grace`` seconds, give the rest back. Repeatable."""
        with self._stop_once:
            parts, self._parts = self._parts, None
            if parts is not None:
                self._stop_parts(parts)
            self._lock.release()
            if self._console is not None:
                logging.getLogger("runyard").removeHandler(self._console)
                self._console = None
            if self._wake is not None:
                os.write(self._wake, b"x")

    def run_forever(self) -> None:
        """Serve until SIGINT or SIGTERM (a second one ends the process at once); :meth:`start` comes first."""
        self._running()
        sleep, wake = os.pipe()
        try:
            with self._stop_once:
                self._wake = wake
            with self._signals(wake):
                if self._parts is not None:
                    os.read(sleep, 1)
                log.info("stopping; what runs on a compute goes on", extra={"action": "host.stopping"})
                self.stop()
        finally:
            self._wake = None
            os.close(sleep)
            os.close(wake)

    def _running(self) -> _Parts:
        if self._parts is None:
            raise RunyardError("the host is not running; start it first")
        return self._parts

    def _show_lines(self) -> None:
        if self._options.console is None:
            return
        logger = logging.getLogger("runyard")
        self._console = ConsoleHandler(self._options.console, json_lines=self._options.json_lines)
        logger.addHandler(self._console)
        if logger.getEffectiveLevel() > logging.INFO:
            logger.setLevel(logging.INFO)

    def _free_locks(self) -> None:
        """A predecessor's locks mean nothing any more: it is dead, since this host has the root's lock."""
        release = getattr(self._ports.queue, "release_locks", None)
        if callable(release):
            release()

    def _build(self) -> _Parts:
        options, clock = self._options, self._ports.clock
        app = load_app(find_app(options.app_path), options.settings)
        rota = Rota(app.by_trigger(QUEUE), self._ports.queue, app.host_json)
        parts = _Parts(app, Agenda(clock), rota)
        timers = app.by_trigger(TIMER)
        memory = TimerMemory(self._root / "timers.json") if timers else None
        for served in timers:
            assert memory is not None
            Timer(served, clock, parts.agenda, memory, rota.run).start()
        if events := app.by_trigger(EVENT):
            parts.folder = self._watch(EventDelivery(events, clock, parts.agenda, rota.run))
        if app.asgi is not None:
            parts.web = WebServer(app.asgi, port=options.port, grace=options.grace)
        return parts

    def _watch(self, delivery: EventDelivery) -> FolderWatch | ContainerWatch:
        """What finds snapshots as they come."""
        options, clock = self._options, self._ports.clock
        if options.container:
            return ContainerWatch(
                self._ports.blobs,
                SNAPSHOTS,
                emit=lambda blob: delivery.deliver(blob, f"{SNAPSHOTS}/{quote(blob.name)}"),
                known=options.known,
                since=options.since,
                interval=options.interval,
            )
        base = (self._root / SNAPSHOTS).resolve()

        def emit(blob: BlobInfo) -> None:
            delivery.deliver(blob, f"file://{quote(str(base / blob.name))}")

        return FolderWatch(
            self._root / SNAPSHOTS,
            emit=emit,
            known=options.known,
            clock=clock,
            since=options.since,
            polling=options.polling,
            interval=options.interval,
        )

    def _start_parts(self, parts: _Parts) -> None:
        if parts.web is not None:
            parts.web.start()
        parts.rota.start()
        parts.agenda.start()
        if parts.folder is not None:
            parts.folder.start()
        url = parts.web.url if parts.web else ""
        info = HostInfo(url=url, token=self._token, pid=os.getpid(), version=self._options.version, started=time.time())
        self._lock.publish(info)
        count = len(parts.app.functions)
        log.info("serving %d functions at %s", count, url or "no port", extra={"action": "host.started"})

    def _stop_parts(self, parts: _Parts) -> None:
        deadline = time.monotonic() + self._options.grace
        parts.rota.ask_stop()
        if parts.web is not None:
            parts.web.ask_stop()
        if parts.folder is not None:
            parts.folder.stop()
        parts.agenda.stop()
        parts.rota.stop(deadline)
        if parts.web is not None:
            parts.web.stop(deadline)

    @contextlib.contextmanager
    def _signals(self, wake: int) -> Iterator[None]:
        asked = False

        def handle(number: int, _frame: FrameType | None) -> None:
            nonlocal asked
            if asked:
                os._exit(128 + number)
            asked = True
            os.write(wake, b"x")

        before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
