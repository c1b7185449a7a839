"""The supervisor and its keeper, killed before and after every call by which they change something."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import pytest

from tests.crash.conftest import Count
from tests.crash.test_real_kills import AT_ONCE, MANAGED, PLAIN, SECRET, begin, verdict
from tests.crash.yard import Zygote, yard

Point = tuple[str, str, int, str]
BY_TIMING: Final = frozenset({"write", "waitpid", "mkdir", "rmdir", "unlink"})
"""How often these come differs from life to life: news to a host, looks at what ended, a folder that is there already."""


BEGUN: Final = ("supervisor", "posix_spawn", 1, "after")
"""Where a supervisor is killed so that its keeper inherits the script."""

ALONE: Final = ("keeper", "waitpid", 1)
"""There its supervisor is dead and the next one is not there yet: killed here, nobody is left to witness the script's end."""


def points(folder: Path, zygote: Zygote, role: str, *kills: Point, what: str = PLAIN) -> list[Point]:
    """What one of them does in a life in which nobody is killed but there."""
    with yard(folder, zygote) as made:
        begin(made, what)
        made.count_calls(*kills)
        made.start()
        verdict(made)
        calls = [(who, name, number) for who, name, number in made.calls() if who == role]
    return [(*call, moment) for call in dict.fromkeys(calls) for moment in ("before", "after")]


def kill_at(folder: Path, zygote: Zygote, *kills: Point, what: str = PLAIN) -> bool:
    """One life with these kills; whether each point was reached."""
    with yard(folder, zygote) as made:
        begin(made, what)
        made.count_calls(*kills)
        made.start()
        try:
            verdict(made, witnessed=ALONE not in {kill[:3] for kill in kills})
        except AssertionError as error:
            error.add_note(f"killed at {kills}")
            raise
        return made.runner_killed()


def kill_everywhere(folder: Path, zygote: Zygote, every: list[Point], *before: Point, what: str = PLAIN) -> int:
    """A life for each point; returns how many were reached."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        reached = list(
            pool.map(lambda each: kill_at(folder / str(each[0]), zygote, *before, each[1], what=what), enumerate(every))
        )
    missed = Counter(point[1] for point, hit in zip(every, reached, strict=True) if not hit)
    assert set(missed) <= BY_TIMING, missed
    return sum(reached)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_supervisor_killed_at_any_call_has_its_script_run_once_and_its_ending_on_record(
    tmp_path: Path, zygote: Zygote, count: Count
) -> None:
    every = points(tmp_path / "whole", zygote, "supervisor")
    assert {"posix_spawn", "link", "rename", "fsync"} <= {point[1] for point in every}
    count("the supervisor's own calls", kill_everywhere(tmp_path, zygote, every))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_supervisor_killed_at_any_call_loses_no_run_that_has_secrets(
    tmp_path: Path, zygote: Zygote, count: Count
) -> None:
    """Its successor has none of them: what had not started is begun anew by another attempt, and what had is not."""
    every = points(tmp_path / "whole", zygote, "supervisor", what=SECRET)
    assert {"posix_spawn", "link", "rename", "fsync"} <= {point[1] for point in every}
    count("the supervisor's own calls, with secrets", kill_everywhere(tmp_path, zygote, every, what=SECRET))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_supervisor_killed_at_any_call_loses_no_run_whose_environment_is_prepared(
    tmp_path: Path, zygote: Zygote, count: Count
) -> None:
    every = points(tmp_path / "whole", zygote, "supervisor", what=MANAGED)
    assert {"Popen", "posix_spawn"} <= {point[1] for point in every}
    count("the supervisor's own calls, with a build", kill_everywhere(tmp_path, zygote, every, what=MANAGED))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_keeper_killed_at_any_call_after_its_supervisor_was_loses_no_ending(
    tmp_path: Path, zygote: Zygote, count: Count
) -> None:
    every = points(tmp_path / "whole", zygote, "keeper", BEGUN)
    assert {"rename", "fsync"} <= {point[1] for point in every}
    count("the keeper's own calls", kill_everywhere(tmp_path, zygote, every, BEGUN))
