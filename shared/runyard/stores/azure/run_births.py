"""How a run comes to be written, once for each event, whoever dies between two requests.

In this order: the claim in ``identities``, the rows of the index, the run's own partition in one transaction; of a run that is born
with its ending, then the rest of its index. Death leaves, after

* the claim: an identity without a run. Who comes with the event again (``find`` says that there is none) makes the run;
* the index: rows of a run that is not there. No listing shows them, and one removes them when they are old. They come before the
  run, against the order of everything else, because nobody might ever come again, and a run that stands in no listing would then
  neither be seen nor be moved on by the reconciler;
* the run: nothing is missing, but for one that is born with its ending. That still stands among those on their way, and the next
  listing of these completes its index.

Who comes again may want the run under another id: the id holds a time, and a caller's repetition has its own. The first may be frozen and
not dead, so its id is *barred* first (a row in the place of the run's own, which its transaction then meets), and the claim moved after
that. Each step is a compare-and-swap on what was read before, so of any number that do this one makes the run.
"""

from __future__ import annotations

import random
import time
from typing import Final

from runyard.errors import ConflictError, NotFoundError, TransientError
from runyard.runs.model import Run
from runyard.runs.moves import Transition
from runyard.stores.azure import run_rows
from runyard.stores.azure.identities import Claim, Identities
from runyard.stores.azure.outbox import Outbox
from runyard.stores.azure.run_index import RunIndex
from runyard.stores.azure.run_rows import RUN, event_key, partition
from runyard.stores.azure.table import Found, Table, TransactionConflictError

TRIES: Final = 20
"""How often others may be first before this one gives up."""
PATIENCE: Final = 0.01
"""Seconds, doubled with each try: how long to stand back at most, :data:`LONGEST` in the end."""
LONGEST: Final = 0.5
SLOW: Final = 300.0
"""Seconds after which the rows of the index are written once more: they may have been taken for those of a run that never came."""


class Births:
    """Creates runs."""

    def __init__(self, runs: Table, identities: Identities, index: RunIndex, outbox: Outbox) -> None:
        self._runs = runs
        self._identities = identities
        self._index = index
        self._outbox = outbox

    def create(self, birth: Transition, *, listened: bool) -> tuple[Run, bool]:
        """Write a new run; see the port. ``listened``: whether an ending goes into the outbox.

        Raises:
            ConfigError: if it is too large; nothing is written.
        """
        run_rows.written(birth, "create")
        run = birth.after
        for number in range(TRIES):
            if number:
                self._stand_back(number)
            claim = self._identities.claim(run.identity, run.id)
            if claim.deleted is not None:
                return run, False
            found = None if claim.fresh else self._runs.get(partition(claim.run_id), RUN)
            if found is not None and is_of(found, run.identity):
                return run_rows.run_of(found.row), False
            if self._is_taken(found, claim, run):
                raise self._taken(run, claim)
            bar = None
            if found is not None or claim.run_id != run.id:
                moved = self._move(claim, found, run)
                if moved is None:
                    continue
                claim, bar = moved
            stored = self._write(birth, claim, bar, listened=listened)
            if stored is not None:
                return stored
        raise TransientError(f"{run.id}: others create runs for the same event all the time; try again")

    @staticmethod
    def _stand_back(number: int) -> None:
        """Let another be through: two that bar each other's ids at the same pace would never end."""
        time.sleep(random.uniform(0.0, min(PATIENCE * 2**number, LONGEST)))  # noqa: S311  # it keeps no secret

    @staticmethod
    def _is_taken(found: Found | None, claim: Claim, run: Run) -> bool:
        return found is not None and not is_barred(found) and claim.run_id == run.id

    def _taken(self, run: Run, claim: Claim) -> ConflictError:
        self._identities.withdraw(run.identity, claim)
        return ConflictError(f"the run id {run.id} is taken by a run of another event")

    def _move(self, claim: Claim, found: Found | None, run: Run) -> tuple[Claim, Found | None] | None:
        """Take the claim over: its id is barred, then it is moved to ours. ``None`` if another was first.

        If ours is barred itself, whoever barred it may be about to move the claim: it is written anew, so that he fails, or we do.
        """
        if claim.run_id != run.id:
            if (found is None or is_barred(found)) and not self._bar(claim.run_id, found):
                return None
            found = self._runs.get(partition(run.id), RUN)
            if found is not None and not is_barred(found):
                if is_of(found, run.identity):
                    return None
                raise self._taken(run, claim)
        moved = self._identities.move(run.identity, claim, run.id)
        return None if moved is None else (moved, found)

    def _bar(self, run_id: str, found: Found | None) -> bool:
        row = {"PartitionKey": partition(run_id), "RowKey": RUN, "barred": True}
        try:
            if found is None:
                self._runs.create(row)
            else:
                self._runs.replace(row, found.etag)
        except (ConflictError, NotFoundError):
            return False
        return True

    def _write(self, birth: Transition, claim: Claim, bar: Found | None, *, listened: bool) -> tuple[Run, bool] | None:
        """The index, then the run. ``None`` if the place of the run changed since it was looked at."""
        run, begun = birth.after, self._index.now()
        self._index.born(run)
        operations = run_rows.written(birth, "create" if bar is None else "update", bar.etag if bar else None)
        if run.has_ended and listened:
            self._outbox.intend(run.id, birth.events[-1].time)
            operations.append(run_rows.put_out(run.id, birth.events[-1].time))
        try:
            self._runs.transact(operations)
        except TransactionConflictError:
            stored = self._met(birth, claim)
            if stored is None or not stored[1]:
                return stored
        if self._index.now() - begun > SLOW:
            self._index.born(run)
        if run.has_ended:
            self._index.ended(run)
        return run, True

    def _met(self, birth: Transition, claim: Claim) -> tuple[Run, bool] | None:
        """What is in the place of the run, and whether this very birth wrote it: its reply was lost, and it was sent again."""
        run = birth.after
        found = self._runs.get(partition(run.id), RUN)
        if found is None or is_barred(found):
            return None
        if not is_of(found, run.identity):
            raise self._taken(run, claim)
        event = self._runs.get(partition(run.id), event_key(birth.events[0].seq))
        return run_rows.run_of(found.row), event is not None and event.row["op"] == birth.op_id


def is_barred(found: Found) -> bool:
    """Whether this stands in the place of a run that must not be made."""
    return bool(found.row.get("barred"))


def is_of(found: Found, identity: str) -> bool:
    """Whether this is the run of an event."""
    return found.row.get("identity") == identity
