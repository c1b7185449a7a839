"""Finalize: what follows an ending, so that logs, outputs and metrics are complete before the run is."""

from runyard.finalize.ending import finish, free_slot

__all__ = ["finish", "free_slot"]
