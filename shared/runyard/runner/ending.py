"""The last steps of an attempt: what the script made is moved to where users look, then the result is written."""

import os
import stat
from typing import TYPE_CHECKING, Callable, List, Optional

from . import collect, register, result
from .job import Job
from .places import Places
from .plain import claim_folder
from .preparation_log import PreparationLog
from .problems import NO_ROOM

if TYPE_CHECKING:
    from .yard import Yard

RETRY = 1.0
"""Seconds between tries while the disk is full."""
_MOST_NOTES = 100
"""Of what was left out or renamed at the end, in the log."""


class Ending:
    """Stores one attempt's result, again and again while that cannot be; ``stored(result)`` is called once."""

    def __init__(
        self,
        yard: "Yard",
        job: Job,
        places: Places,
        log: PreparationLog,
        written: Callable[[], None],
        stored: Callable[[result.Result], None],
    ) -> None:
        """``written()`` is called when the result is there, before the register forgets the process."""
        self.keeps_work = False
        """Whether outputs are left in the working directory, as they could not be moved."""
        self.detail = ""
        """Why there is no result yet."""
        self._yard = yard
        self._job = job
        self._places = places
        self.note = log.write
        """Write it to the log that people look into."""
        self._has_written = written
        self._stored = stored

    def store(self, found: result.Result) -> None:
        """Move the files, then write the result, without waiting for the disk."""
        try:
            self._collect()
            try:
                status = os.lstat(self._places.log)
                found["log_bytes"] = status.st_size if stat.S_ISREG(status.st_mode) else 0
            except FileNotFoundError:
                pass  # the script never started
        except OSError as error:
            self._store_later(found, error)
            return
        self._yard.loop.sync(
            lambda: result.write(self._places.result, found), lambda _, error: self._written(found, error)
        )

    def confirm(self) -> None:
        """See that a result that an earlier supervisor wrote is on disk, then let the register forget the process."""
        result.confirm(self._places.result)
        register.drop_records(self._places.register)

    def _collect(self) -> None:
        for folder in (self._places.run, self._places.folder, self._places.log_folder):
            claim_folder(folder)
        try:
            self._note_all(collect.collect(self._job, self._places))
        except Exception as error:  # whatever the script left there, the result is written
            if getattr(error, "errno", None) in NO_ROOM:
                raise
            self.keeps_work = True
            self.note("the outputs could not be collected and stay in %s: %s" % (self._places.work, error))

    def _written(self, found: result.Result, error: Optional[Exception]) -> None:
        if error is None:
            self._has_written()
            try:
                register.drop_records(self._places.register)
            except OSError as met:
                error = met
        if error is not None:
            self._store_later(found, error)
        else:
            self._stored(found)

    def _store_later(self, found: result.Result, error: Exception) -> None:
        self.detail = "cannot write the result: %s" % (getattr(error, "strerror", None) or error)
        self._yard.trash.empty()
        self._yard.loop.call_after(RETRY, lambda: self.store(found))

    def _note_all(self, texts: List[str]) -> None:
        if texts:
            more = len(texts) - _MOST_NOTES
            self.note("\n".join(texts[:_MOST_NOTES] + (["… and %d more" % more] if more > 0 else [])))
