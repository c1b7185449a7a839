"""An attempt whose script runs in a container: the same steps, with a shepherd where the script's process would be."""

import time
from typing import Any, List, Optional

from .. import hunt, process, register, result
from ..attempt import Attempt
from ..problems import Problem
from ..verdict import Verdict
from .contained import MARK, Contained


class ContainedAttempt(Attempt):
    """One attempt of a run with a container."""

    script: Contained

    def _make_quarry(self) -> hunt.Quarry:
        # What runs in the container is the engine's to end: here are the shepherd and its clients.
        mark = "%s=%s" % (MARK, self.places.control)
        return hunt.Quarry(self.job.run, self.job.attempt, self.places.work, self.places.log, mark)

    def _make_script(self) -> Contained:
        return Contained(self._yard, self.job, self.places, self._quarry, self._exited)

    def _start(self) -> None:
        self.detail = ""
        try:
            prepared = self._around.record()
            if prepared is not None:
                self._record(prepared)
            self.started = time.time()
            self._record({"container": self.job.name, "started": self.started})
            try:
                self.script.begin(self._around.image)
            except OSError as error:
                raise process.start_problem(error, "python") from None
        except Problem as problem:
            self.started = None
            self._fail(problem)
            return
        self._run()

    def _adopt(self, records: List[Any]) -> None:
        self.result = result.read(self.places.result)
        if self.result is not None:
            self._leave_again()  # its container was gone before that was written
            return
        self._around.take_over(records)
        self.started = _started(records)
        verdict = register.verdict_of(records)
        self.script.resume()
        self._run()
        if verdict is not None:
            self._end(verdict, self.job.grace)

    def _exited(self, code: Optional[int]) -> None:
        if self.script.is_unborn:
            self.started = None
            if self.script.is_adopted and self._verdict is None and not self._is_prepared:
                self._prepare_again()
                return
        if self._verdict is None and self.script.verdict is not None and self.script.verdict.outcome == "failed":
            self.started = None
            self._ending.note(self.script.verdict.message)
        super()._exited(code)

    def _prepare_again(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self.script = self._make_script()
        self._guard(self._prepare_anew)

    def _of_exit(self) -> Verdict:
        return self.script.verdict or super()._of_exit()


def _started(records: List[Any]) -> Optional[float]:
    """When the container was started, as its supervisor noted."""
    found = None
    for record in records[1:]:
        if isinstance(record, dict) and "again" in record:
            found = None
        elif isinstance(record, dict) and "container" in record and isinstance(record.get("started"), float):
            found = record["started"]
    return found
