"""The environments that are being built for attempts: one builder a key, however many wait, and few at a time."""

import collections
import functools
import os
import sys
from typing import Any, Callable, Deque, Dict, List, Optional, Set, Tuple

from .builder import Builder
from .environments import Wish, builder_command
from .loop import Loop
from .problems import Problem

MOST = 2
"""Builders at a time; the others wait their turn, the longest waiting first."""
TIMES = 3
"""How often a builder is started whose predecessor was killed."""
_REMEMBERED = 1000
"""Lines of a build that one who joins later is told."""

Key = Tuple[str, str]
"""A cache, and the key in it."""


class Waiter:
    """One who waits for an environment. ``built`` or ``failed`` is called once, unless it left."""

    def heard(self, lines: List[str]) -> None:
        """Progress, as people read it."""
        raise NotImplementedError

    def built(self, record: Dict[str, Any]) -> None:
        """The environment is there; :meth:`.environments.Ready.from_record` reads the record."""
        raise NotImplementedError

    def failed(self, problem: Problem, tail: List[str]) -> None:
        """It cannot be built; ``tail`` is what the tool said last, if that was not heard."""
        raise NotImplementedError


class _Build:
    def __init__(self) -> None:
        self.waiters: List[Tuple[Wish, Waiter]] = []
        self.said: Deque[str] = collections.deque(maxlen=_REMEMBERED)
        self.builder: Optional[Builder] = None
        self.wish: Optional[Wish] = None
        """Whose files the builder reads."""
        self.ending: Dict[str, Any] = {}
        """The builder's last message."""
        self.starts = 0
        self.is_anew = False
        """Whether it was ended so that another begins."""


class Builds:
    """The builds of one supervisor."""

    def __init__(self, loop: Loop, environment: Callable[[], Dict[str, str]]) -> None:
        """``environment()``: the variables that builders get: the tools' own settings are among them."""
        self.command = builder_command
        """``command(python, program)``: how a builder is started."""
        self._loop = loop
        self._environment = environment
        self._builds: Dict[Key, _Build] = {}
        self._turn: Deque[_Build] = collections.deque()
        """Those whose builder is yet to be started."""
        self._builders: Set[Builder] = set()

    def pids(self) -> Set[int]:
        """The process ids of all builders."""
        return {builder.pid for builder in self._builders}

    def join(self, wish: Wish, waiter: Waiter) -> None:
        """Wait for an environment; it is told later, never within this call."""
        key = (wish.cache, wish.key)
        build = self._builds.get(key)
        if build is None:
            build = self._builds[key] = _Build()
            self._turn.append(build)
        build.waiters.append((wish, waiter))
        if build.said:
            waiter.heard(list(build.said))
        elif build.builder is None:
            if len(self._builders) >= MOST:
                waiter.heard(["%d other environments are being built; this one waits its turn" % len(self._builders)])
            self._loop.call_after(0.0, self._next)

    def leave(self, wish: Wish, waiter: Waiter) -> None:
        """Wait no more. A builder that nobody waits for is ended; so is one that reads the leaver's files, for another."""
        key = (wish.cache, wish.key)
        build = self._builds.get(key)
        if build is None:
            return
        build.waiters = [each for each in build.waiters if each[1] is not waiter]
        if not build.waiters:
            del self._builds[key]
            if build in self._turn:
                self._turn.remove(build)
        elif build.wish is not wish or not wish.ingredients["files"]:
            return
        else:
            build.is_anew = True
        if build.builder is not None:
            build.builder.kill()

    def _next(self) -> None:
        while self._turn and len(self._builders) < MOST:
            self._start(self._turn.popleft())

    def _start(self, build: _Build) -> None:
        wish = build.wish = build.waiters[0][0]
        build.starts += 1
        build.ending = {}
        build.is_anew = False
        builder = Builder(self._loop, functools.partial(self._told, build), functools.partial(self._over, build))
        try:
            builder.start(self.command(sys.executable, os.path.abspath(sys.argv[0])), self._environment(), wish.record)
        except OSError as error:
            self._finish(
                build, Problem("the environment's builder could not be started: %s" % error.strerror, "transient")
            )
            return
        build.builder = builder
        self._builders.add(builder)

    def _told(self, build: _Build, messages: List[Dict[str, Any]]) -> None:
        lines = [str(message[word]) for message in messages for word in ("line", "note") if word in message]
        for message in messages:
            if "ready" in message or "problem" in message:
                build.ending = message
        if lines:
            build.said.extend(lines)
            for _, waiter in list(build.waiters):
                self._loop.call(functools.partial(waiter.heard, lines))

    def _over(self, build: _Build, code: int) -> None:
        if build.builder is not None:
            self._builders.discard(build.builder)
            build.builder = None
        if not build.waiters:
            pass  # it was ended, as nobody waited any more
        elif "ready" in build.ending:
            self._finish(build, build.ending["ready"])
        elif "problem" in build.ending:
            self._finish(build, Problem(str(build.ending["problem"]), str(build.ending.get("class", "user"))))
        elif build.is_anew or build.starts < TIMES:
            build.starts -= build.is_anew
            self._told(build, [{"line": "%s; it is started again" % _end_of(build, code)}])
            self._turn.append(build)
        else:
            self._finish(
                build,
                Problem("the environment's builder was ended %d times before it was done" % build.starts, "transient"),
            )
        self._next()

    def _finish(self, build: _Build, outcome: Any) -> None:
        """Tell all who wait; a problem, only those who came with the same credentials: the key says nothing of them."""
        waiters, build.waiters = build.waiters, []
        if isinstance(outcome, Problem) and build.wish is not None:
            asked = build.wish.record.get("conda")
            build.waiters = [each for each in waiters if each[0].record.get("conda") != asked]
            waiters = [each for each in waiters if each not in build.waiters]
        said = {line.strip() for line in build.said}
        tail = [line for line in build.ending.get("tail", []) if line.strip() not in said]
        if build.waiters:
            build.starts = 0
            self._turn.append(build)
        else:
            for key in [key for key, each in self._builds.items() if each is build]:
                del self._builds[key]
        for _, waiter in waiters:
            if isinstance(outcome, Problem):
                self._loop.call(functools.partial(waiter.failed, outcome, tail))
            else:
                self._loop.call(functools.partial(waiter.built, outcome))


def _end_of(build: _Build, code: int) -> str:
    if build.is_anew:
        return "the builder worked with the files of a run that was canceled"
    if code < 0:
        return "the builder was ended by signal %d" % -code
    return "the builder ended without a word (exit code %d)" % code
