"""Which files of a directory stay out of its snapshot: the SDK's rules over ``.amlignore`` or ``.gitignore``.

Each path is matched by itself and the last pattern that matches it decides, as in the SDK. git is stricter in one point: it
never takes back (``!``) what lies below a folder that is left out.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from pathspec import GitIgnoreSpec, PathSpec

from runyard.errors import SnapshotError

IGNORE_FILES: Final = (".amlignore", ".gitignore")
"""The first that exists counts, even if it is empty, and never both (the SDK's rule); only at the top of the directory."""

DEFAULT_IGNORES: Final = (".ipynb_checkpoints", "__pycache__", "azureml-logs", "azureml-setup", "outputs")
"""Without an ignore file. The SDK's default ``.amlignore`` also names ``docs`` and ``.azureml``, which a run may need."""

NEVER_PACKED: Final = ".git"
"""Left out wherever it is and whatever an ignore file says: it may hold credentials, and no script needs it."""

MAX_IGNORE_FILE: Final = 1 << 20
"""Bytes; one pattern costs about a kilobyte once it is compiled."""

_LINE_END: Final = re.compile("\r\n|\r|\n")
"""What ends a line for the SDK; ``str.splitlines`` also ends one at characters that a name may hold."""


class Ignores:
    """The patterns of one directory."""

    def __init__(self, patterns: PathSpec[Any], source: str) -> None:
        self._patterns = patterns
        self.source = source
        """The ignore file's name; empty when the defaults count."""
        self.can_prune = all(pattern.include is not False for pattern in patterns.patterns)
        """Whether nothing below a folder that is left out can come back."""

    def match(self, name: str) -> bool:
        """Whether a path stays out: with ``/`` between its parts, and one at the end to ask for what is in a folder."""
        return self._patterns.match_file(name)


def read_ignores(directory: Path) -> Ignores:
    """The patterns that count for a directory.

    Raises:
        SnapshotError: if its ignore file cannot be read, is not UTF-8, or has a pattern that means nothing.
    """
    for name in IGNORE_FILES:
        if os.path.lexists(directory / name):
            return Ignores(_compile(_lines(directory / name), directory / name), name)
    return Ignores(_compile(DEFAULT_IGNORES, directory), "")


def _lines(path: Path) -> Sequence[str]:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_IGNORE_FILE + 1)
    except OSError as error:
        raise SnapshotError(f"{path} cannot be read: {error.strerror}") from None
    if len(data) > MAX_IGNORE_FILE:
        raise SnapshotError(
            f"{path} is larger than {MAX_IGNORE_FILE >> 20} MiB; use patterns instead of lists of files"
        )
    try:
        return _LINE_END.split(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        if data[:2] in {b"\xff\xfe", b"\xfe\xff"}:
            raise SnapshotError(f"{path} is UTF-16; save it as UTF-8") from None
        line = data.count(b"\n", 0, error.start) + 1
        raise SnapshotError(f"{path}, line {line}: this is not UTF-8; save the file as UTF-8") from None


def _compile(lines: Sequence[str], path: Path) -> PathSpec[Any]:
    try:
        return _patterns(lines)
    except (ValueError, re.error):
        pass
    for number, line in enumerate(lines, 1):
        try:
            _patterns([line])
        except (ValueError, re.error):
            raise SnapshotError(f"{path}, line {number}: {line[:80]!r} is not a pattern of gitignore") from None
    raise SnapshotError(f"{path} holds a pattern that is not one of gitignore")


def _patterns(lines: Sequence[str]) -> PathSpec[Any]:
    # GitIgnoreSpec knows which class of patterns is the right one in each release of pathspec, but matches as git does.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of `re`, about `[[:alpha:]]`, which is none of its business
        return PathSpec(GitIgnoreSpec.from_lines(lines).patterns)
