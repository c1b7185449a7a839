"""Look for scenarios that go wrong: ``python -m tests.model --seeds 0:2000``; each kind is told with its shortest story."""

from __future__ import annotations

import argparse
import logging
import sys
from collections import Counter

from tests.model.scenarios import Scenario, scenario, shortest, wrong_with
from tests.model.test_frozen import FREEZES, TALES, enumerate_freezes


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", default="0:1000", help="first:last, the last not among them")
    parser.add_argument("--trouble", type=float, default=0.2, help="how much goes wrong on the compute, from 0 to 1")
    parser.add_argument("--frozen", action="store_true", help="enumerate whoever may stand still, instead of seeds")
    asked = parser.parse_args()
    logging.disable(logging.CRITICAL)
    if asked.frozen:
        return _enumerate()
    first, last = map(int, asked.seeds.split(":"))
    found: dict[str, Scenario] = {}
    count: Counter[str] = Counter()
    for seed in range(first, last):
        played = scenario(seed, trouble=asked.trouble)
        kind, _ = wrong_with(played)
        if kind:
            count[kind] += 1
            found.setdefault(kind, played)
    for kind, times in count.most_common():
        short = shortest(found[kind])
        print(f"===== {times} times {kind}", short, wrong_with(short)[1], sep="\n")
    print(f"{sum(count.values())} of {last - first} scenarios went wrong, in {len(count)} ways")
    return 1 if count else 0


def _enumerate() -> int:
    lives = 0
    for tale in TALES:
        for known in (True, False):
            lives += (one := enumerate_freezes(tale, FREEZES, known=known))
            print(f"{one:6} {tale.name}", flush=True)
    print(f"{lives} lives in which somebody stood still, and all ended well")
    return 0


if __name__ == "__main__":
    sys.exit(main())
