"""A script's process while it runs: waits for its end, and ends it when asked."""

import os
import selectors
import signal
from typing import Callable, Dict, List, Optional

from . import codes, hunt, process
from .loop import Loop

_POLL = 0.05
"""Seconds between looks where the system has no pidfd."""
_ASK_AGAIN = 0.002
_TIMES = 50


class Script:
    """One process. ``ended(code)`` is called once; the code is ``None`` if it cannot be known."""

    def __init__(
        self,
        loop: Loop,
        quarry: hunt.Quarry,
        ended: Callable[[Optional[int]], None],
        noted: Callable[[codes.Ident], Optional[codes.Code]],
    ) -> None:
        """``noted(ident)`` is how a process ended, if the keeper noted it."""
        self.pid = 0
        """Its process id until it was reaped; of a stranger, until its end was seen."""
        self.ident: codes.Ident = (0, 0)
        """Its process id, also later, and when it started, in clock ticks since boot."""
        self.ended_at: Optional[float] = None
        """When it ended, seconds since the epoch, if another saw it."""
        self.is_ours = True
        """Whether it is our child: then its exit code is certain, and what it leaves behind becomes ours."""
        self.may_linger = False
        """Whether others of its group may go on when it ends: they were asked to end, and have time for it."""
        self._loop = loop
        self._quarry = quarry
        self._ended = ended
        self._noted = noted
        self._pidfd: Optional[int] = None
        self._asked = 0

    def launch(
        self, argv: List[str], environment: Dict[str, str], folder: str, log: str, keep: Optional[int] = None
    ) -> None:
        """Start it; it inherits the descriptor ``keep``.

        Raises:
            OSError, ValueError: as the system refuses it.
        """
        pid = process.spawn(argv, environment, folder, log, self._quarry.tag, keep)
        found = process.read_stat(pid)
        self._attend(pid, found.start if found is not None else 0, process.open_pidfd(pid))

    def adopt(self, pid: int, start: int) -> bool:
        """Take over one that an earlier supervisor started; whether it is still there."""
        self.is_ours = False
        try:
            pidfd = process.open_pidfd(pid)
        except ProcessLookupError:
            return False
        # Looked at when the descriptor is open: from then on the number cannot become another process's unnoticed.
        if not process.is_alive(pid, start):
            if pidfd is not None:
                os.close(pidfd)
            return False
        self._attend(pid, start, pidfd)
        return True

    @property
    def is_over(self) -> bool:
        """Whether its end was seen, and how it ended is being asked."""
        return self._asked > 0

    def learn(self, pid: int, start: int) -> Optional[int]:
        """The exit code of one that ended before anybody adopted it, if it left a trace."""
        self.is_ours = False
        self.ident = (pid, start)
        code = process.exit_code_of(pid, start, None)  # first: the keeper notes it before the zombie goes
        return code if code is not None else self._read_note()

    def _read_note(self) -> Optional[int]:
        found = self._noted(self.ident)
        if found is None:
            return None
        self.ended_at = found.ended
        return found.code

    def release(self) -> None:
        """Reap it: its result is written. Until then how it ended is not lost if this process is killed."""
        if self.pid and self.is_ours:
            hunt.reap_quietly(self.pid)
        self.pid = 0

    def _attend(self, pid: int, start: int, pidfd: Optional[int]) -> None:
        self.pid = self._quarry.leader = pid
        self.ident = (pid, start)
        self._pidfd = pidfd
        if pidfd is not None:
            self._loop.watch(pidfd, selectors.EVENT_READ, self._over)
        else:
            self._loop.call_after(_POLL, self._look)

    def _look(self) -> None:
        if process.is_alive(*self.ident):
            self._loop.call_after(_POLL, self._look)
        else:
            self._over()

    def terminate(self) -> None:
        """Send TERM to its group, and to what left the group."""
        self.may_linger = True
        outside = [pid for pid in hunt.find_all(self._quarry) if hunt.group_of(pid) != self.pid]
        process.send_group(self.pid, signal.SIGTERM)
        for pid in outside:
            process.send(pid, signal.SIGTERM)

    def kill(self) -> None:
        """Send KILL to its group, and to what left the group."""
        if self.pid:
            process.send_group(self.pid, signal.SIGKILL)
        for pid in hunt.find_all(self._quarry):
            process.send(pid, signal.SIGKILL)

    def _over(self) -> None:
        if not self.is_ours:
            if self._pidfd is not None:
                self._loop.unwatch(self._pidfd)
            self._ask_code()
            return
        if not self.may_linger:
            # It is not reaped yet: until then no other group can have its number.
            process.send_group(self.pid, signal.SIGKILL)
        code = process.peek(self.pid)
        if code is not None:
            if self._pidfd is not None:
                self._loop.unwatch(self._pidfd)
            self._end(code)

    def _ask_code(self) -> None:
        """Ask for the exit code of a stranger; the system may tell only once its parent has reaped it."""
        code = process.exit_code_of(self.ident[0], self.ident[1], self._pidfd)
        # Once it is reaped the keeper's note is there: one that came after the result would be nobody's.
        is_settled = code is not None and not process.is_there(*self.ident)
        if code is None or is_settled:
            noted = self._read_note()
            code = code if noted is None else noted
            is_settled = code is not None
        self._asked += 1
        if not is_settled and self._asked < _TIMES and (code is not None or self._pidfd is not None):
            self._loop.call_after(_ASK_AGAIN, self._ask_code)
        else:
            self._end(code)

    def _end(self, code: Optional[int]) -> None:
        if self._pidfd is not None:
            os.close(self._pidfd)
            self._pidfd = None
        if not self.is_ours:
            self.pid = 0
        self._ended(code)
