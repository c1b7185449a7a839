"""What one run costs, and each round of the host, while 0, 1,000 or 100,000 other runs wait on the same compute.

Usage: python -m benchmarks.backlog [--rounds 200] [--json], from the root of a checkout. The stores are those of one machine; the
target does nothing, so that only Runyard's own work is timed.
"""

from __future__ import annotations

import argparse
import json
import logging
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from runyard.dispatch.wakes import SUBMISSIONS, WATCH, dispatch_queue, nudge, wake_dispatch
from runyard.reconcile import reconcile
from tests.served import Served, serving
from tests.unit.crowd import EmbeddedHouse

COUNTS = (0, 1_000, 100_000)
FAKE = dispatch_queue("fake")
WORK = ("accept", "dispatch", "watch", "finish", "page of runs", "reconcile")


class Clock:
    """Milliseconds by what was done."""

    def __init__(self) -> None:
        self.spent: defaultdict[str, list[float]] = defaultdict(list)

    def time(self, what: str, call: Callable[[], object]) -> None:
        began = time.perf_counter()
        call()
        self.spent[what].append((time.perf_counter() - began) * 1000)


def one_round(served: Served, clock: Clock) -> None:
    """One run through its whole life, past all that wait."""
    house, ports = served.house, served.house.ports
    local = ports.computes.get("local")
    assert local is not None
    house.send({"experiment": "one", "snapshot": "uploads/one.zip", "target": "local", "priority": 100})
    clock.time("accept", lambda: house.deliver(SUBMISSIONS))
    wake_dispatch(ports, local)
    clock.time("dispatch", lambda: house.deliver(FAKE))
    ports.queue.wake(WATCH, nudge("local"))
    clock.time("watch", lambda: house.deliver(WATCH))
    clock.time("page of runs", lambda: served.http.get("/api/runs").raise_for_status())
    clock.time("reconcile", lambda: reconcile(ports))
    (slot,) = ports.gates.slots("local")
    house.target.end(f"{slot.run_id}/1")
    ports.queue.wake(WATCH, nudge("local"))
    clock.time("finish", lambda: house.deliver(WATCH))
    house.clock.advance(1)


def measure(root: Path, waiting: int, rounds: int) -> dict[str, float]:
    """The medians, in milliseconds, with so many runs that wait."""
    house = EmbeddedHouse(root=root, limit=1)
    began = time.perf_counter()
    house.crowd(waiting)
    print(f"{waiting:,} runs wait (written in {time.perf_counter() - began:.1f} s)", file=sys.stderr)
    clock = Clock()
    try:
        with serving(house) as served:
            one_round(served, Clock())
            for _ in range(rounds):
                one_round(served, clock)
    finally:
        house.stores.database.close()
    return {what: statistics.median(clock.spent[what]) for what in WORK}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    logging.getLogger("runyard").setLevel(logging.ERROR)  # its clock leaps, which the reconciler would tell of
    with tempfile.TemporaryDirectory(prefix="runyard-bench-") as base:
        figures = {count: measure(Path(base) / str(count), count, args.rounds) for count in COUNTS}
    if args.json:
        print(json.dumps(figures, indent=1))
        return
    print(f"{'ms, median':<16}" + "".join(f"{count:>12,}" for count in COUNTS))
    for what in WORK:
        print(f"{what:<16}" + "".join(f"{figures[count][what]:>12.2f}" for count in COUNTS))


if __name__ == "__main__":
    main()
