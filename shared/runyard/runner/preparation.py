"""Between the register and the script: the snapshot is unpacked, and what the script runs in is made ready.

::

    unpack ──► what the job asks for (Step) ──► over(None)
       └───────────────┴─► over(error): a Problem is told, Stopped is none

A step never waits: it hands long work to the loop, and goes on when it is called back.
"""

import os
import shutil
from typing import TYPE_CHECKING, Callable, Optional

from . import collect
from .job import Job
from .places import Places, make_folder, make_run_folders
from .preparation_log import PreparationLog
from .problems import Problem, Stopped, from_os_error
from .surroundings import Surroundings
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

    def __init__(self, preparation: "Preparation", over: Over) -> None:
        """It reads the job from the preparation, and leaves what it made in its surroundings."""
        self.preparation = preparation
        self.over = over

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
        self.yard = yard
        self.job = job
        self.places = places
        self.log = PreparationLog(job, places, yard.complain)
        self.surroundings = Surroundings()
        self.tell = tell
        self._over = over
        self._step: Optional[Step] = None
        self._stopped = False

    @property
    def detail(self) -> str:
        """What it is at, for hosts."""
        return self._step.detail if self._step is not None else ""

    def begin(self) -> None:
        """Begin; a small snapshot is unpacked when this returns."""
        try:
            make_run_folders(self.places)
            self.job.check_secrets()
            if os.stat(self.job.snapshot).st_size > INLINE:
                self.yard.loop.do(self._unpack, self._unpacked)
                self.tell()
                return
            self._unpack()
        except FileNotFoundError:
            name = os.path.basename(self.job.snapshot)
            self._over(Problem("the snapshot %s is not there any more; submit it again" % name))
        except OSError as error:
            self._over(from_os_error(error, "preparing the run's folders"))
        except Problem as problem:
            self._over(problem)
        else:
            self._surround()

    def stop(self) -> None:
        """The attempt was canceled. ``over(Stopped)`` comes, now or once the unpacking has stopped, unless it was over."""
        self._stopped = True
        if self._step is not None:
            step, self._step = self._step, None
            step.stop()
            self._over(Stopped())

    def _unpack(self) -> None:
        work = self.places.work
        try:
            unpack(self.job.snapshot, self.job.snapshot_etag, work, lambda: self._stopped)
        except (Problem, Stopped):
            shutil.rmtree(work, ignore_errors=True)  # at once: it may have filled the disk
            raise
        for name in collect.folders_of(self.job):
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
        if self.job.container is not None:
            from .containers.image_step import ImageStep  # noqa: PLC0415 - as below

            self.guarded(lambda: self._take(ImageStep(self, self._step_over)))
            return
        if self.job.environment is None:
            self._over(None)
            return
        from .environment_step import EnvironmentStep  # noqa: PLC0415 - most supervisors need none of it

        self.guarded(lambda: self._take(EnvironmentStep(self, self._step_over)))

    def _take(self, step: Step) -> None:
        self._step = step
        step.begin()

    def guarded(self, call: Callable[[], None]) -> None:
        """Take a piece of a step. Whatever goes wrong in it ends this preparation, and no other."""
        try:
            call()
        except Exception as error:  # the attempt's boundary: recorded in its result
            self._step_over(error)

    def _step_over(self, error: Optional[Exception]) -> None:
        self._step = None
        self._over(error)
