"""Computes: which there are, what a run configuration's target means, how full they are, and how they come to rest."""

from runyard.computes.catalog import (
    ComputeView,
    alias,
    ensure_default,
    overview,
    put,
    remove,
    resolve,
)
from runyard.computes.drain import Drain, drain, drained, undrain
from runyard.computes.settings import Changes

__all__ = [
    "Changes",
    "ComputeView",
    "Drain",
    "alias",
    "drain",
    "drained",
    "ensure_default",
    "overview",
    "put",
    "remove",
    "resolve",
    "undrain",
]
