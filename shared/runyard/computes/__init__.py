"""Computes: which there are, what a run configuration's target means, and how full they are."""

from runyard.computes.catalog import (
    ComputeView,
    alias,
    ensure_default,
    overview,
    put,
    remove,
    resolve,
)

__all__ = ["ComputeView", "alias", "ensure_default", "overview", "put", "remove", "resolve"]
