"""Requests that do not depend on one another, sent at the same time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Final, TypeVar

MOST: Final = 8
"""Requests at a time; the SDKs' transport keeps ten connections."""

T = TypeVar("T")
S = TypeVar("S")


class Parallel:
    """A few threads, started when they are needed and gone with this object. What they do must not use them again."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(MOST, thread_name_prefix="tables")

    def map(self, work: Callable[[S], T], items: Iterable[S]) -> list[T]:
        """What ``work`` gives for each, in order. All are done before the first error is raised."""
        given = list(items)
        begun = [self._threads.submit(work, each) for each in given[:-1]]
        try:
            mine = [work(each) for each in given[-1:]]
        finally:
            wait(begun)
        return [*(each.result() for each in begun), *mine]

    def all(self, *work: Callable[[], object]) -> None:
        """Do all of these."""
        self.map(lambda each: each(), work)
