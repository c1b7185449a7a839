"""Every write that can fail, failed once in each way: before its effect, after it, and sent twice. None left out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from runyard.errors import TransientError
from runyard.ports import Message, Ports
from runyard.reconcile import reconcile, sweep
from runyard.testing import WRITES, Fault, FaultyPorts, ManualClock, ScriptedTarget, Steps
from tests.crash.conftest import Count
from tests.crash.life import LONGEST, QUEUES, RECONCILE, SWEEP, TICK, Life, check, tell
from tests.crash.plots import PLOTS, Plot
from tests.crash.worlds import EmbeddedWorld, MakeWorld, MemoryWorld, World

EVERY = frozenset(f"{port}.{name}" for port, names in WRITES.items() if port != "courier" for name in names)
"""A courier raises nothing: what goes wrong with it is what it returns."""
KINDS = (Fault.REFUSED, Fault.LOST, Fault.TWICE)
Verdict = Callable[[Life], object]
ERRORS: tuple[type[BaseException], ...] = (TransientError, OSError, KeyError, SystemExit)
"""What the stores raise, in turn: an adapter's own error, the system's, a mistake, and a library that takes itself for a command.

Targets raise what their port allows: anything else of theirs fails the run that it was for (``test_retries.py``).
"""


def _error_of(kind: type[BaseException]) -> Callable[[str], BaseException]:
    return lambda operation: (TransientError if operation.startswith("target.") else kind)(operation)


@dataclass
class FaultyLife(Life):
    """A life in which one operation fails; what a handler raises gives its message back, as in a host."""

    faults: FaultyPorts = field(kw_only=True)

    def lead(self) -> None:
        """Live until nothing happens any more."""
        start = self.clock.now()
        ports = self.faults.ports
        pending = [(start + at, act) for at, act in sorted(self.plot.acts.items())]
        last_reconciled = last_swept = start
        while (now := self.clock.now()) - start < LONGEST:
            while pending and pending[0][0] <= now and self._is_answered(pending[0][1], ports):
                pending.pop(0)
            while self._deliver_all(ports):
                pass
            if now - last_reconciled >= RECONCILE:
                last_reconciled = now
                self._is_answered(reconcile, ports)
            if now - last_swept >= SWEEP:
                last_swept = now
                self._is_answered(sweep, ports)
            if not pending and self._is_over():
                return
            self.clock.advance(TICK)

    def _is_answered(self, act: Callable[[Ports], object], ports: Ports) -> bool:
        try:
            act(ports)
        except (Exception, SystemExit):
            return False
        return True

    def _deliver_all(self, ports: Ports) -> int:
        count = 0
        for name in ports.queue.wait(QUEUES, 0.0):
            for message in self._received(ports, name):
                count += 1
                try:
                    self._handle(ports, name, message)
                except (Exception, SystemExit):
                    self.steps.inner.queue.abandon(message)
                else:
                    self._complete(ports, message)
        return count

    def _received(self, ports: Ports, name: str) -> list[Message]:
        try:
            return list(ports.queue.receive(name, most=16, lock=60.0))
        except (Exception, SystemExit):
            return []  # those that it locked come again

    def _complete(self, ports: Ports, message: Message) -> None:
        try:
            ports.queue.complete(message)
        except (Exception, SystemExit):
            return  # it is gone, or comes again


def live_with(
    plot: Plot,
    make: MakeWorld,
    fault: tuple[int, Fault, type[BaseException]] | None,
    *,
    known: bool,
    verdict: Verdict = check,
) -> FaultyLife:
    """Lead one life in which the given operation fails, and check it."""
    clock = ManualClock(start=1_000_000_000.0)
    target = ScriptedTarget(clock=clock, known_beforehand=known)
    target.behave(plot.jobs[-1])  # of further attempts: one is used up by making sure that it never starts
    target.next_jobs(*plot.jobs)
    world = make(clock, target)
    plot.prepare(world.open())
    clock.advance(60)
    inner = world.open()
    plan = {} if fault is None else {fault[0]: fault[1]}
    # Where each attempt behaves in its own way, none may be used up.
    only = EVERY - ({"target.submit_many"} if len(plot.jobs) > 1 else set())
    faults = FaultyPorts(
        inner=inner, plan=plan, only=only, error=_error_of(fault[2] if fault is not None else TransientError)
    )
    life = FaultyLife(plot, world, Steps(inner=inner), clock, target, faults=faults)
    try:
        life.lead()
        verdict(life)
    except Exception as error:
        error.add_note(tell(life, (fault, faults.log)))
        raise
    finally:
        world.close()
    return life


def enumerate_faults(plot: Plot, make: MakeWorld, *, known: bool, verdict: Verdict = check) -> int:
    """Live once to count the operations, then once for each of them and each fault; returns how many faults that were."""
    whole = live_with(plot, make, None, known=known, verdict=verdict)
    count = 0
    for number in range(1, whole.faults.count + 1):
        for kind in KINDS:
            error = ERRORS[(number + count) % len(ERRORS)]
            count += len(live_with(plot, make, (number, kind, error), known=known, verdict=verdict).faults.log)
    assert whole.faults.count * len(KINDS) == count
    return count


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("known", [True, False], ids=["handle known beforehand", "handle known after"])
@pytest.mark.parametrize("plot", PLOTS, ids=[plot.name for plot in PLOTS])
def test_any_write_fails_once_in_memory(plot: Plot, known: bool, count: Count) -> None:
    count("memory, faults", enumerate_faults(plot, MemoryWorld, known=known))


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "plot",
    [plot for plot in PLOTS if plot.name in {"a posted run completes", "a running run is canceled"}],
    ids=lambda plot: plot.name,
)
def test_any_write_fails_once_on_a_root(plot: Plot, tmp_path: Path, count: Count) -> None:
    roots = iter(range(1_000_000))

    def make(clock: ManualClock, target: ScriptedTarget) -> World:
        return EmbeddedWorld(clock, target, tmp_path / str(next(roots)))

    count("embedded, faults", enumerate_faults(plot, make, known=True))
