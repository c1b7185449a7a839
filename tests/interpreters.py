"""Other interpreters of this machine, for what runs beside old scripts."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path


def oldest_interpreter() -> str | None:
    """The oldest Python from 3.6 on that is installed here, by its full path; ``None`` if there is only this one."""
    found = sorted(_candidates(), key=lambda pair: pair[0])
    return found[0][1] if found and found[0][0] < sys.version_info[:2] else None


def newest_interpreter() -> str | None:
    """The newest Python that is installed here, by its full path; ``None`` if that is this one."""
    found = sorted(_candidates(sys.version_info.minor + 5), key=lambda pair: pair[0])
    return found[-1][1] if found and found[-1][0] > sys.version_info[:2] else None


def interpreters() -> list[tuple[tuple[int, int], str]]:
    """Version and full path of every Python from 3.6 on that is installed here, and of this one, by version."""
    return sorted(
        {(sys.version_info[:2], sys.executable), *_candidates(sys.version_info.minor + 5)}, key=lambda pair: pair[0]
    )


def _candidates(last: int = sys.version_info.minor) -> Iterator[tuple[tuple[int, int], str]]:
    for minor in range(6, last + 1):
        for path in sorted(Path.home().glob(f".pyenv/versions/3.{minor}.*/bin/python")):
            yield (3, minor), str(path)
        known = shutil.which(f"python3.{minor}")
        if known and "shims" not in known:
            yield (3, minor), known
