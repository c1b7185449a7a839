"""Endings out: who is told of a run's ending, and that he is told."""

from runyard.notify.announce import announce
from runyard.notify.definitions import Definition, define, pause, remove, resume, rotate
from runyard.notify.deliver import deliver, redrive
from runyard.notify.overdue import take_up
from runyard.notify.trial import Tested, send_test

__all__ = [
    "Definition",
    "Tested",
    "announce",
    "define",
    "deliver",
    "pause",
    "redrive",
    "remove",
    "resume",
    "rotate",
    "send_test",
    "take_up",
]
