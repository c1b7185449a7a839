"""Compare-and-swaps on gates: reading a gate in one piece, remembering it, changing it, and telling whether a change was ours.

**What is remembered.** Every change of a gate's slots writes the row ``gate`` in the same transaction, so a write under a remembered
ETag that succeeds proves that what was remembered was exact. One that is refused costs a read and is done again. "There is nothing
to do" is never concluded from memory, unless the plan says that this is sure.

**Lost replies.** The SDK sends a write again when its answer was lost, and the second one meets the first. Each change has an op id,
which the gate keeps for a while by its number (:meth:`GateRow.wrote`): so the change that was refused, or whose answer never came, is
looked up, and if it is there it succeeded.
"""

from __future__ import annotations

import random
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Final, Generic, TypeVar

from runyard.errors import ConflictError, NotFoundError, ThrottledError, TransientError
from runyard.stores.azure.gate_rows import (
    DUE,
    DUE_END,
    GATE,
    OP,
    SLOT,
    SLOTS_END,
    GateRow,
    Held,
    View,
    entry_of,
    gate_of,
    gate_row,
    held_of,
    partition,
)
from runyard.stores.azure.table import MOST_OPERATIONS, Found, Op, Table

R = TypeVar("R")

TRIES: Final = 30
"""Swaps of one call before it says that too many change the gate at once: about 8 s of waiting."""
FIRST_WAIT: Final = 0.02
LONGEST_WAIT: Final = 0.5
"""Seconds between tries: doubled, and a random part of it."""
FRESH: Final = 2.0
"""Seconds for which a view is swapped against without reading first."""
STEADY: Final = 60.0
"""The same for a gate that nobody else changed when it was looked at last."""
TURN: Final = 5.0
"""Seconds that a thread waits for another of this process at the same gate. It goes on then: only the swap decides."""
HEADS: Final = (MOST_OPERATIONS - 1) // 2
"""How many runs one transaction gives slots to: each is two operations, and the gate one."""


class NoGateError(NotFoundError):
    """There is no such gate."""


def no_gate(compute: str) -> NoGateError:
    """The error, in one sentence."""
    return NoGateError(f"there is no gate for a compute named {compute!r}; configure the compute first")


@dataclass(frozen=True, kw_only=True)
class Change(Generic[R]):
    """What a plan wants to write."""

    gate: GateRow
    """As it becomes."""
    result: R
    """What the caller is told then."""
    rows: Sequence[Op] = ()
    """The other rows of the transaction."""
    slots: Mapping[str, Held] | None = None
    """As they become; ``None`` = as they are."""
    seen: Callable[[View, str], bool] = lambda view, op: False  # noqa: ARG005
    """Whether it was written, told by other traces: asked if the gate does not remember that far back."""


@dataclass(frozen=True, kw_only=True)
class Nothing(Generic[R]):
    """A plan that finds nothing to write."""

    result: R
    sure: bool = False
    """Whether that is right even if the view is not of this moment."""


Step = Change[R] | Nothing[R]
Plan = Callable[[View, str], Step[R]]
"""What to write, by what the gate is and the op id that the write will have."""


@dataclass(slots=True)
class _Seen:
    """What this process knows of one gate."""

    lock: threading.RLock = field(default_factory=threading.RLock)
    view: View | None = None
    steady: bool = False


class Swaps:
    """Reads, remembers and changes gates."""

    def __init__(
        self,
        table: Table,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.table = table
        self.monotonic = monotonic
        self._sleep = sleep
        self._gates: dict[str, _Seen] = {}
        self._making = threading.Lock()

    def read(self, compute: str, *, heads: int = 0) -> View:
        """The gate, its slots and up to ``heads`` of those that may go; one request, unless there are more than 1,000 rows.

        Raises:
            NoGateError: if there is none.
        """
        for attempt in range(TRIES):
            began = self.monotonic()
            view = self._read_once(compute, heads)
            # Pages of one answer may be of different moments; the count tells.
            if len(view.slots) == view.gate.taken:
                view = replace(view, at=began)
                self._remember(compute, view, read=True)
                return view
            self.pause(attempt)
        raise busy(compute)

    def _read_once(self, compute: str, heads: int) -> View:
        known = self._seen(compute).view
        size = 1 + HEADS if known is None else _rows(known.gate, heads)
        low, high = GATE, (DUE_END if heads else SLOTS_END)
        view: View | None = None
        while True:
            page = list(self.table.query(partition(compute), low=low, high=high, most=size))
            view = _with(view, page)
            if view is None:
                raise no_gate(compute)
            wanted = min(heads, view.free())
            if len(page) < size or (len(view.slots) >= view.gate.taken and len(view.heads) >= wanted):
                return replace(view, heads=view.heads[:wanted])
            low = page[-1].key + "!"  # before every key that is longer, and after this one

    def gate(self, compute: str) -> GateRow | None:
        """The gate's row alone."""
        found = self.table.get(partition(compute), GATE)
        if found is None:
            return None
        gate, seen = gate_of(found.row), self._seen(compute)
        view = seen.view
        if view is not None and view.gate.seq < gate.seq:
            seen.view, seen.steady = None, False
        return gate

    def known(self, compute: str, age: float) -> View | None:
        """What is remembered, if it is not older than ``age`` seconds."""
        view = self._seen(compute).view
        return view if view is not None and self.monotonic() - view.at <= age else None

    def swap(self, compute: str, plan: Plan[R], *, heads: int = 0) -> R:
        """Read, plan and write until it is written or there is nothing to write.

        With ``heads`` the gate is always read first, with those that may go.

        Raises:
            NoGateError: if there is no such gate.
            ThrottledError: if others were first each time.
        """
        op = secrets.token_hex(OP // 2)
        with self.turn(compute):
            view, fresh = (None if heads else self._trusted(compute)), False
            for attempt in range(TRIES):
                if view is None:
                    view, fresh = self.read(compute, heads=heads), True
                step = plan(view, op)
                if isinstance(step, Nothing):
                    if step.sure or fresh:
                        return step.result
                    view = None
                    continue
                try:
                    self._commit(compute, view, step, op)
                except (ConflictError, TransientError, ThrottledError) as error:
                    after = self._look_again(compute, error, attempt if fresh else None, heads)
                    if _landed(view, after, step, op):
                        return step.result
                    if not isinstance(error, ConflictError):
                        raise
                    view, fresh = after, True
                else:
                    return step.result
        raise busy(compute)

    def _look_again(self, compute: str, error: Exception, attempt: int | None, heads: int) -> View:
        """After a write that was refused or not answered; at once, if what was remembered was only old."""
        self._seen(compute).steady = False
        if attempt is not None and isinstance(error, ConflictError):
            self.pause(attempt)
        return self.read(compute, heads=heads)

    def amend(self, compute: str, slots: Mapping[str, Held]) -> None:
        """Remember slots that were changed without the gate's row."""
        seen = self._seen(compute)
        if (view := seen.view) is not None:
            there = {run_id: held for run_id, held in slots.items() if run_id in view.slots}
            seen.view = replace(view, slots={**view.slots, **there})

    def pause(self, attempt: int) -> None:
        """Let others go first."""
        self._sleep(min(FIRST_WAIT * 2**attempt, LONGEST_WAIT) * random.random())  # noqa: S311 - no secret

    @contextmanager
    def turn(self, compute: str) -> Iterator[None]:
        """Threads of one process go one by one, as they would only refuse each other's swaps."""
        lock = self._seen(compute).lock
        got = lock.acquire(timeout=TURN)
        try:
            yield
        finally:
            if got:
                lock.release()

    def _commit(self, compute: str, view: View, step: Change[R], op: str) -> None:
        began = self.monotonic()
        gate = step.gate.next(op)
        row = gate_row(gate)
        if step.rows:
            etags = self.table.transact([Op(kind="update", row=row, etag=view.etag), *step.rows])
        else:
            etags = [self.table.replace(row, view.etag)]
        slots = dict(view.slots if step.slots is None else step.slots)
        for made, etag in zip(step.rows, etags[1:], strict=True):
            if made.kind == "create" and str(made.row["RowKey"]).startswith(SLOT):
                slots[made.row["run"]] = replace(slots[made.row["run"]], etag=etag)
        self._remember(compute, View(gate=gate, etag=etags[0], slots=slots, at=began), read=False)

    def _trusted(self, compute: str) -> View | None:
        return self.known(compute, STEADY if self._seen(compute).steady else FRESH)

    def _remember(self, compute: str, view: View, *, read: bool) -> None:
        seen = self._seen(compute)
        before = seen.view
        if before is not None and before.gate.seq > view.gate.seq:
            return  # another thread knows of a newer one
        if read:
            seen.steady = before is not None and before.gate.seq == view.gate.seq
        seen.view = replace(view, heads=())

    def _seen(self, compute: str) -> _Seen:
        with self._making:
            return self._gates.setdefault(compute, _Seen())


def _rows(gate: GateRow, heads: int) -> int:
    """How many rows the next answer should have: the gate's, the slots' and those of the heads that there can be slots for."""
    most = max(gate.limit, gate.taken)
    return 1 + (most if not heads else min(most, gate.taken + heads + 8))


def _with(view: View | None, page: Sequence[Found]) -> View | None:
    """What was read so far and one page more."""
    rows = list(page)
    if view is None:
        if not rows or rows[0].key != GATE:
            return None
        first = rows.pop(0)
        view = View(gate=gate_of(first.row), etag=first.etag)
    held = [held_of(row) for row in rows if row.key.startswith(SLOT)]
    heads = [entry_of(row.row) for row in rows if row.key.startswith(DUE)]
    slots = {**view.slots, **{each.slot.run_id: each for each in held}}
    return replace(view, slots=slots, heads=(*view.heads, *heads))


def _landed(before: View, after: View, step: Change[R], op: str) -> bool:
    wrote = after.gate.wrote(op, before.gate.seq)
    return step.seen(after, op) if wrote is None else wrote


def busy(compute: str) -> ThrottledError:
    """Others were first each time."""
    return ThrottledError(f"the gate of {compute!r} is being changed by too many at once; it is tried again", 1.0)
