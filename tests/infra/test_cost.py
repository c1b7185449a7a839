"""The cost formula: by hand, in its steps, and as the page shows it."""

from __future__ import annotations

import re
from dataclasses import fields, replace

import pytest

from benchmarks.cost import MILLION, MONTH, NOTHING_FREE, SOURCES, TICKS, Counts, Prices, bus_cost, monthly, table
from runyard.host.app import load_app
from tests.infra.deployments import HOUSE

NONE = replace(Counts(), **{item.name: 0 for item in fields(Counts)})


def test_a_month_without_runs_costs_the_timers_and_the_base() -> None:
    cost = monthly(0, Counts(), Prices(), memory=2.0)
    ticks = MONTH / 30 + MONTH / 300 + MONTH / 15
    assert ticks == 267_840
    assert cost["functions, executions"] == pytest.approx((ticks - 250_000) * 0.40 / MILLION)
    assert cost["functions, GB-s"] == pytest.approx((2 * ticks - 100_000) * 0.000026)
    assert cost["service bus, base"] == 10.0
    rest = {name: value for name, value in cost.items() if "functions" not in name and "base" not in name}
    assert set(rest.values()) == {0.0}


@pytest.mark.parametrize(
    ("count", "service", "dollars"),
    [
        ({"table_operations": 10}, "tables", 0.36),
        ({"stored_kilobytes": 1}, "tables", 0.045),
        ({"blob_writes": 1}, "blobs", 5.0),
        ({"blob_reads": 1}, "blobs", 0.4),
        ({"events": 1}, "event grid", 1.2),
        ({"secret_operations": 1}, "key vault", 3.0),
        ({"log_kilobytes": 1}, "logs", 2.3),
        ({"messages": 1, "bus_operations_per_message": 3}, "service bus, operations", 2.4),
    ],
)
def test_each_count_of_a_million_runs_costs_its_price(count: dict[str, float], service: str, dollars: float) -> None:
    idle = monthly(0, NONE, Prices(), free=NOTHING_FREE)
    busy = monthly(MILLION, replace(NONE, **count), Prices(), free=NOTHING_FREE)
    assert busy[service] == pytest.approx(dollars)
    assert {name for name in busy if busy[name] != idle[name]} == {service}


def test_an_execution_is_billed_a_second_at_least() -> None:
    short, second, longer = (
        monthly(MILLION, replace(NONE, executions=1, seconds=seconds), Prices(), memory=2.0)["functions, GB-s"]
        for seconds in (0.1, 1.0, 3.0)
    )
    assert short == second
    assert longer - second == pytest.approx(2 * 2 * MILLION * 0.000026)


def test_service_bus_is_charged_by_steps() -> None:
    assert bus_cost(13 * MILLION, Prices(), 13 * MILLION) == 0
    assert bus_cost(100 * MILLION, Prices(), 13 * MILLION) == pytest.approx(87 * 0.80)
    assert bus_cost(101 * MILLION, Prices(), 13 * MILLION) == pytest.approx(87 * 0.80 + 0.50)
    with pytest.raises(ValueError, match="Premium"):
        bus_cost(2501 * MILLION, Prices(), 0)


def test_the_timers_are_those_of_the_app() -> None:
    app = load_app(HOUSE / "function_app.py", {})
    seconds = {}
    for served in app.functions:
        if served.trigger == "timerTrigger":
            every, minutes = re.fullmatch(r"(\S+) (\S+) \* \* \* \*", served.settings["schedule"]).groups()  # type: ignore[union-attr]
            seconds[served.name] = int(every[2:]) if every.startswith("*/") else 60 * int(minutes[2:])
    assert seconds == TICKS


def test_the_page_shows_what_the_formula_gives() -> None:
    page = (HOUSE / "docs" / "cost.md").read_text()
    assert table(Counts(), Prices(), 2.0) in page
    assert all(source in page for source in SOURCES.values())
