"""Watch: one poll per compute observes all its runs and moves them by what is seen."""

from runyard.watch.watcher import observe, watch

__all__ = ["observe", "watch"]
