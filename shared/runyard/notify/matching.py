"""Which endings concern a subscription. Pure."""

from __future__ import annotations

from fnmatch import fnmatchcase

from runyard.ports import Subscription
from runyard.runs.model import Run


def matches(subscription: Subscription, run: Run) -> bool:
    """Whether the ending of this run is what the subscription asks for. Nothing asked for matches everything."""
    return (
        run.has_ended
        and (not subscription.experiment or fnmatchcase(run.experiment, subscription.experiment))
        and (not subscription.states or str(run.state) in subscription.states)
        and (not subscription.sources or run.origin.source in subscription.sources)
        and all(run.tags.get(name) == value for name, value in subscription.tags.items())
    )
