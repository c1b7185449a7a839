"""Taking the attempt's token, so that the script cannot find it any more.

The script is the same user as the runner. Where it could look: its own variables, the file, this process' variables as the
system keeps them (``/proc/PID/environ``: they are overwritten) and this process' memory (closed by ``PR_SET_DUMPABLE``,
prctl(2): only who has CAP_SYS_PTRACE reads it then).
"""

import ctypes
import os
from typing import Callable

VARIABLE = "RUNYARD_ATTEMPT_TOKEN"

_PR_SET_DUMPABLE = 4


def take(path: str, complain: Callable[[str], object]) -> str:
    """The token: from the file, which is removed, or else from the variable, which is overwritten. Empty if there is none.

    Raises:
        OSError: if the file cannot be read.
    """
    inherited = os.environ.get(VARIABLE, "")
    if inherited:
        _wipe(VARIABLE)
        os.environ.pop(VARIABLE, None)
    if not path:
        return inherited.strip()
    with open(path, encoding="ascii") as stream:
        token = stream.read(4096).strip()
    try:
        os.unlink(path)
    except OSError as error:
        complain("the token's file stays, and scripts can read it: %s\n" % error.strerror)
    return token


def close_memory() -> None:
    """Let no other process of this user read this one's memory, where the system can do that."""
    try:
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    except (OSError, AttributeError):
        pass  # no Linux


def _wipe(name: str) -> None:
    """Overwrite a variable's value where this process got it from its parent: unsetenv(3) only lets go of the pointer."""
    try:
        getenv = ctypes.CDLL(None).getenv
    except (OSError, AttributeError):
        return
    getenv.restype = ctypes.c_void_p
    getenv.argtypes = [ctypes.c_char_p]
    address = getenv(os.fsencode(name))
    if address:
        ctypes.memset(address, 0, len(ctypes.string_at(address)))
