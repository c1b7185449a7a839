"""A file system that forgets what was not synced.

It is strict, as POSIX lets it be: of a file remains what was in it when its last ``fsync`` or ``fdatasync`` began; a
name is there only after an ``fsync`` of its folder. (ext4 and xfs keep a new file's name with the file.)
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterable
from pathlib import Path

from tests.powerloss.trace import Call


class Node:
    """A file or a folder: as programs see it, and as it is on disk."""

    def __init__(self, *, folder: bool) -> None:
        self.folder = folder
        self.data = bytearray()
        self.names: dict[str, Node] = {}
        self.disk = b""
        self.disk_names: dict[str, Node] = {}
        self.began: dict[int, tuple[bytes, dict[str, Node]]] = {}
        """By process id: what there was when a sync began."""

    def begin_sync(self, pid: int) -> None:
        self.began[pid] = (bytes(self.data), dict(self.names))

    def end_sync(self, pid: int) -> None:
        self.disk, self.disk_names = self.began.pop(pid)

    def survive(self, chance: random.Random | None) -> tuple[bytes, dict[str, Node]]:
        """What is there after a power cut; by chance some of what was not synced is there, too."""
        if chance is None or chance.random() < 0.4:
            return self.disk, self.disk_names
        if self.folder or chance.random() < 0.5:
            return bytes(self.data), self.names
        block = 512
        pieces = [
            (self.data if chance.random() < 0.5 else self.disk)[at : at + block].ljust(block, b"\0")
            for at in range(0, len(self.data), block)
        ]
        return b"".join(pieces)[: len(self.data)], self.names


class Disk:
    """What programs did to the files under a root, call by call."""

    def __init__(self, root: Path) -> None:
        """Everything that is there now is on disk."""
        self.root = str(root)
        self.top = self._load(root)
        self._positions: dict[tuple[int, int], int] = {}
        self._appends: set[tuple[int, int]] = set()

    def _load(self, path: Path) -> Node:
        node = Node(folder=path.is_dir())
        if node.folder:
            node.names = {each.name: self._load(each) for each in path.iterdir() if each.is_dir() or each.is_file()}
        else:
            node.data = bytearray(path.read_bytes())
        node.begin_sync(0)
        node.end_sync(0)
        return node

    def apply(self, call: Call) -> None:
        """Carry out a call, as far as it is about the root."""
        act = getattr(self, f"_{call.name}", None)
        assert act is not None or call.name in {"clone", "clone3", "fork", "vfork", "execve"}, call.name
        if act is not None and (call.done or call.name in {"fsync", "fdatasync"}):
            act(call)

    def cut(self, path: Path, chance: random.Random | None = None) -> Path:
        """Lay out under ``path`` what is there after a power cut."""
        self._lay_out(self.top, path, chance)
        return path

    def _lay_out(self, node: Node, path: Path, chance: random.Random | None) -> None:
        data, names = node.survive(chance)
        if not node.folder:
            path.write_bytes(data)
            return
        path.mkdir()
        for name, each in names.items():
            self._lay_out(each, path / name, chance)

    def files(self) -> dict[str, bytes]:
        """All files as programs see them."""
        return dict(self._walk(self.top, ""))

    def _walk(self, node: Node, path: str) -> Iterable[tuple[str, bytes]]:
        if not node.folder:
            yield path, bytes(node.data)
        for name, each in node.names.items():
            yield from self._walk(each, f"{path}/{name}")

    def find(self, path: str) -> Node | None:
        """The node that a path leads to now, if it is under the root."""
        node: Node | None = self.top
        if path != self.root and not path.startswith(self.root + "/"):
            return None
        for name in os.path.normpath(path)[len(self.root) :].split("/"):
            if name:
                node = node.names.get(name) if node is not None else None
        return node

    def _place(self, path: str) -> tuple[Node, str] | None:
        folder, name = os.path.split(os.path.normpath(path))
        node = self.find(folder)
        return (node, name) if node is not None else None

    def _make(self, path: str, node: Node) -> None:
        place = self._place(path)
        if place is not None:
            place[0].names[place[1]] = node

    def _take(self, path: str) -> Node | None:
        place = self._place(path)
        return place[0].names.pop(place[1], None) if place is not None else None

    def _opened(self, call: Call, path: str, flags: str) -> None:
        node = self.find(path)
        if node is None and "O_CREAT" in flags:
            node = Node(folder=False)
            self._make(path, node)
        if node is not None and "O_TRUNC" in flags:
            node.data.clear()
        self._positions[call.pid, call.result] = 0
        (self._appends.add if "O_APPEND" in flags else self._appends.discard)((call.pid, call.result))

    def _openat(self, call: Call) -> None:
        self._opened(call, call.named(1), call.words[2])

    def _open(self, call: Call) -> None:
        self._opened(call, call.named(0), call.words[1])

    def _creat(self, call: Call) -> None:
        self._opened(call, call.named(0), "O_CREAT|O_TRUNC")

    def _put(self, path: str, at: int, data: bytes) -> None:
        node = self.find(path)
        if node is not None:
            node.data.extend(bytes(max(0, at - len(node.data))))
            node.data[at : at + len(data)] = data

    def _write(self, call: Call) -> None:
        data = (
            b"".join(call.texts(1))
            if call.name == "write"
            else b"".join(b"".join(call.texts(n)) for n in range(len(call.words)))
        )
        path, key = call.path(0), (call.pid, call.number(0))
        node = self.find(path)
        if node is None:
            return
        # A descriptor that another thread or process opened: such writes here come one after the other.
        at = len(node.data) if key in self._appends or key not in self._positions else self._positions[key]
        self._put(path, at, data[: call.result])
        self._positions[key] = at + call.result

    _writev = _write

    def _pwrite64(self, call: Call) -> None:
        self._put(call.path(0), call.number(3), b"".join(call.texts(1))[: call.result])

    def _lseek(self, call: Call) -> None:
        self._positions[call.pid, call.number(0)] = call.result

    def _ftruncate(self, call: Call) -> None:
        node = self.find(call.path(0))
        if node is not None:
            size = call.number(1)
            node.data[:] = node.data[:size].ljust(size, b"\0")

    def _moved(self, source: str, target: str) -> None:
        node = self._take(source)
        if node is not None:
            self._make(target, node)

    def _rename(self, call: Call) -> None:
        self._moved(call.named(0), call.named(1))

    def _renameat(self, call: Call) -> None:
        self._moved(call.named(1), call.named(3))

    _renameat2 = _renameat

    def _link(self, call: Call) -> None:
        node = self.find(call.named(0))
        if node is not None:
            self._make(call.named(1), node)

    def _linkat(self, call: Call) -> None:
        node = self.find(call.named(1))
        if node is not None:
            self._make(call.named(3), node)

    def _unlink(self, call: Call) -> None:
        self._take(call.named(0))

    _rmdir = _unlink

    def _unlinkat(self, call: Call) -> None:
        self._take(call.named(1))

    def _mkdir(self, call: Call) -> None:
        self._make(call.named(0), Node(folder=True))

    def _mkdirat(self, call: Call) -> None:
        self._make(call.named(1), Node(folder=True))

    def _fsync(self, call: Call) -> None:
        node = self.find(call.path(0))
        if node is not None:
            if call.begins:
                node.begin_sync(call.pid)
            if call.done:
                node.end_sync(call.pid)

    _fdatasync = _fsync
