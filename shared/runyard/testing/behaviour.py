"""How a job of a :class:`~runyard.testing.ScriptedTarget` behaves: all that platforms do to the programs that watch them.

Times are seconds; ``math.inf`` is for ever.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Self

from runyard.errors import CapacityError, QuotaError, RunyardError, ThrottledError, TransientError


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitting:
    """What happens to submissions of one attempt."""

    prepare_refusals: tuple[RunyardError, ...] = ()
    """Errors of ``prepare``, first to last; then it works."""
    refusals: tuple[RunyardError, ...] = ()
    """Errors of ``submit``, first to last; nothing is there then. See :func:`no_capacity` and its neighbours."""
    hangs: float = 0.0
    """Each submission takes so long, and then takes effect."""
    answers_late: float = 0.0
    """Each submission takes effect, and the answer takes so long."""
    lost_replies: int = 0
    """So many submissions take effect and answer with a ``TransientError``."""
    frozen: float = 0.0
    """The first submission is under way for so long after its answer; later ones arrive at once."""
    vanishes: int = 0
    """So many submissions are answered well, and nothing ever comes of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Polling:
    """What ``poll`` says of one attempt instead of the truth."""

    unreachable: tuple[tuple[float, float], ...] = ()
    """Times, from the first submission, between which nothing is heard of it: (60, 300). The job is well."""
    blips: frozenset[int] = frozenset()
    """Polls, from 1, that find it unreachable: a single 503."""
    raises: frozenset[int] = frozenset()
    """Polls, from 1, that raise a ``TransientError``, against the port, for all jobs that were asked for with it."""
    repeats: int = 0
    """Each observation is given so many more times before a fresh one is made: doubled, and stale."""
    stale: int = 0
    """So many polls answer with the observation of the attempt before, under its handle, if there was one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelling:
    """What happens to requests to cancel, and to void, one attempt."""

    raises: int = 0
    """So many cancels raise a ``TransientError``; nothing happened."""
    lost: int = 0
    """So many more are answered well, and nothing happens."""
    ignored_for: float = 0.0
    """The platform begins so long after the first cancel that it took."""
    takes: float = 0.0
    """The script needs so long to end after TERM; at the end of the grace it is killed."""
    void_raises: int = 0
    """So many voids raise a ``TransientError``; nothing happened."""
    void_lost_replies: int = 0
    """So many more take effect and raise one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """One attempt's whole life: starting → provisioning → the start register → preparing → the script → finalizing."""

    starting: float = 0.0
    """The compute has it, and nothing more is known."""
    provisioning: float = 0.0
    """Until there is a machine. Then the runner creates the start register."""
    preparing: float = 0.0
    """From the register to the script."""
    duration: float = 10.0
    """Of the script."""
    exit_code: int = 0
    finalizing: float = 0.0
    """From the script's end to the time when logs and outputs are in the blob store."""
    preempted_after: float | None = None
    """The machine is taken back so long after the job arrived, before the script began or in its midst."""
    resize_error: float | None = None
    """A capacity error of the pool, so long after the first submission: it ends a job that has not begun. A negative one is
    older than the submission, so it is no news of this job: only a detail of the observation."""
    restarts: int = 0
    """The platform starts the ended job again so many times: the register refuses each."""
    log: bytes = b"hello from the script\n"
    log_cut: int | None = None
    """The platform kept only so many bytes of the log."""
    cleanup_raises: int = 0
    """So many cleanups raise a ``TransientError``."""
    submitting: Submitting = Submitting()
    polling: Polling = Polling()
    cancelling: Cancelling = Cancelling()

    @classmethod
    def random(cls, chance: random.Random, *, trouble: float = 0.2) -> Self:
        """A life of a minute or so, each trouble with the given probability (a preemption with a quarter of it).

        All of it passes by itself, or ends the attempt.

        Args:
            chance: The generator; the same state gives the same behaviour.
            trouble: From 0 to 1.
        """

        def now_and_then(most: float) -> float:
            return chance.uniform(0.0, most) if chance.random() < trouble else 0.0

        def times() -> int:
            return 1 if chance.random() < trouble else 0

        return cls(
            starting=now_and_then(5.0),
            provisioning=now_and_then(60.0),
            preparing=now_and_then(30.0),
            duration=chance.uniform(0.0, 60.0),
            exit_code=chance.choice((1, 2, 137)) if chance.random() < trouble else 0,
            finalizing=now_and_then(30.0),
            restarts=times(),
            log_cut=chance.randrange(20) if times() else None,
            cleanup_raises=times(),
            preempted_after=chance.uniform(0.0, 60.0) if chance.random() < trouble / 4 else None,
            resize_error=chance.choice((chance.uniform(0.0, 60.0), -86400.0)) if times() else None,
            submitting=_random_submitting(chance, now_and_then, times),
            polling=Polling(
                unreachable=((20.0, 20.0 + chance.uniform(0.0, 600.0)),) if times() else (),
                blips=frozenset({chance.randint(1, 5)}) if times() else frozenset(),
                raises=frozenset({chance.randint(1, 5)}) if times() else frozenset(),
                repeats=times(),
                stale=times(),
            ),
            cancelling=Cancelling(
                raises=times(),
                lost=times(),
                ignored_for=now_and_then(30.0),
                takes=now_and_then(20.0),
                void_raises=times(),
                void_lost_replies=times(),
            ),
        )


def _random_submitting(
    chance: random.Random, now_and_then: Callable[[float], float], times: Callable[[], int]
) -> Submitting:
    refusals = [make() for make in _PASSING if times()]
    chance.shuffle(refusals)
    return Submitting(
        prepare_refusals=(unavailable(),) if times() else (),
        refusals=tuple(refusals),
        hangs=now_and_then(60.0),
        answers_late=now_and_then(60.0),
        lost_replies=times(),
        frozen=now_and_then(400.0),
        vanishes=times(),
    )


def no_capacity() -> CapacityError:
    """ACI's answer when a region is full."""
    return CapacityError("the requested resource is not available in the location 'uksouth' at this moment")


def no_quota() -> QuotaError:
    """Batch's answer when too many jobs are active: try later."""
    return QuotaError("ActiveJobAndScheduleQuotaReached: the account's limit of active jobs is reached")


def throttled(retry_after: float | None = 17.0) -> ThrottledError:
    """Azure Resource Manager's 429, with its Retry-After."""
    return ThrottledError("429: too many requests", retry_after=retry_after)


def name_in_transition() -> TransientError:
    """ACI's answer to a name that is being deleted."""
    return TransientError("the container group is still transitioning; retry the operation later")


def unavailable() -> TransientError:
    """A 503."""
    return TransientError("503: the service is unavailable")


_PASSING: Final = (no_capacity, no_quota, throttled, name_in_transition, unavailable)
