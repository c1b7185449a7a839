"""Small values that the suites share."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

from runyard.runs.identity import identity
from runyard.runs.model import Handle, JobSpec, MetricSummary, Origin, Run, RunError, SnapshotRef
from runyard.runs.moves import Move, Transition, birth, transition
from runyard.runs.states import State

T = TypeVar("T")

START = 1_700_000_000.0


def a_run(name: str = "one", **changes: Any) -> Run:
    values: dict[str, Any] = {
        "id": f"exp_1700000000_{name}",
        "experiment": "exp",
        "identity": identity(name),
        "origin": Origin(source="blob", name="exp/x.zip", event_id="7"),
        "reason": "a blob was created",
        "since": START,
        "created": START,
    }
    return Run(**(values | changes))


def a_birth(name: str = "one", **changes: Any) -> Transition:
    return birth(a_run(name, **changes), [], who="accept")


def moved(run: Run, *states: State, **changes: Any) -> Transition:
    moves = [Move(state=state, reason=f"now {state}", at=START + 1) for state in states]
    return transition(run, moves or [Move(state=None, reason="a note", at=START + 1)], who="test", **changes)


def everything(name: str = "full") -> Run:
    """A run with each field filled."""
    return a_run(
        name,
        target="gpu",
        compute="local",
        kind="local",
        snapshot=SnapshotRef(container="snapshots", name="exp/ü.zip", etag="a-b-c", size=7, sha256="00"),
        spec=JobSpec(script="train.py", arguments=("--x", "ß"), environment_variables={"A": "1"}, max_duration=3.5),
        request={"tags": {"a": [1, None, "\x00"]}},
        priority=-3,
        attempt=2,
        claimed_until=5.0,
        handle=Handle(kind="local", compute="local", id="a/b"),
        cancel_requested=True,
        error=RunError(error_class="user", message="exit code 3"),
        exit_code=3,
        log_bytes=10,
        log_complete=False,
        metrics={"loss": MetricSummary(last=1.0, min=0.5, max=2.0, count=3)},
        display_name="Ünï",
        tags={"k": "v"},
        properties={"p": "q"},
    )


def at_once(count: int, work: Callable[[int], T]) -> list[T]:
    """What ``work(0)`` … ``work(count - 1)`` return when threads do them together; the first error is raised."""
    results: list[Any] = [None] * count
    errors: list[BaseException] = []
    barrier = threading.Barrier(count)

    def one(number: int) -> None:
        barrier.wait()
        try:
            results[number] = work(number)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return results
