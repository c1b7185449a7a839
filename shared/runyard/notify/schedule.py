"""When a delivery that was not taken is tried again, and when it is given up. Pure.

The schedule is that of Standard Webhooks:
https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md#deliverability-and-reliability
"""

from __future__ import annotations

import hashlib
from typing import Final

from runyard.ports import Receipt

MINUTE: Final = 60.0
HOUR: Final = 3600.0
DELAYS: Final = (5.0, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR)
"""Seconds from each failed try to the next: ten tries over a little more than three days."""
REFUSED_TRIES: Final = 4
"""Tries after answers that say the receiver does not want it (most of 4xx, redirects): over about 35 minutes."""
PASSING: Final = frozenset({408, 425, 429})
"""Answers of 4xx that pass by themselves."""
LONGEST_REST: Final = 24 * HOUR
"""Seconds of ``Retry-After`` that are honoured at most."""
SPREAD: Final = 0.1
"""Share of a delay by which it is longer, differently for each delivery, so that not all come back at the same moment."""


def is_taken(receipt: Receipt) -> bool:
    """Whether the receiver has it."""
    return receipt.status is not None and 200 <= receipt.status < 300


def is_gone(receipt: Receipt) -> bool:
    """Whether the receiver wants no more, ever: 410."""
    return receipt.status == 410


def next_delay(receipt: Receipt, tries: int, ident: str) -> float | None:
    """Seconds until the next try after ``tries`` of them; ``None``: it is given up."""
    if tries > len(DELAYS) or (_is_refusal(receipt) and tries >= REFUSED_TRIES):
        return None
    mark = hashlib.sha256(f"{ident} {tries}".encode()).digest()[0] / 255
    delay = DELAYS[tries - 1] * (1 + SPREAD * mark)
    return max(delay, min(receipt.retry_after or 0.0, LONGEST_REST))


def said(receipt: Receipt) -> str:
    """What went wrong, in one sentence; empty if nothing did."""
    if receipt.status is None:
        return receipt.error
    if is_taken(receipt):
        return ""
    if 300 <= receipt.status < 400:
        return f"the receiver answered {receipt.status}: it is elsewhere, and redirects are not followed"
    if receipt.status in {401, 403}:
        return f"the receiver answered {receipt.status}: it may have another secret"
    if receipt.status == 410:
        return "the receiver answered 410: it wants no more of these"
    return f"the receiver answered {receipt.status}"


def _is_refusal(receipt: Receipt) -> bool:
    return receipt.status is not None and receipt.status < 500 and receipt.status not in PASSING
