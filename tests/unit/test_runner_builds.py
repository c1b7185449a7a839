"""Who waits for which builder: with builders that a test scripts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from runyard.runner import builds
from runyard.runner.builds import Builds, Waiter
from runyard.runner.environments import Wish, read_wish
from runyard.runner.loop import Loop
from runyard.runner.problems import Problem

READY = "{'key': 'k', 'prefix': '/p', 'interpreter': '/p/bin/python', 'variables': {}, 'notes': [], 'tool': 'uv', 'cache': '/c'}"
BUILDS = (
    f"import json, sys; sys.stdin.read(); print(json.dumps({{'line': 'one'}})); print(json.dumps({{'ready': {READY}}}))"
)
SAYS_WHAT_IT_WAS_TOLD = (
    "import json, sys; print(json.dumps({'problem': json.load(sys.stdin)['source'], 'class': 'user', 'tail': ['t']}))"
)


class Recorder(Waiter):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.outcome: Any = None
        self.tail: list[str] = []

    def heard(self, lines: list[str]) -> None:
        self.lines += lines

    def built(self, record: dict[str, Any]) -> None:
        self.outcome = record

    def failed(self, problem: Problem, tail: list[str]) -> None:
        self.outcome, self.tail = problem, tail


class Bench:
    """Builds at a loop."""

    def __init__(self, script: str) -> None:
        self.loop = Loop(self._complain)
        self.builds = Builds(self.loop, dict)
        self.scripts = [script]
        self.started = 0
        self.builds.command = self._command

    @staticmethod
    def _complain(text: str) -> None:
        raise AssertionError(text)

    def _command(self, python: str, pyz: str) -> list[str]:
        del pyz
        self.started += 1
        return [python, "-I", "-c", self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]]

    def settle(self, waiters: Sequence[Recorder]) -> None:
        while any(each.outcome is None for each in waiters):
            self.loop.step()


def wish(name: str) -> Wish:
    return read_wish({"cache": "/c", "source": name, "conda": {"dependencies": [name]}})


def test_all_who_want_the_same_get_what_one_builder_made() -> None:
    bench = Bench(BUILDS)
    waiters = [Recorder() for _ in range(5)]
    for each in waiters:
        bench.builds.join(wish("a"), each)
    bench.settle(waiters)
    assert bench.started == 1
    assert [(each.outcome["key"], each.lines) for each in waiters] == [("k", ["one"])] * 5
    assert bench.builds.pids() == set()


def test_one_whose_credentials_are_refused_harms_none_who_wants_the_same() -> None:
    refuses = (
        "import json, sys; text = str(json.load(sys.stdin)['conda']); "
        "print(json.dumps({'problem': 'refused', 'class': 'config'} if 'old' in text else {'ready': {'key': 'k'}}))"
    )
    bench, waiters = Bench(refuses), [Recorder() for _ in range(3)]
    for password, each in zip(("old", "new", "old"), waiters, strict=True):
        conda = {"dependencies": [{"pip": [f"--index-url https://u:{password}@h.example/s", "six"]}]}
        bench.builds.join(read_wish({"cache": "/c", "conda": conda}), each)
    bench.settle(waiters)
    assert bench.started == 2
    assert [str(waiters[0].outcome.message), waiters[1].outcome] == ["refused", {"key": "k"}]
    assert waiters[2].outcome.error_class == "config"
    assert bench.builds.pids() == set()


def test_a_large_wish_reaches_the_builder_whole() -> None:
    bench, waiter = Bench(SAYS_WHAT_IT_WAS_TOLD), Recorder()
    source = "x" * 300_000
    bench.builds.join(read_wish({"cache": "/c", "source": source}), waiter)
    bench.settle([waiter])
    assert (waiter.outcome.message, waiter.outcome.error_class, waiter.tail) == (source, "user", ["t"])


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("import os; os.kill(os.getpid(), 9)", "the builder was ended by signal 9; it is started again"),
        ("raise SystemExit(4)", "the builder ended without a word (exit code 4); it is started again"),
    ],
)
def test_a_builder_that_ends_without_a_word_is_started_again_twice(script: str, said: str) -> None:
    bench, waiter = Bench(script), Recorder()
    bench.builds.join(wish("a"), waiter)
    bench.settle([waiter])
    assert (bench.started, waiter.lines) == (3, [said, said])
    assert waiter.outcome.error_class == "transient"


def test_what_is_no_message_of_a_builder_is_passed_over() -> None:
    bench, waiter = Bench("print('noise'); print('[1]'); " + BUILDS), Recorder()
    bench.builds.join(wish("a"), waiter)
    bench.settle([waiter])
    assert (waiter.outcome["key"], waiter.lines) == ("k", ["one"])


def test_a_builder_that_cannot_be_started_is_said(tmp_path: Path) -> None:
    bench, waiter = Bench(""), Recorder()
    bench.builds.command = lambda *_: [str(tmp_path / "nothing")]
    bench.builds.join(wish("a"), waiter)
    bench.settle([waiter])
    assert waiter.outcome.message.startswith("the environment's builder could not be started: ")


def test_those_who_wait_are_served_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builds, "MOST", 1)
    bench = Bench(SAYS_WHAT_IT_WAS_TOLD)
    ended: list[str] = []
    waiters = [Recorder() for _ in range(4)]
    for number, each in enumerate(waiters):
        bench.builds.join(wish(str(number)), each)
    while len(ended) < len(waiters):
        assert len(bench.builds.pids()) <= 1
        bench.loop.step()
        ended += [each.outcome.message for each in waiters if each.outcome and each.outcome.message not in ended]
    assert ended == ["0", "1", "2", "3"]


def test_one_who_left_is_told_nothing_and_another_joins_anew() -> None:
    bench = Bench("import time; time.sleep(60)")
    gone, here = Recorder(), Recorder()
    first = wish("a")
    bench.builds.join(first, gone)
    while not bench.builds.pids():
        bench.loop.step()
    bench.builds.leave(first, gone)
    bench.scripts = [BUILDS]
    bench.builds.join(wish("a"), here)
    bench.settle([here])
    assert (gone.outcome, here.outcome["key"], bench.started) == (None, "k", 2)


def test_one_who_joins_late_is_told_what_was_said() -> None:
    bench = Bench("import json, time; print(json.dumps({'line': 'early'}), flush=True); time.sleep(60)")
    first, late = Recorder(), Recorder()
    bench.builds.join(wish("a"), first)
    while not first.lines:
        bench.loop.step()
    bench.builds.join(wish("a"), late)
    assert late.lines == ["early"]
    for each in (first, late):
        bench.builds.leave(wish("a"), each)
    while bench.builds.pids():
        bench.loop.step()
