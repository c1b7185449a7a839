"""Schedules: submissions that the clock makes."""

from runyard.schedule.definitions import Definition, add, existing, pause, remove, resume, upcoming
from runyard.schedule.firing import fire_due, run_now

__all__ = ["Definition", "add", "existing", "fire_due", "pause", "remove", "resume", "run_now", "upcoming"]
