"""The acceptance tests once more, over a queue that doubles, delays, reorders and drops messages."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.acceptance import test_events_to_runs, test_hostile_input, test_running_scripts
from tests.acceptance.yard import Yard, running

Test = Callable[[Yard], None]

BY_THE_CLOCK = {"test_the_first_zip_of_a_new_experiment_folder_starts_within_a_second"}


def repeated() -> list[Test]:
    """Those that need nothing but a running host, and measure no time."""
    return [
        test
        for module in (test_events_to_runs, test_running_scripts, test_hostile_input)
        for name, test in vars(module).items()
        if name.startswith("test_")
        and name not in BY_THE_CLOCK
        and list(inspect.signature(test).parameters) == ["yard"]
    ]


@pytest.fixture
def shaky_yard(root: Path, request: pytest.FixtureRequest) -> Iterator[Yard]:
    with running(root, shaky=len(request.node.name)) as made:
        yield made


@pytest.mark.slow
@pytest.mark.parametrize("test", repeated(), ids=lambda test: test.__name__.removeprefix("test_"))
def test_over_a_shaky_queue(test: Test, shaky_yard: Yard) -> None:
    test(shaky_yard)


def test_there_are_tests_to_repeat() -> None:
    assert len(repeated()) >= 15
