"""Reconcile: what moves on when a wake was lost, dead letters, the sweep of the drop container, and retention."""

from runyard.reconcile.dead_letters import bury, redrive
from runyard.reconcile.recover import recover
from runyard.reconcile.retention import PruneReport, prune
from runyard.reconcile.sweep import is_known, sweep
from runyard.reconcile.wake_up import reconcile

__all__ = ["PruneReport", "bury", "is_known", "prune", "reconcile", "recover", "redrive", "sweep"]
