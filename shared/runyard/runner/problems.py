"""What keeps a script from running, as a sentence for the run's error."""

import errno


class Problem(Exception):  # noqa: N818 - it is one, told to a user
    """One clear sentence, and the word of the retry table that goes with it."""

    def __init__(self, message: str, error_class: str = "config") -> None:
        super().__init__(message)
        self.message = message
        self.error_class = error_class


class Stopped(Exception):  # noqa: N818 - no error
    """The work was given up, as its attempt was canceled."""


NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


def from_os_error(error: OSError, what: str) -> Problem:
    """The problem that an ``OSError`` is, met while doing ``what``."""
    reason = error.strerror or str(error)
    if error.errno in NO_ROOM:
        return Problem("%s failed: %s; make room on the disk and submit again" % (what, reason), "quota")
    return Problem("%s failed: %s; mend that, and submit it again" % (what, reason), "transient")


def unforeseen(error: Exception) -> Problem:
    """What is said of an error that nobody thought of; its traceback is in the supervisor's log."""
    message = "the run could not be prepared (%s); local/supervisor.log in the root says more" % type(error).__name__
    return Problem(message, "transient")
