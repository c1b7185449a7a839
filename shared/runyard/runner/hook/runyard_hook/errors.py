"""What the hook raises under the SDK's names, and how it speaks to who reads the log."""

import sys


class RunEnvironmentException(Exception):  # noqa: N818 - the SDK's name
    """There is no run around this script. The SDK raises it with keyword arguments only (``inner_exception``)."""

    def __init__(self, message="", **kwargs):
        self.message = message or "this script is not part of a run; submit it, or allow an offline run"
        self.inner_exception = kwargs.get("inner_exception")
        super(RunEnvironmentException, self).__init__(self.message)


def say(sentence):
    """Tell who reads the log; a closed or full standard error harms nobody."""
    try:
        sys.stderr.write("runyard: %s\n" % sentence)
        sys.stderr.flush()
    except (AttributeError, OSError, ValueError):
        pass  # a script may run without standard error, or have closed it
