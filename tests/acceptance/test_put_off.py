"""Under the embedded host too, a store that does not answer for a while costs a message nothing but time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from runyard.ports.queue import DEAD_LETTERS
from runyard.runs.states import State
from runyard.testing import Fault, FaultyPorts
from tests.acceptance.yard import running


def test_a_run_is_accepted_once_the_store_answers_again(tmp_path: Path) -> None:
    with running(tmp_path / "root") as yard:
        assert yard.services is not None
        ports = yard.services.ports
        faulty = FaultyPorts(inner=ports, plan={1: Fault.REFUSED}, only=frozenset({"runs.create"}))
        yard.services.ports = replace(ports, runs=faulty.ports.runs)
        yard.drop("print('hello')")
        yard.wait(lambda: any("was put off" in line for line in yard.lines))
        run = yard.wait(lambda: next((each for each in yard.runs() if each.has_ended), None))
        assert State.COMPLETED is run.state
        assert not ports.queue.counts().get(DEAD_LETTERS)
