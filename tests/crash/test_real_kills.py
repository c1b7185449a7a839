"""Real processes, killed at every write that carries a run: the host, its supervisor, or both."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import pytest

from runyard.ports import Compute
from runyard.runs.model import Run
from runyard.runs.states import State
from tests.crash.conftest import Count
from tests.crash.yard import KillingYard, Zygote, yard
from tests.fakes import runconfig, snapshot

SCRIPT: Final = """
import os, sys, time
with open({ledger!r}, "a") as ledger:
    ledger.write(os.environ["AZUREML_RUN_ID"] + " " + os.environ["RUNYARD_ATTEMPT"] + "\\n")
time.sleep(0.2)
sys.exit(5)
"""
AT_ONCE: Final = 4
Point = tuple[str, int, str]


CANARY: Final = "canary-20c7"
CHECK: Final = "\nimport hashlib, os\nassert hashlib.sha256(os.environ['A_TOKEN'].encode()).hexdigest() == %r\n"


PLAIN, SECRET, MANAGED = "plain", "secret", "managed"
"""What a run is: as usual, with a secret among its variables, with an environment that no other life has."""


def begin(made: KillingYard, what: str = PLAIN) -> None:
    """A zip lies in the drop folder before the host comes."""
    stores = made.open(anew=True)  # what lay in a folder before it became a root would start nothing
    files = {"train.py": SCRIPT.format(ledger=str(made.ledger))}
    config: dict[str, Any] = {}
    if what == SECRET:
        files["train.py"] = CHECK % hashlib.sha256(CANARY.encode()).hexdigest() + files["train.py"]
        config = {"environmentVariables": {"A_TOKEN": CANARY}}
    if what == MANAGED:
        files["train.py"] = f"import os\nassert os.environ['LIFE'] == {str(made.folder)!r}\n" + files["train.py"]
        files["aml_config/conda_dependencies.yml"] = f"variables:\n  LIFE: {json.dumps(str(made.folder))}\n"
        config = {"environment": {"python": {"userManagedDependencies": False}}}
        cache = str(made.folder / "environments")
        options: dict[str, object] = {"resolver": "uv", "environments": cache}
        stores.computes.put(Compute(name="local", kind="local", limit=2, options=options))
    zipped = snapshot(files, config=runconfig(**config))
    (made.root / "snapshots" / "exp" / "a.zip").write_bytes(zipped)


def ended(made: KillingYard) -> Run:
    """The run once it has ended, by whichever host."""

    def look() -> Run | None:
        if not made.host_lives():
            made.start()
        runs = made.runs()
        return runs[0] if runs and runs[0].has_ended and made.is_quiet() else None

    return made.wait(look)


def verdict(made: KillingYard, *, witnessed: bool = True) -> None:
    """One execution, a true ending, nothing left over. Where nobody witnessed how it ended, the ending says so."""
    run = ended(made)
    assert [f"{run.id} {run.attempt}"] == made.ledger.read_text().splitlines(), made.tell()
    unknown = not witnessed and run.exit_code is None and run.error is not None and run.error.code == "Interrupted"
    assert unknown or (State.FAILED, 5) == (run.state, run.exit_code), made.tell()
    assert 1 == len(made.runs()), made.tell()
    made.check(run)


def points(folder: Path, zygote: Zygote) -> list[Point]:
    """Each write of a life in which nobody is killed."""
    with yard(folder, zygote) as made:
        begin(made)
        made.start()
        verdict(made)
        made.wait(lambda: made.is_quiet() or None)
        lines = [json.loads(line) for line in made.journal.read_text().splitlines()]
    return [(operation, number, moment) for operation, number in lines for moment in ("before", "after")]


def kill_at(folder: Path, zygote: Zygote, point: Point, victims: tuple[str, ...]) -> bool:
    """One life with a kill; whether the point was reached."""
    with yard(folder, zygote) as made:
        begin(made)
        made.start(kill=list(point), victims=victims)
        try:
            verdict(made)
        except AssertionError as error:
            error.add_note(f"killed {victims} at {point}")
            raise
        return made.killed()


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("victims", [("host",), ("supervisor",), ("supervisor", "host")], ids="+".join)
def test_killed_at_any_write_one_script_runs_once_and_its_ending_is_on_record(
    victims: tuple[str, ...], tmp_path: Path, zygote: Zygote, count: Count
) -> None:
    every = points(tmp_path / "whole", zygote)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        reached = list(
            pool.map(lambda each: kill_at(tmp_path / str(each[0]), zygote, each[1], victims), enumerate(every))
        )
    missed = Counter(point[0] for point, hit in zip(every, reached, strict=True) if not hit)
    # How often the queues are looked at is a matter of timing; every other write comes in every life.
    assert set(missed) <= {"queue.receive", "queue.complete_many", "queue.wake", "queue.send"}, missed
    count(f"real processes, {' and '.join(victims)} killed", sum(reached))
