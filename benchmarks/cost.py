"""What runs cost in Azure: counts of operations times prices. ``python -m benchmarks.cost`` prints the table of docs/cost.md.

Counts and prices are parameters. The prices are list prices as they were read on :data:`READ`, for the reader to check; what a
run's own script costs is not in here: that is its compute's.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Final

READ: Final = "2026-11-24"
"""When the prices were put down: US dollars, East US, pay as you go, locally redundant storage."""
SOURCES: Final[Mapping[str, str]] = {
    "functions": "https://azure.microsoft.com/pricing/details/functions/",
    "service_bus": "https://azure.microsoft.com/pricing/details/service-bus/",
    "tables": "https://azure.microsoft.com/pricing/details/storage/tables/",
    "blobs": "https://azure.microsoft.com/pricing/details/storage/blobs/",
    "event_grid": "https://azure.microsoft.com/pricing/details/event-grid/",
    "key_vault": "https://azure.microsoft.com/pricing/details/key-vault/",
    "monitor": "https://azure.microsoft.com/pricing/details/monitor/",
}
MILLION: Final = 1_000_000
TICKS: Final = {"reconcile": 30, "sweep": 300, "schedules": 15}
"""Seconds between two calls of each timer (functions/timers.py)."""
MONTH: Final = 30 * 86400


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What one run does. The defaults are the design's aims for a lone run; ``benchmarks/azure_adapters.py`` measures them."""

    table_operations: float = 16
    """A transaction of up to 100 rows counts as one."""
    messages: float = 5
    bus_operations_per_message: float = 3
    """Sent, received, completed. A scheduled one is sent once."""
    blob_writes: float = 3
    """Writes, appends and lists."""
    blob_reads: float = 8
    executions: float = 6
    seconds: float = 1.0
    """Billed for an execution: on Flex Consumption at least one second."""
    events: float = 1
    """Of Event Grid: a dropped snapshot is published and delivered."""
    secret_operations: float = 0
    log_kilobytes: float = 12
    stored_kilobytes: float = 20
    """Rows; logs and outputs are the script's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """US dollars; each name ends with what it is for."""

    execution_million: float = 0.40
    gigabyte_second: float = 0.000026
    bus_base_month: float = 10.0
    """Standard; once for a subscription. The first 13 million operations are in it."""
    bus_million: float = 0.80
    """Up to 100 million operations a month."""
    bus_million_above_100: float = 0.50
    """Up to 2,500 million."""
    table_ten_thousand: float = 0.00036
    table_gigabyte_month: float = 0.045
    blob_write_ten_thousand: float = 0.05
    blob_read_ten_thousand: float = 0.004
    event_million: float = 0.60
    secret_ten_thousand: float = 0.03
    log_gigabyte: float = 2.30


@dataclass(frozen=True, slots=True, kw_only=True)
class Free:
    """What a month has without charge, for a subscription."""

    executions: float = 250_000
    gigabyte_seconds: float = 100_000
    bus_operations: float = 13_000_000
    events: float = 100_000
    log_gigabytes: float = 5


NOTHING_FREE: Final = Free(executions=0, gigabyte_seconds=0, bus_operations=0, events=0, log_gigabytes=0)


def bus_cost(operations: float, prices: Prices, included: float) -> float:
    """Service Bus' operations of a month, by its steps; the base charge is apart.

    Raises:
        ValueError: above 2,500 million: ask for the price of Premium.
    """
    if operations > 2500 * MILLION:
        raise ValueError(
            "Standard has a price for up to 2,500 million operations a month; Premium is charged by the hour"
        )
    first = max(0.0, min(operations, 100 * MILLION) - included)
    second = max(0.0, operations - 100 * MILLION)
    return (first * prices.bus_million + second * prices.bus_million_above_100) / MILLION


def monthly(
    runs: float, counts: Counts, prices: Prices, *, memory: float = 2.0, free: Free | None = None
) -> dict[str, float]:
    """Dollars of a month with ``runs`` runs, by service; ``memory`` is an instance's gigabytes.

    The timers run whether or not there are runs; each of their calls is billed a second.
    """
    free = free or Free()
    ticks = sum(MONTH / every for every in TICKS.values())
    executions = runs * counts.executions + ticks
    used = memory * (runs * counts.executions * max(1.0, counts.seconds) + ticks)
    operations = runs * counts.messages * counts.bus_operations_per_message
    logs = runs * counts.log_kilobytes / MILLION
    return {
        "functions, executions": max(0.0, executions - free.executions) * prices.execution_million / MILLION,
        "functions, GB-s": max(0.0, used - free.gigabyte_seconds) * prices.gigabyte_second,
        "service bus, base": prices.bus_base_month,
        "service bus, operations": bus_cost(operations, prices, free.bus_operations),
        "tables": runs * counts.table_operations * prices.table_ten_thousand / 10_000
        + runs * counts.stored_kilobytes / MILLION * prices.table_gigabyte_month,
        "blobs": runs
        * (counts.blob_writes * prices.blob_write_ten_thousand + counts.blob_reads * prices.blob_read_ten_thousand)
        / 10_000,
        "event grid": max(0.0, runs * counts.events * 2 - free.events) * prices.event_million / MILLION,
        "key vault": runs * counts.secret_operations * prices.secret_ten_thousand / 10_000,
        "logs": max(0.0, logs - free.log_gigabytes) * prices.log_gigabyte,
    }


def table(counts: Counts, prices: Prices, memory: float) -> str:
    """The table of docs/cost.md."""
    columns = {
        name: monthly(runs, counts, prices, memory=memory) for name, runs in (("idle", 0), ("1,000,000 runs", MILLION))
    }
    rows = [
        f"| {name} | {columns['idle'][name]:.2f} | {columns['1,000,000 runs'][name]:.2f} |" for name in columns["idle"]
    ]
    totals = [sum(column.values()) for column in columns.values()]
    head = ["| US dollars a month | idle | 1,000,000 runs |", "| --- | ---: | ---: |"]
    return "\n".join([*head, *rows, f"| **all** | **{totals[0]:.2f}** | **{totals[1]:.2f}** |"])


def main() -> None:
    """Print the table; every count and price can be given."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--memory", type=float, default=2.0, help="gigabytes of an instance")
    for kind in (Counts, Prices):
        for item in fields(kind):
            parser.add_argument(f"--{item.name.replace('_', '-')}", type=float)
    given = {name: value for name, value in vars(parser.parse_args()).items() if value is not None}
    memory = given.pop("memory")
    own = {item.name for item in fields(Counts)}
    counts = replace(Counts(), **{name: value for name, value in given.items() if name in own})
    prices = replace(Prices(), **{name: value for name, value in given.items() if name not in own})
    print(table(counts, prices, memory))


if __name__ == "__main__":
    main()
