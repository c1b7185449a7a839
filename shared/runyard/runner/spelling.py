"""Respells file names that are not UTF-8: they cannot be listed in JSON, nor asked for by an address."""

import os
from typing import List, Optional

_LONGEST = 200
"""Bytes of a respelled name; a file system takes 255 bytes."""


def respell(folder: str, shown: str) -> List[str]:
    """Rename what is in a folder, at any depth, whose name is not UTF-8; each bad byte becomes ``%XX``.

    No link is followed, and nothing is replaced.

    Args:
        folder: The folder.
        shown: What sentences call it.

    Returns:
        A sentence for each that was renamed, or could not be.
    """
    notes: List[str] = []
    waiting = [(os.fsencode(folder), shown)]
    while waiting:
        here, name = waiting.pop()
        try:
            with os.scandir(here) as found:
                entries = list(found)
            for entry in entries:
                path, text = entry.path, _text(entry.name)
                if text is None:
                    text = _rename(here, entry.name)
                    path = here + b"/" + text.encode()
                    notes.append("%s/%s is what was not named in UTF-8, with %%XX for each wrong byte" % (name, text))
                if entry.is_dir(follow_symlinks=False):
                    waiting.append((path, name + "/" + text))
        except OSError as error:
            notes.append("the names in %s were not looked at: %s" % (name, error.strerror))
    return notes


def _text(name: bytes) -> Optional[str]:
    try:
        return name.decode()
    except UnicodeDecodeError:
        return None


def _rename(folder: bytes, name: bytes) -> str:
    """Give it a name that is free; returns that."""
    plain = "".join(
        "%%%02X" % (ord(letter) - 0xDC00) if 0xDC80 <= ord(letter) <= 0xDCFF else letter
        for letter in name.decode("utf-8", "surrogateescape")
    )
    while len(plain.encode()) > _LONGEST:
        plain = plain[:-1]
    text, number = plain, 1
    while os.path.lexists(folder + b"/" + text.encode()):
        number += 1
        text = "%s~%d" % (plain, number)
    os.rename(folder + b"/" + name, folder + b"/" + text.encode())
    return text
