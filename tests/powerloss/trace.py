"""Runs a program under strace(1) and reads what it did to files."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

CALLS: Final = (
    "open,openat,creat,write,pwrite64,writev,pwritev,lseek,ftruncate,truncate,fallocate,rename,renameat,renameat2,unlink,"
    "unlinkat,mkdir,mkdirat,rmdir,link,linkat,symlink,symlinkat,fsync,fdatasync,sync,syncfs,copy_file_range,sendfile,"
    "clone,clone3,fork,vfork,execve"
)
SLOW: Final = 30_000
"""Microseconds that each sync takes longer: who does not wait for it is found out."""
_LINE: Final = re.compile(r"(\d+) +(.*)", re.DOTALL)
_UNFINISHED: Final = re.compile(r"(\w+)\((.*?),? *<unfinished \.\.\.>")
_RESUMED: Final = re.compile(r"<\.\.\. (\w+) resumed>(.*)\) += (.*)")
_WHOLE: Final = re.compile(r"(\w+)\((.*)\) += (.*)")
_NUMBER: Final = re.compile(r"-?\d+")
_PATH: Final = re.compile(r"<((?:\\x[0-9a-f]{2})*)>")
_TEXT: Final = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')


@dataclass(frozen=True, slots=True)
class Call:
    """A system call. A call that others came between has two entries: as it begins, and, ``done``, as it is over."""

    pid: int
    name: str
    words: tuple[str, ...]
    result: int
    begins: bool
    done: bool

    def path(self, place: int) -> str:
        """The path that the descriptor in a place leads to; of a call's folder and name, both together."""
        found = _PATH.search(self.words[place])
        return decode(found.group(1)).decode() if found else ""

    def number(self, place: int) -> int:
        found = _NUMBER.match(self.words[place])
        return int(found.group()) if found else -1

    def texts(self, place: int) -> list[bytes]:
        """The strings in a place."""
        return [decode(text) for text in _TEXT.findall(self.words[place])]

    def named(self, place: int) -> str:
        """The path in a place, of calls like ``unlink`` and, with the folder before it, like ``unlinkat``."""
        [text] = self.texts(place)
        if text.startswith(b"/") or place == 0:
            return text.decode()
        return f"{self.path(place - 1)}/{text.decode()}"


def decode(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))


def record(command: Sequence[str], path: Path, folder: Path) -> None:
    """Run a program and all that it starts to their ends; the trace goes to ``path``."""
    strace = [
        "strace",
        "-f",
        "-y",
        "-xx",
        "-s",
        str(1 << 24),
        "-e",
        "signal=none",
        "-e",
        f"trace={CALLS}",
        "-e",
        f"inject=fsync,fdatasync:delay_enter={SLOW}",
        "-o",
        str(path),
    ]
    done = subprocess.run([*strace, *command], cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def read(path: Path) -> Iterator[Call]:
    """The calls that succeeded, in the order in which they were over; those that say ``begins``, in that of their begin."""
    begun: dict[int, tuple[str, str]] = {}
    with path.open() as stream:
        for line in stream:
            match = _LINE.match(line)
            assert match, line[:200]
            pid, text = int(match.group(1)), match.group(2)
            if found := _UNFINISHED.match(text):
                begun[pid] = (found.group(1), found.group(2))
                yield _call(pid, *begun[pid], result=0, begins=True, done=False)
            elif found := _RESUMED.match(text):
                name, words = begun.pop(pid)
                result = _result(found.group(3))
                if result >= 0:
                    rest = found.group(2).lstrip(", ")
                    yield _call(pid, name, f"{words}, {rest}" if rest else words, result, begins=False, done=True)
            elif found := _WHOLE.match(text):
                result = _result(found.group(3))
                if result >= 0:
                    yield _call(pid, found.group(1), found.group(2), result, begins=True, done=True)


def _call(pid: int, name: str, words: str, result: int, *, begins: bool, done: bool) -> Call:
    return Call(pid, name, tuple(words.split(", ")), result, begins, done)


def _result(text: str) -> int:
    found = _NUMBER.match(text)
    return int(found.group()) if found else -1
