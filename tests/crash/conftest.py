"""Counts the kills, and prints how many there were."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.crash.yard import Zygote

Count = Callable[[str, int], None]

_KILLS: Counter[str] = Counter()


@pytest.fixture
def zygote() -> Iterator[Zygote]:
    """Starts real hosts quickly."""
    made = Zygote()
    yield made
    made.close()


@pytest.fixture
def count() -> Count:
    """Add to the kills of an adapter."""

    def add(adapter: str, kills: int) -> None:
        _KILLS[adapter] += kills

    return add


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Where several processes test, each hands over its counts."""
    output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["kills"] = dict(_KILLS)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Add up what the processes counted."""
    _KILLS.update(getattr(node, "workeroutput", {}).get("kills", {}))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the counts."""
    for adapter, kills in sorted(_KILLS.items()):
        what = "faults" if adapter.endswith("faults") else "kills"
        terminalreporter.write_line(f"crash points enumerated, {adapter.removesuffix(', faults')}: {kills} {what}")
