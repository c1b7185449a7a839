"""What a client does when a service says that it is busy: it waits as long as it was asked to, and tries again."""

from __future__ import annotations

import email.utils
import itertools
import random
import time
from collections.abc import Callable
from typing import Final

import httpx
from tenacity import RetryCallState, Retrying, retry_if_result

LONGEST: Final = 120.0
"""Seconds that one request waits in all before the caller hears of it."""
LONGEST_PAUSE: Final = 60.0
"""Seconds; a service that asks for a longer one is asked again after this."""
_PAUSE: Final = 2.0
"""Seconds, when the service does not say."""


def insist(first: httpx.Response, send: Callable[[], httpx.Response], pause: Callable[[float], None]) -> httpx.Response:
    """Send a request again as long as the answer is 429; the last answer, which is 429 once :data:`LONGEST` is used up.

    Args:
        first: The first answer, a 429.
        send: Sends the request once more.
        pause: Waits so many seconds.
    """
    sends = itertools.chain([lambda: first], itertools.repeat(send))
    again = Retrying(
        retry=retry_if_result(lambda answer: answer.status_code == 429),
        wait=_seconds,
        stop=_used_up,
        sleep=pause,
        retry_error_callback=_last,
    )

    def answer() -> httpx.Response:
        return next(sends)()

    return again(answer)


def _seconds(state: RetryCallState) -> float:
    """Never sooner than asked, and scattered, so that those who were turned away together do not come back together."""
    asked = retry_after(_last(state).headers.get("retry-after", ""))
    return min(_PAUSE if asked is None else asked, LONGEST_PAUSE) * random.uniform(1.0, 1.25)  # noqa: S311 - not a secret


def _used_up(state: RetryCallState) -> bool:
    return state.idle_for + state.upcoming_sleep > LONGEST


def _last(state: RetryCallState) -> httpx.Response:
    assert state.outcome is not None
    answer: httpx.Response = state.outcome.result()
    return answer


def retry_after(text: str) -> float | None:
    """The seconds that a ``Retry-After`` header asks for (RFC 9110, 10.2.3): a number, or a date; ``None`` if it is neither."""
    if text.strip().isdecimal():
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except ValueError:
        return None
