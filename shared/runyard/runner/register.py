"""The start register: one file per attempt, made by create-if-absent. Who creates it decides whether the script starts.

The runner writes ``started`` before it does anything else; the control plane writes ``void <reason>``. It is never
removed with the attempt's other files, so that a repeated submission meets it.
"""

import os

from .places import make_folder, write_all

STARTED = "started"
VOID = "void"


def win(path, text):
    """Create the register with ``text``; whether it was this call that created it."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags, 0o600)
    except FileExistsError:
        return False
    except FileNotFoundError:
        make_folder(os.path.dirname(path))
        return win(path, text)
    try:
        write_all(descriptor, text.encode() + b"\n")
    except OSError:
        os.unlink(path)  # nothing was decided: no room for it
        raise
    finally:
        os.close(descriptor)
    return True


def read(path):
    """``None`` if nobody decided yet, else (word, reason).

    A register without its text was won by a program that died in the act. The runner starts nothing before the text
    is there, and the control plane voids once more; so it counts as started: gone, with no result.
    """
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            text = stream.read(1000).strip()
    except FileNotFoundError:
        return None
    word, _, reason = text.partition(" ")
    return (VOID if word == VOID else STARTED), reason
