"""Finalize: what follows an ending, so that logs, outputs and metrics are complete before the run is."""

from runyard.finalize.ending import collecting_is_overdue, finish, finish_overdue, free_slot, give_back, let_go
from runyard.finalize.logged import RUNS

__all__ = ["RUNS", "collecting_is_overdue", "finish", "finish_overdue", "free_slot", "give_back", "let_go"]
