"""Between the register and the script: the snapshot is unpacked, and what the script runs in is made ready.

::

    unpack ──► what the job asks for (Step) ──► over(None)
       └───────────────┴─► over(error): a Problem is told, Stopped is none

A step never waits: it hands long work to the loop, and goes on when it is called back.
"""

import os
import shutil
from typing import TYPE_CHECKING, Callable, List, Optional

from . import collect
from .job import Job
from .places import Places, make_folder, make_run_folders
from .problems import Problem, Stopped, from_os_error
from .unpack import unpack

if TYPE_CHECKING:
    from .yard import Yard

INLINE = 1 << 20
"""Bytes of a snapshot that is unpacked at once; a larger one goes to the worker, as others must not wait for it."""

Over = Callable[[Optional[Exception]], None]


class Step:
    """One part of a preparation after the unpacking. Calls ``over(error)`` once, at once or later; not after :meth:`stop`."""

    detail = ""
    """What it is at, for hosts."""

    def begin(self) -> None:
        """Begin."""
        raise NotImplementedError

    def stop(self) -> None:
        """The attempt was canceled: leave at once."""
        raise NotImplementedError


class Preparation:
    """One attempt's. ``over(error)`` is called once: ``None`` = the script may start."""

    def __init__(self, yard: "Yard", job: Job, places: Places, over: Over, tell: Callable[[], None]) -> None:
        """``tell()`` lets hosts know that it takes a while, or that there is news of it."""
        self.notes: List[str] = []
        """What was done otherwise than the run configuration says, a sentence each."""
        self._yard = yard
        self._job = job
        self._places = places
        self._over = over
        self._tell = tell
        self._step: Optional[Step] = None
        self._stopped = False

    @property
    def detail(self) -> str:
        """What it is at, for hosts."""
        return self._step.detail if self._step is not None else ""

    def begin(self) -> None:
        """Begin; a small snapshot is unpacked when this returns."""
        try:
            make_run_folders(self._places)
            if os.stat(self._job.snapshot).st_size > INLINE:
                self._yard.loop.do(self._unpack, self._unpacked)
                self._tell()
                return
            self._unpack()
        except FileNotFoundError:
            name = os.path.basename(self._job.snapshot)
            self._over(Problem("the snapshot %s is not there any more; submit it again" % name))
        except OSError as error:
            self._over(from_os_error(error, "preparing the run's folders"))
        except Problem as problem:
            self._over(problem)
        else:
            self._surround()

    def stop(self) -> None:
        """The attempt was canceled. ``over(Stopped)`` comes once nothing of it goes on."""
        self._stopped = True
        if self._step is not None:
            self._step.stop()
            self._step = None
            self._over(Stopped())

    def _unpack(self) -> None:
        work = self._places.work
        try:
            unpack(self._job.snapshot, self._job.snapshot_etag, work, lambda: self._stopped)
        except (Problem, Stopped):
            shutil.rmtree(work, ignore_errors=True)  # at once: it may have filled the disk
            raise
        for name in collect.folders_of(self._job):
            make_folder(work + "/" + name)

    def _unpacked(self, _: object, error: Optional[Exception]) -> None:
        if self._stopped:
            self._over(Stopped())
        elif isinstance(error, OSError):
            self._over(from_os_error(error, "preparing the run's folders"))
        elif error is not None:
            self._over(error)
        else:
            self._surround()

    def _surround(self) -> None:
        """What follows the unpacking, by what the job asks for."""
        self._over(None)
