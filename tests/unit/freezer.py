"""Stops a use case at a named write, while others go on."""

from __future__ import annotations

from collections.abc import Callable

from runyard.ports import Ports
from runyard.testing import Moment, Step, Steps
from tests.model.worker import Worker


class Frozen:
    """Somebody who stands still before or after a write, and goes on, or dies, when the test says so.

    >>> one = Frozen(ports, lambda ports: dispatch(ports, WAKE), Moment.AFTER, "runs.transition")
    >>> one.thaw()
    """

    def __init__(
        self, ports: Ports, act: Callable[[Ports], object], moment: Moment, operation: str, *, nth: int = 1
    ) -> None:
        self._place = (moment, operation)
        self._nth = nth
        steps = Steps(inner=ports, hook=self._hook)
        self._worker = Worker(operation, lambda: act(steps.ports))
        self._worker.go(0)
        if self._worker.error is not None:
            raise self._worker.error
        assert not self._worker.done, f"there was no {moment} {operation} to stop at: {steps.seen}"

    def _hook(self, step: Step) -> None:
        if (step.moment, step.operation) == self._place:
            self._nth -= 1
            if self._nth == 0:
                self._worker.here()

    def thaw(self) -> None:
        """Let it do the rest."""
        self._worker.go(1000)
        if self._worker.error is not None:
            raise self._worker.error
        assert self._worker.done

    def die(self) -> None:
        """Let it end here."""
        self._worker.kill()
