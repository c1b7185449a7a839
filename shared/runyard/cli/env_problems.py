"""What the engine of environments reports, as errors that end a command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from runyard.errors import ConfigError, RunyardError, StorageFullError, TransientError
from runyard.runner.problems import Problem


def error_of(problem: Problem) -> RunyardError:
    """The error that a problem is."""
    if problem.error_class == "quota":
        return StorageFullError(problem.message)
    if problem.error_class == "transient":
        return TransientError(problem.message)
    return ConfigError(problem.message)


@contextmanager
def as_ours() -> Iterator[None]:
    """Raise what the engine reports as ours.

    Raises:
        RunyardError: in its words.
    """
    try:
        yield
    except Problem as problem:
        raise error_of(problem) from None
