"""What is said of an ending."""

import signal
from typing import NamedTuple, Optional


class Verdict(NamedTuple):
    """How an attempt ended."""

    outcome: str
    """One of :data:`.result.OUTCOMES`."""
    message: str
    """One sentence; empty when there is nothing to say."""
    error_class: str
    """A word of the retry table; empty for a success."""


def of_exit(code: Optional[int], started: Optional[float]) -> Verdict:
    """The verdict on a script that ended by itself.

    Args:
        code: Its exit code, ``-N`` for signal N; ``None`` if it is not known.
        started: When it started; ``None`` if it is not known that it did.
    """
    if code is None and started is None:
        return Verdict(
            "interrupted",
            "the supervisor was killed as it began the run, and there is no script; submit it again",
            "transient",
        )
    if code is None:
        message = (
            "the script is gone and its exit code is unknown, as the supervisor that started it was killed; "
            "its log says how far it came"
        )
        return Verdict("interrupted", message, "transient")
    if code >= 0:
        return Verdict("exited", "", "user" if code else "")
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = "signal %d" % -code
    hint = "perhaps the machine ran out of memory" if -code == signal.SIGKILL else "its log says what it did last"
    return Verdict("exited", "the script was ended by %s; %s" % (name, hint), "user")
