"""What ends a run names the cause and the way out, in one sentence that holds nothing it should not."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from runyard.api.answers import answer
from runyard.api.details import why_shape
from runyard.reconcile import why
from runyard.runner.verdict import of_exit
from runyard.runs.model import Run
from runyard.runs.states import ENDINGS, State
from tests.acceptance.yard import Yard
from tests.fakes import runconfig, snapshot

CANARY = "canary-71c3d5"
SECRETS = {"environmentVariables": {"DB_PASSWORD": CANARY}, "python": {"userManagedDependencies": True}}
WAIT = "import time\nprint('ready', flush=True)\ntime.sleep(60)\n"
WAY_OUT = re.compile(
    r"expected|submit it again|submit again|drop|upload|says|say|log|set |use |zip |`runyard|maxRun|has |perhaps|mend|keep|remove|send"
)
"""Words by which a sentence shows what to do, or where to look."""


def zipped(yard: Yard, data: bytes, name: str = "exp/a.zip") -> None:
    path = yard.root / "snapshots" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_bytes(data)
    part.rename(path)


def bad_zip(yard: Yard) -> None:
    zipped(yard, b"PK\x03\x04 not a zip at all")


def truncated_zip(yard: Yard) -> None:
    zipped(yard, snapshot(config=runconfig(environment=SECRETS))[:-30])


def no_runconfig(yard: Yard) -> None:
    zipped(yard, snapshot(config=""))


def broken_runconfig(yard: Yard) -> None:
    zipped(
        yard, snapshot(config=f"script: [{CANARY}\nenvironment:\n  environmentVariables: {{DB_PASSWORD: {CANARY}}}\n")
    )


def missing_script(yard: Yard) -> None:
    zipped(yard, snapshot(config=runconfig(script="other.py", environment=SECRETS)))


def no_compute(yard: Yard) -> None:
    yard.drop("pass\n", target="cluster9", environment=SECRETS)


def unavailable(yard: Yard) -> None:
    yard.drop("pass\n", framework="PySpark", environment=SECRETS)


def exit_code(yard: Yard) -> None:
    yard.drop("raise SystemExit(3)\n", environment=SECRETS)


def traceback(yard: Yard) -> None:
    yard.drop(f"raise ValueError({CANARY!r})\n", environment=SECRETS)


def by_signal(yard: Yard) -> None:
    yard.drop("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n", environment=SECRETS)


def too_long(yard: Yard) -> None:
    yard.drop(WAIT, maxRunDurationSeconds=1, environment=SECRETS)


def not_json(yard: Yard) -> None:
    yard.ports.queue.send("submissions", f'{{"experiment": "{CANARY}'.encode())


def canceled(yard: Yard) -> None:
    yard.drop(WAIT, environment=SECRETS)
    run = yard.wait(lambda: next((run for run in yard.runs() if run.state is State.RUNNING), None))
    with yard.client() as client:
        assert client.post(f"/api/runs/{run.id}/cancel").is_success


@pytest.mark.parametrize(
    ("act", "state", "cause"),
    [
        (bad_zip, State.FAILED, "zip"),
        (truncated_zip, State.FAILED, "zip"),
        (no_runconfig, State.FAILED, "no run configuration"),
        (broken_runconfig, State.FAILED, "runconfig"),
        (missing_script, State.FAILED, "other.py"),
        (no_compute, State.FAILED, "cluster9"),
        (unavailable, State.FAILED, "PySpark"),
        (exit_code, State.FAILED, "code 3"),
        (traceback, State.FAILED, "code 1"),
        (by_signal, State.FAILED, "SIGSEGV"),
        (too_long, State.FAILED, "maximum duration of 1 s"),
        (not_json, State.FAILED, "JSON"),
        (canceled, State.CANCELED, "canceled"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_every_ending_names_its_cause_and_the_way_out(
    yard: Yard, act: Callable[[Yard], None], state: State, cause: str
) -> None:
    act(yard)
    run = yard.wait(lambda: next((run for run in yard.runs() if run.state in ENDINGS), None))
    assert state is run.state
    assert cause in run.reason
    assert_sound(yard, run)


def assert_sound(yard: Yard, run: Run) -> None:
    """On the row, in the history and in the answer to why: one sentence each, with a way out, and no secret."""
    for reason in [run.reason, *(event.reason for event in yard.ports.runs.history(run.id))]:
        assert_one_sentence(reason)
    if run.state is State.FAILED:
        assert run.error is not None
        assert_one_sentence(run.error.message)
        assert WAY_OUT.search(run.error.message), run.error.message
    found = why(yard.ports, run)
    assert found.advice
    said = [each.text for each in (*found.waits, *found.next, *found.facts)]
    for sentence in [*said, *found.advice]:
        assert_one_sentence(sentence)
    assert CANARY.encode() not in answer(why_shape(found)).body


def assert_one_sentence(text: str) -> None:
    assert text.strip() == text != ""
    assert "\n" not in text
    assert "Traceback" not in text
    assert CANARY not in text
    assert len(text) <= 600


@pytest.mark.parametrize("code", [None, -9, -11, -64])
@pytest.mark.parametrize("started", [None, 1.0])
def test_what_the_runner_says_of_an_ending_names_the_way_out(code: int | None, started: float | None) -> None:
    message = of_exit(code, started).message
    assert_one_sentence(message)
    assert WAY_OUT.search(message), message
