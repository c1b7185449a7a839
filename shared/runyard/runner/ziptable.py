"""Reads a zip's central directory with suspicion: whoever wrote the zip may mean harm.

The control plane accepts a snapshot by this reader and the runner unpacks it by the same one, so that what one accepts the
other reads alike. Everything a directory says is checked before anything is done with it. Layouts: PKWARE's APPNOTE 6.3.10.
"""

from bisect import bisect_left
from typing import Any, Callable, Iterator, List, NamedTuple, Optional, Set, Tuple

from .problems import Problem
from .zipend import Read, exactly, find_end
from .zipentry import FOLDER, HEADER, LENGTHS, LINK, LISTED, LONGEST, Entry, parse
from .zipnames import Roll, show


class Limits(NamedTuple):
    """What a snapshot may hold."""

    entries: int
    """Files, folders and links, counting folders that are only in the names of others."""
    unpacked: int
    """Bytes once unpacked."""
    ratio: int
    """Unpacked bytes per packed byte, of a snapshot of more than ``ratio_from`` unpacked bytes: a small one may
    have any, as a file of zeros shrinks a thousandfold."""
    ratio_from: int


LIMITS = Limits(entries=200 * 1000, unpacked=64 << 30, ratio=200, ratio_from=256 << 20)
MAX_DIRECTORY = 30 << 20
"""Bytes of the directory."""
PIECE = 1 << 20
"""Bytes of the directory that are read at a time, unless told otherwise."""

_BATCH = 1024
"""Entries that are looked at together."""
_BATCH_BYTES = 1 << 18
_LINKS = 8 << 20
"""Bytes of memory that links may take, about: some 13,000."""
_COST = 500
"""Bytes of memory of an entry without its name."""
_LOOK = 2048
"""Bytes that are read for one entry of the directory."""

Batch = Tuple[List[int], List[Entry]]
"""Entries, and where in the directory each is."""


class Table:
    """The directory of a zip, checked as a whole."""

    def __init__(self, read: Read, size: int, limits: Limits = LIMITS) -> None:
        self._read = read
        self._limits = limits
        self.piece = PIECE
        """Bytes of the directory that are read at a time, at least :data:`~.zipentry.LONGEST`."""
        self.end = find_end(read, size)
        self.files = 0
        """Number of files and links."""
        self.packed = 0
        """Bytes of all of them as they are in the zip."""
        self.unpacked = 0
        """Bytes of all of them, as the directory says."""
        self.links: List[Entry] = []
        """Those links, after :meth:`check_all`."""
        self._keeps_links = False
        self._link_room = _LINKS
        self.in_order = True
        """Whether entries lie in the zip as the directory lists them."""
        self._free = self._taken = 0
        self._held: Optional[bytes] = None
        """The directory, if it is not longer than a piece."""
        self._entries: Optional[List[Entry]] = None
        self._roll = Roll(limits.entries)

    def check(self, wanted: Optional[Callable[[str], Any]], room: int = 1 << 60) -> List[Entry]:
        """Go through the whole directory, once.

        Args:
            wanted: Which files and links to return, by their names; ``None`` for all, and the folders.
            room: Bytes of memory that the wanted ones may take, about.

        Returns:
            The wanted entries, in the directory's order.

        Raises:
            Problem: in one sentence, naming the entry where it is about one.
        """
        count, length = self.end.number, self.end.stop - self.end.start
        if count > self._limits.entries:
            raise Problem("the snapshot has %d entries; at most %d are allowed" % (count, self._limits.entries))
        if length > MAX_DIRECTORY:
            raise Problem("the snapshot's directory has %d bytes; at most %d are allowed" % (length, MAX_DIRECTORY))
        if length <= self.piece:
            self._held = exactly(self._read, self.end.start, length)
        found: List[Entry] = []
        seen = 0
        for numbers, batch in self._batches():
            seen += len(batch)
            if seen > self._limits.entries:
                raise Problem("the snapshot has more than %d entries" % self._limits.entries)
            self._check_places(batch)
            self._enter(numbers, batch)
            if wanted is None:
                found += batch
            else:
                some = [entry for entry in batch if entry[1] is not FOLDER and wanted(entry[0])]
                room -= sum(_COST + 2 * len(entry.raw) for entry in some)
                if room < 0:
                    raise Problem(
                        "the snapshot has too many files where run configurations lie, such as %s; keep other files "
                        "elsewhere" % show(some[-1].name)
                    )
                found += some
        self._roll.check()
        if seen != count and (self.end.wide or seen & 0xFFFF != count):
            raise Problem("the snapshot says that it has %d entries and has %d" % (count, seen))
        if not self.files:
            raise Problem("the snapshot holds no files")
        self._check_sizes()
        return found

    def check_all(self) -> None:
        """Check as :meth:`check` does, and that no two entries overlap; keep the entries if they are few."""
        self._keeps_links = True
        if self.end.stop - self.end.start <= self.piece:
            self._entries = self.check(None)
        else:
            self.check(_nothing)
        if not self.in_order:
            for entry, bound in self.spans():
                if entry.offset + HEADER + len(entry.raw) + entry.packed > bound:
                    raise overlaps(entry)

    def entries(self) -> Iterator[Entry]:
        """All entries, in the directory's order; reads it again if there are many."""
        if self._entries is not None:
            return iter(self._entries)
        return (entry for _, batch in self._batches() for entry in batch)

    def spans(self) -> Iterator[Tuple[Entry, int]]:
        """Each entry, and where in the zip the next one begins."""
        if self.in_order:
            before = None
            for entry in self.entries():
                if before is not None:
                    yield before, entry.offset
                before = entry
            if before is not None:
                yield before, self.end.start
        else:
            offsets = sorted(entry.offset for entry in self.entries())
            offsets.append(self.end.start)
            for entry in self.entries():
                yield entry, offsets[bisect_left(offsets, entry.offset) + 1]

    def find(self, name: str) -> Optional[Entry]:
        """A file or link by its plain name; one small read, none if the directory is held."""
        at = self._roll.find(name)
        if at is None:
            return None
        if self._held is not None:
            return parse(self._held, at, self.end.shift)[0]
        begin = self.end.start + at
        block = exactly(self._read, begin, min(self.end.stop - begin, _LOOK))
        length = LISTED + sum(LENGTHS.unpack_from(block, 28))
        if length > len(block):
            block = exactly(self._read, begin, length)
        return parse(block, 0, self.end.shift)[0]

    def _batches(self) -> Iterator[Batch]:
        at, total = 0, self.end.stop - self.end.start
        while at < total:
            block = self._held
            if block is None:
                block = exactly(self._read, self.end.start + at, min(self.piece, total - at))
            is_last = at + len(block) == total
            used = 0
            while True:
                numbers, batch, after = self._batch(block, used, at, is_last)
                if not batch:
                    break
                used = after
                yield numbers, batch
            at += used
            if at < total and (is_last or not used):
                _check_rest(block[used : used + 6], total - at)
                return

    def _batch(self, block: bytes, used: int, at: int, is_last: bool) -> Tuple[List[int], List[Entry], int]:
        """The entries of ``block`` from ``used`` on, and where they end; ``at`` is where the block is in the directory."""
        numbers: List[int] = []
        batch: List[Entry] = []
        length, shift = len(block), self.end.shift
        whole = length if is_last else length - LONGEST
        end = min(length - LISTED, used + _BATCH_BYTES)
        while used <= end and len(batch) < _BATCH and block.startswith(b"PK\x01\x02", used):
            if used > whole and used + LISTED + sum(LENGTHS.unpack_from(block, used + 28)) > length:
                break  # the rest of it comes with the next block
            entry, after = parse(block, used, shift)
            if after > length:
                raise Problem("the snapshot's directory is damaged: its last entry is cut off")
            numbers.append(at + used)
            batch.append(entry)
            used = after
        return numbers, batch, used

    def _check_places(self, batch: List[Entry]) -> None:
        """See that entries lie before the directory, and whether they lie in order."""
        free, start, in_order, taken = self._free, self.end.start, self.in_order, self._taken
        for entry in batch:
            begin = entry[7]
            after = begin + HEADER + len(entry[8]) + entry[5]
            if after > start:
                raise Problem("%s in the snapshot lies where it cannot: the directory is damaged" % show(entry.name))
            if begin < free:
                in_order = False
            free = after
            taken += after - begin
        self._free, self.in_order, self._taken = free, in_order, taken

    def _enter(self, numbers: List[int], batch: List[Entry]) -> None:
        """Sum up, and enter the names on the roll."""
        names: List[str] = []
        places: List[int] = []
        folders: Set[str] = set()
        last = ""
        for number, entry in zip(numbers, batch):  # noqa: B905  (3.6 has no strict)
            name, kind = entry[0], entry[1]
            if kind is FOLDER:
                folders.add(name)
                continue
            folder = name.rpartition("/")[0]
            if folder != last:
                folders.add(folder)
                last = folder
            names.append(name)
            places.append(number)
            self.packed += entry[5]
            self.unpacked += entry[6]
            if kind is LINK:
                self._add_link(entry)
        self.files += len(names)
        self._roll.add(names, places, folders)

    def _add_link(self, entry: Entry) -> None:
        self._link_room -= _COST + 2 * len(entry.raw)
        if self._link_room < 0:
            raise Problem("the snapshot has too many links, such as %s; some 10,000 are allowed" % show(entry.name))
        if self._keeps_links:
            self.links.append(entry)

    def _check_sizes(self) -> None:
        limits, packed, unpacked = self._limits, self.packed, self.unpacked
        if self._taken > self.end.start - self.end.shift:
            raise Problem("entries of the snapshot overlap: together they are larger than the zip")
        if unpacked > limits.unpacked:
            raise Problem(
                "the snapshot has %d bytes once unpacked; at most %d are allowed" % (unpacked, limits.unpacked)
            )
        if unpacked > limits.ratio_from and unpacked > limits.ratio * max(packed, 1):
            known = self.entries() if self._held is not None else iter(())  # for a name, nothing is read again
            worst = max(known, key=lambda entry: entry.size / max(entry.packed, 1), default=None)
            raise Problem(
                "the snapshot would unpack to %d times its size%s; at most %d times is allowed"
                % (
                    unpacked // max(packed, 1),
                    " (%s most of all)" % show(worst.name) if worst is not None else "",
                    limits.ratio,
                )
            )


def _check_rest(head: bytes, length: int) -> None:
    """Behind the entries there may be a digital signature (4.3.13) and nothing else."""
    if head[:4] == b"PK\x05\x05" and len(head) == 6 and 6 + head[4] + 256 * head[5] == length:
        return
    if head[:4] == b"PK\x06\x08":  # 4.3.11
        raise Problem("the snapshot's directory is encrypted; zip it without a password")
    raise Problem("the snapshot's directory is damaged")


def read_table(read: Read, size: int, limits: Limits = LIMITS) -> Table:
    """The table of a zip of ``size`` bytes, checked: no two entries overlap, and all that :meth:`Table.check` sees.

    Raises:
        Problem: in one sentence, naming the entry where it is about one.
    """
    table = Table(read, size, limits)
    table.check_all()
    return table


def overlaps(entry: Entry) -> Problem:
    """What to say of an entry that shares bytes with another."""
    return Problem("%s in the snapshot overlaps what lies beside it: the zip is damaged" % show(entry.name))


def _nothing(_name: str) -> bool:
    return False
