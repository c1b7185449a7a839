"""What weighs most in a directory: the files and the folders that a sentence about its size names."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Final

from runyard.snapshot.tree import Source, shown

LARGEST: Final = 10
"""Files that are named."""
_FOLDERS: Final = 5
_SAME: Final = 0.9
"""A folder that holds this share of the one around it is named instead of it."""


def largest_files(files: Sequence[Source]) -> tuple[tuple[str, int], ...]:
    """Names and bytes of the ten largest files, largest first."""
    return tuple((file.name, file.size) for file in heapq.nsmallest(LARGEST, files, key=lambda f: (-f.size, f.name)))


def heaviest_folders(files: Sequence[Source]) -> tuple[tuple[str, int, int], ...]:
    """Names, bytes and numbers of files of the folders at the top that weigh most, heaviest first.

    In place of a folder stands the one in it that holds nearly all of it: ``data/raw/2018/``, not ``data/``.
    """
    bytes_in: dict[str, int] = {}
    files_in: dict[str, int] = {}
    inside: dict[str, set[str]] = {}
    for file in files:
        around = ""
        for part in file.name.split("/")[:-1]:
            folder = f"{around}{part}/"
            bytes_in[folder] = bytes_in.get(folder, 0) + file.size
            files_in[folder] = files_in.get(folder, 0) + 1
            inside.setdefault(around, set()).add(folder)
            around = folder

    def order(folder: str) -> tuple[int, int, str]:
        return -bytes_in[folder], -files_in[folder], folder

    found = []
    for top in heapq.nsmallest(_FOLDERS, inside.get("", ()), key=order):
        folder = top
        while folder in inside:
            heaviest = min(inside[folder], key=order)
            if bytes_in[heaviest] < _SAME * bytes_in[folder] or files_in[heaviest] < _SAME * files_in[folder]:
                break
            folder = heaviest
        found.append((folder, bytes_in[folder], files_in[folder]))
    return tuple(found)


def describe(files: Sequence[Source]) -> str:
    """The largest files and the heaviest folders, for a sentence."""
    names = ", ".join(f"{shown(name)} ({megabytes(size)})" for name, size in largest_files(files))
    folders = ", ".join(
        f"{shown(name)} ({megabytes(size)} in {count:,} {'file' if count == 1 else 'files'})"
        for name, size, count in heaviest_folders(files)
    )
    return f"the largest files are {names}" + (f"; the heaviest folders are {folders}" if folders else "")


def megabytes(size: int) -> str:
    """Bytes for a sentence."""
    return f"{size / 1e6:,.1f} MB" if size >= 50_000 else f"{size / 1e3:,.1f} kB"
