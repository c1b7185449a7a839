"""What an ended attempt leaves, stored: its files, then its result, last."""

import json
import os
import stat
from typing import Any, Dict, Iterator, List, Set, Tuple

from ..plain import open_plain
from .blobs import Blobs
from .wire import Trouble

RESULT = "result.json"
_MOST_NOTES = 20


def store_files(folder: str, but: Set[str], blobs: Blobs) -> List[str]:
    """Store every regular file under a folder, but for those that are stored already; links are not followed.

    Returns:
        A sentence for each that could not be stored, the first of them.

    Raises:
        Refused: if the attempt is over.
    """
    notes: List[str] = []
    missed = 0
    for name, path in _files(folder):
        if name in but:
            continue
        problem = _store(name, path, blobs)
        if problem:
            missed += 1
            if len(notes) < _MOST_NOTES:
                notes.append("%s is not stored: %s" % (name, problem))
    if missed > len(notes):
        notes.append("%d more files are not stored" % (missed - len(notes)))
    return notes


def store_result(result: Dict[str, Any], blobs: Blobs) -> str:
    """Store the result; returns what is wrong if another result is there.

    Raises:
        Trouble: if it cannot be stored.
        Refused: if the attempt is over.
    """
    data = json.dumps(result).encode()
    if blobs.create(RESULT, data) != data:
        return "another result is there already"
    return ""


def _store(name: str, path: str, blobs: Blobs) -> str:
    try:
        name.encode()
        descriptor = open_plain(path, os.O_RDONLY)
        with os.fdopen(descriptor, "rb") as stream:
            blobs.replace(name, stream, os.fstat(descriptor).st_size)
    except UnicodeEncodeError:
        return "its name is no text"
    except (Trouble, OSError) as error:
        return str(error)
    return ""


def _files(folder: str) -> Iterator[Tuple[str, str]]:
    for place, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = os.path.join(place, name)
            try:
                if stat.S_ISREG(os.lstat(path).st_mode):
                    yield os.path.relpath(path, folder), path
            except OSError:
                continue  # it is gone
