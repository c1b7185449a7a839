"""One attempt, from its start register to its result, as a machine of small steps that never waits.

::

    accepted ──► preparing ──► running ──► ending ──► result.json
        │             └─────────────────────▲
        └► refused (the register says void)

Every step is called by the loop. What the steps do is in the other modules; here is their order.
"""

import os
import shutil
import time
import traceback
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Optional

from . import codes, hunt, process, register, result, script, unnoted
from .ending import RETRY, Ending
from .job import Job
from .loop import Timer
from .places import Places, make_folder
from .plain import append_line
from .preparation import Preparation
from .problems import Problem, Stopped, unforeseen
from .verdict import Verdict, of_exit
from .watched import Script

if TYPE_CHECKING:
    from .yard import Yard

PHASES = ("accepted", "preparing", "running", "ending")
"""Where an attempt can be; each host maps them to its own states."""

_NEWS = 0.1
"""Seconds that a script must have run before hosts are told that it runs: they learn it of short ones with their end."""
_FIRST_LOOK, _SLOWEST_LOOK = 0.001, 0.25
_SEEKS, _SEEK_AGAIN = 50, 0.01
"""How often, and with how many seconds between, to look for a script that was not noted."""


class Attempt:
    """One attempt of a run. ``yard`` carries it."""

    def __init__(self, yard: "Yard", job: Job) -> None:
        self.job = job
        self.places = Places(yard.root, job.run, job.attempt, job.name)
        self.phase = PHASES[0]
        self.started: Optional[float] = None
        """When the script started, seconds since the epoch."""
        self.detail = ""
        self.result: Optional[result.Result] = None
        self._yard = yard
        self._quarry = self._make_quarry()
        self.script = self._make_script()
        self._code: Optional[int] = None
        self._verdict: Optional[Verdict] = None
        """Set when it is ended, or cannot begin; else its exit code decides."""
        self._kill_at = 0.0
        self._look = _FIRST_LOOK
        self._deadline: Optional[Timer] = None
        self._preparation = Preparation(yard, job, self.places, self._prepared, self._tell_preparing)
        self._around = self._preparation.surroundings
        self._is_confirmed = False
        self._is_prepared = False
        self._ending = Ending(yard, job, self.places, self._preparation.log, self._written, self._stored)

    def _make_quarry(self) -> hunt.Quarry:
        return hunt.Quarry(self.job.run, self.job.attempt, self.places.work, self.places.log)

    def _make_script(self) -> Script:
        return Script(self._yard.loop, self._quarry, self._exited, self._yard.code_of)

    @property
    def keeps_work(self) -> bool:
        """Whether outputs are left in the working directory, as they could not be moved."""
        return self._ending.keeps_work

    @property
    def is_ending(self) -> bool:
        """Whether its script has ended, and its result is not written yet."""
        return self.phase == "ending" or self.script.is_over

    def describe(self) -> Dict[str, Any]:
        """What a host is told of it."""
        told: Dict[str, Any] = {
            "name": self.job.name,
            "compute": self.job.compute,
            "phase": self.phase,
            "started": self.started,
            "detail": self._ending.detail or self.detail or self._preparation.detail,
        }
        if self._around.notes:
            told["notes"] = self._around.notes
        return told

    def begin(self) -> None:
        """Win the register and go on; or learn that the start was refused, or made before."""
        self._guard(self._begin)

    def _guard(self, step: Callable[[], None]) -> None:
        """Take a step of the preparation. Whatever goes wrong in it is the end of this attempt, and of no other."""
        try:
            step()
        except Exception as error:  # the attempt's boundary: recorded in its result, and in the log
            self._yard.complain("%s: %s" % (self.job.run, traceback.format_exc()))
            problem = unforeseen(error)
            if self.script.pid:
                self.phase = "running"
                self._end(Verdict("failed", problem.message, problem.error_class), 0.0)
            else:
                self._fail(problem)

    def _begin(self) -> None:
        try:
            # The working directory comes first: by it a later supervisor finds what was begun.
            make_folder(self.places.work)
            text = register.started_by(self._yard.winner())
            won = register.win(self.places.register, text, self.job.record, durable=False)
        except OSError as error:
            self.detail = "cannot begin: %s" % error.strerror
            self._yard.trash.empty()
            self._yard.loop.call_after(RETRY, self.begin)
            return
        if won:
            self._prepare()
            return
        decision = register.read(self.places.register)
        if decision is not None and decision.word == register.VOID:
            self._refuse(decision.reason)
            return
        self.result = result.read(self.places.result)
        if self.result is not None:
            self._yard.leave("ended", self)
        else:
            self.adopt(decision.records if decision is not None else [])

    def _refuse(self, reason: str) -> None:
        try:
            append_line(self.places.refused, reason)
        except OSError as error:
            self._yard.complain("the refusal of %s was not noted: %s\n" % (self.job.run, error))
        self._yard.leave("refused", self)

    def _confirm(self) -> None:
        """Have the register on disk: without waiting, as the snapshot is unpacked meanwhile."""
        self._yard.loop.sync(lambda: register.confirm(self.places.register), self._confirmed)

    def _confirmed(self, _: Any, error: Optional[Exception]) -> None:
        if self.phase != "preparing":
            return
        if error is not None:
            self.detail = "cannot begin: %s" % (getattr(error, "strerror", None) or error)
            self._yard.trash.empty()
            self._yard.loop.call_after(RETRY, self._confirm)
            return
        self._is_confirmed = True
        self._guard(self._launch)

    def _prepare(self) -> None:
        self.phase = "preparing"
        self.detail = ""
        self._confirm()
        self._preparation.begin()

    def _tell_preparing(self) -> None:
        self._yard.tell("preparing", self)

    def _prepared(self, error: Optional[Exception]) -> None:
        if error is None:
            self._is_prepared = True
            self._guard(self._launch)
        elif isinstance(error, Stopped):
            self._finish()
        elif isinstance(error, Problem):
            self._fail(error)
        else:
            self._yard.complain("%s: %r\n" % (self.job.run, error))
            self._fail(unforeseen(error))

    def _launch(self) -> None:
        """Start the script once both is done: its register is on disk, and it is prepared."""
        if self.phase != "preparing" or not (self._is_confirmed and self._is_prepared):
            return
        if self._verdict is not None:
            self._finish()
            return
        self._start()

    def _start(self) -> None:
        job, places = self.job, self.places
        self.detail = ""
        try:
            environment = script.variables(self._yard.environment, job, places, self._yard.hook, self._around)
            argv = script.command(job, places.work, environment, self._around.interpreter)
            prepared = self._around.record()
            if prepared is not None:
                self._record(prepared)
            self.started = time.time()
            try:
                self.script.launch(argv, environment, places.work, places.log, self._around.held)
            except OSError as error:
                raise process.start_problem(error, argv[0]) from None
            except ValueError as error:
                raise Problem("an environment variable cannot be set: %s" % error) from None
        except Problem as problem:
            self.started = None
            self._fail(problem)
            return
        self._record_process()
        self._run()

    def _record_process(self) -> None:
        """Without this a later supervisor finds it by its variables, or by its tag."""
        pid, start = self.script.ident
        self._record({"pid": pid, "start": start, "started": self.started, "boot": self._yard.boot})

    def _record(self, record: register.Record) -> None:
        """Note in the register what a later supervisor needs."""
        try:
            register.add(self.places.register, record)
        except OSError as error:
            self._yard.complain("%s: %s was not noted: %s\n" % (self.job.run, sorted(record), error.strerror))

    def adopt(self, records: List[Any]) -> None:
        """Take over what an earlier supervisor began; ``records`` are those of the register."""
        self._guard(lambda: self._adopt(records))

    def _adopt(self, records: List[Any]) -> None:
        self.result = result.read(self.places.result)
        self._around.take_over(records)
        known = register.process_of(records)
        if known is None:
            noted = register.sought_at(records)
            before = process.ticks() if noted is None else noted
            if noted is None and records:
                self._record({"sought": before})
            self._seek(records, before, _SEEKS)
            return
        self.started = known.started
        ident = (known.pid, known.start) if known.boot == self._yard.boot else unnoted.NOBODY
        self._take_over(ident, register.verdict_of(records), is_noted=True)

    def _take_over(self, ident: codes.Ident, verdict: Optional[Verdict], is_noted: bool = False) -> None:
        """Go on with a script that an earlier supervisor started; ``verdict`` if it was being ended."""
        if ident[0] and self.script.adopt(*ident):
            self.result = None
            if not is_noted:
                self._record_process()
            self._run()
            if verdict is not None:
                self._end(verdict, self.job.grace)
        elif self.result is not None:
            self._yard.forget_code(ident)
            self._leave_again()
        else:
            self._verdict = verdict
            self.script.is_ours = False
            self.phase = "ending"
            self._code = self.script.learn(*ident) if ident[0] else None
            self._sweep()

    def _leave_again(self) -> None:
        """It has its result: its supervisor was killed before it cleared the register."""
        self._yard.loop.call(self._ending.confirm)
        self._yard.leave("ended", self)

    def _seek(self, records: List[Any], before: int, times: int) -> None:
        """Learn what became of the script, of which the register does not say that there is one."""
        won = register.won_at(self.places.register)
        is_same_boot = bool(won.boot) and won.boot == self._yard.boot
        if not is_same_boot:  # after a power cut nothing follows from what is not there
            found = unnoted.Finding(unnoted.UNCLEAR, hunt.find_script(self._quarry))
        elif not os.path.lexists(self.places.log):  # it is made before the script is started
            found = unnoted.Finding(unnoted.NEVER)
        else:
            found = unnoted.look(self._quarry, won, before, self._yard.root, self._yard.claims)
        if found.word == unnoted.UNCLEAR and times and is_same_boot and self.result is None:
            self.phase = "ending"
            self._yard.loop.call_after(_SEEK_AGAIN, lambda: self._guard(lambda: self._seek(records, before, times - 1)))
        elif found.word == unnoted.NEVER and self.result is None and records:
            self._prepare_anew()
        else:
            self.started = process.wall_clock(found.ident[1]) if found.ident[0] else None
            self._take_over(found.ident, register.verdict_of(records))

    def _prepare_anew(self) -> None:
        # Or it is not done: whoever looks for its script must know whose it is.
        register.add(self.places.register, {"again": register.started_by(self._yard.winner())})
        shutil.rmtree(self.places.work, ignore_errors=True)
        make_folder(self.places.work)
        self._prepare()

    def _run(self) -> None:
        self.phase = "running"
        if self.job.max_duration is not None:
            begun = self.started if self.started is not None else time.time()
            left = begun + self.job.max_duration - time.time()
            self._deadline = self._yard.loop.call_after(max(left, 0.0), self._out_of_time)
        self._yard.loop.call_after(_NEWS, self._tell_running)

    def _tell_running(self) -> None:
        if self.phase == "running":
            self._yard.tell("running", self)

    def _out_of_time(self) -> None:
        message = (
            "the script ran longer than its maximum duration of %g s and was ended; maxRunDurationSeconds sets it"
            % (self.job.max_duration or 0)
        )
        self._end(Verdict("timeout", message, "user"), self.job.grace)

    def cancel(self, grace: float) -> None:
        """End it: TERM to its processes, KILL after ``grace`` seconds. Repeatable; the shortest grace counts."""
        self._end(Verdict("canceled", "it was canceled", "user"), grace)

    def _end(self, verdict: Verdict, grace: float) -> None:
        if self.phase == "preparing":
            if self._verdict is None:
                self._verdict = verdict
                self._preparation.stop()
        elif self._verdict is not None and self.script.may_linger:
            if time.monotonic() + grace < self._kill_at:
                self._kill_after(grace)
        elif self.phase == "running":
            self._verdict = verdict
            self._record({"verdict": list(verdict)})
            self._kill_after(grace)
            self.script.terminate()

    def _kill_after(self, grace: float) -> None:
        self._kill_at = time.monotonic() + grace
        self._yard.loop.call_after(grace, self._kill)

    def _kill(self) -> None:
        if self.phase == "running":
            self.script.kill()

    def _exited(self, code: Optional[int]) -> None:
        self._code = code
        self.phase = "ending"
        if self._deadline is not None:
            self._deadline.cancel()
        self._sweep()

    def _sweep(self) -> None:
        """See that nothing of it is left; only then it has ended."""
        if self._left_over():
            self._yard.loop.call_after(self._look, self._sweep)
            self._look = min(self._look * 2, _SLOWEST_LOOK)
        else:
            self._finish()

    def _left_over(self) -> int:
        if not self.script.is_ours or self._verdict is not None:
            found = hunt.find_all(self._quarry)
            if found:
                if time.monotonic() >= self._kill_at:
                    self.script.kill()
                return len(found)
        keeper = 0 if self.script.is_ours else self._yard.keeper
        return hunt.kill_orphans(self._quarry, self._yard.scripts(), self._yard.is_alone(self), keeper)

    def _fail(self, problem: Problem) -> None:
        """It could not be prepared: the sentence goes to the result, and to the log that people look into."""
        message = self.job.masked(problem.message)
        self._verdict = Verdict("failed", message, problem.error_class)
        self._ending.note(message)
        self._finish()

    def _finish(self) -> None:
        self.phase = "ending"
        verdict = self._verdict or self._of_exit()
        ended = self.script.ended_at or time.time()
        notes = self._around.notes
        self._ending.store(result.make(self.job, verdict, self._code, self.started, ended, notes))

    def _of_exit(self) -> Verdict:
        return of_exit(self._code, self.started)

    def _written(self) -> None:
        """How it ended is on record: what else tells it may go."""
        self.script.release()
        self._around.release()
        if not self.script.is_ours:
            self._yard.forget_code(self.script.ident)

    def _stored(self, found: result.Result) -> None:
        self.result = found
        self._yard.leave("ended", self)
