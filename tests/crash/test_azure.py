"""The enumerated crash test on the adapters for Azure: killed at each write of a port, and at each request to a table.

The tables are in memory here; ``tests/azure`` has what is tried on Azurite and the broker.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from runyard.errors import RunyardError
from runyard.ports import Ports
from runyard.testing import Moment
from tests.crash.azure_worlds import Requests, TabledWorld
from tests.crash.conftest import Count
from tests.crash.life import Life, live
from tests.crash.plots import PLOTS, Plot
from tests.crash.test_enumerated import enumerate_kills
from tests.crash.test_enumerated_endings import TOLD, check_told
from tests.crash.worlds import MakeWorld

FAULTS = ("refused", "lost", "resent")


def _worlds(requests: Requests) -> MakeWorld:
    return lambda clock, target: TabledWorld(clock, target, requests)


class PatientLife(Life):
    """A life whose people and timers take a failure for what it is, and come again."""

    def _survives(self, act: Callable[[Ports], object]) -> bool:
        try:
            return super()._survives(act)
        except RunyardError:
            return False


def enumerate_requests(plot: Plot, *, verdict: Callable[..., object] | None = None) -> int:
    """Once whole to count the requests, then killed on each side of each."""
    whole = Requests()
    live(plot, _worlds(whole), None, known_beforehand=True, verdict=verdict)
    kills = 0
    for number in range(1, len(whole.seen) + 1):
        for moment in Moment:
            requests = Requests(at=number, moment=moment)
            live(plot, _worlds(requests), None, known_beforehand=True, verdict=verdict)
            assert 1 == requests.kills
            kills += 1
    return kills


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("plot", PLOTS, ids=[plot.name for plot in PLOTS])
def test_killed_at_any_write_in_azure(plot: Plot, count: Count) -> None:
    count("azure", enumerate_kills(plot, TabledWorld, known_beforehand=True))


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("plot", PLOTS, ids=[plot.name for plot in PLOTS])
def test_killed_at_any_request_to_a_table(plot: Plot, count: Count) -> None:
    count("azure, by request", enumerate_requests(plot))


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("plot", TOLD, ids=[plot.name for plot in TOLD])
def test_killed_at_any_request_while_an_ending_goes_out(plot: Plot, count: Count) -> None:
    count("azure, by request, told", enumerate_requests(plot, verdict=check_told))


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("plot", PLOTS, ids=[plot.name for plot in PLOTS])
def test_any_request_to_a_table_may_fail(plot: Plot, fault: str, count: Count) -> None:
    whole = Requests()
    live(plot, _worlds(whole), None, known_beforehand=True)
    for number in range(1, len(whole.seen) + 1):
        requests = Requests(at=number, fault=fault)
        live(plot, _worlds(requests), None, known_beforehand=True, form=PatientLife)
        assert len(requests.seen) >= number
    count("azure, by request, faults", len(whole.seen))
