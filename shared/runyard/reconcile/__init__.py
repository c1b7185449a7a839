"""Reconcile: what moves on when a wake was lost, dead letters, the sweep, retention, and what an operator is told."""

from runyard.reconcile.account import Said, Why
from runyard.reconcile.alarm import Alarm
from runyard.reconcile.alarms import AlarmLog, alarms
from runyard.reconcile.dead_letters import bury, redrive
from runyard.reconcile.recover import recover
from runyard.reconcile.retention import PruneReport, prune
from runyard.reconcile.secrets import sweep_secrets
from runyard.reconcile.sweep import DROP_CONTAINER, Swept, is_known, sweep, sweep_page
from runyard.reconcile.wake_up import reconcile
from runyard.reconcile.why import why
from runyard.reconcile.why_ended import left_behind

__all__ = [
    "DROP_CONTAINER",
    "Alarm",
    "AlarmLog",
    "PruneReport",
    "Said",
    "Swept",
    "Why",
    "alarms",
    "bury",
    "is_known",
    "left_behind",
    "prune",
    "reconcile",
    "recover",
    "redrive",
    "sweep",
    "sweep_page",
    "sweep_secrets",
    "why",
]
