"""A sorted list of keys: in memory what an index is to a database."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator

Key = tuple[float, str]


class Order:
    """Distinct keys in ascending order. Adding and removing cost a search and one move of memory, not a sort."""

    __slots__ = ("_keys",)

    def __init__(self) -> None:
        self._keys: list[Key] = []

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, key: Key) -> None:
        """Put a key in its place."""
        insort(self._keys, key)

    def remove(self, key: Key) -> None:
        """Take a key out, if it is there."""
        place = bisect_left(self._keys, key)
        if place < len(self._keys) and self._keys[place] == key:
            del self._keys[place]

    def before(self, key: Key) -> int:
        """How many keys are smaller."""
        return bisect_left(self._keys, key)

    def first(self, most: int) -> list[Key]:
        """The smallest keys, at most ``most``."""
        return self._keys[:most]

    def __iter__(self) -> Iterator[Key]:
        return iter(self._keys)

    def down(self, below: Key | None) -> Iterator[Key]:
        """The keys smaller than ``below`` (all, without one), from the largest on."""
        end = len(self._keys) if below is None else bisect_left(self._keys, below)
        return (self._keys[place] for place in range(end - 1, -1, -1))
