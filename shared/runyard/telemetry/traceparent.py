"""Trace contexts as text: the W3C form ``00-<trace id>-<span id>-<flags>``, in which they travel and are stored. Pure.

https://www.w3.org/TR/trace-context/#traceparent-header
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

NAME: Final = "traceparent"
"""The header, the message's property and the CloudEvent's attribute that hold one."""

_FORM: Final = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")
_LONGEST: Final = 512
"""Characters of one of a later version, which may say more."""


def valid(text: object) -> str:
    """The context that a sender wrote, in today's form; empty if it is none. What is not understood is left out, never an error."""
    if not isinstance(text, str) or len(text) > _LONGEST or (found := _FORM.fullmatch(text.strip())) is None:
        return ""
    return f"00-{found[1]}-{found[2]}-{found[3]}"


def trace_id(text: str) -> str:
    """The trace's id, 32 hex digits; empty if there is none."""
    return text[3:35]


def span_id(text: str) -> str:
    """The span's id, 16 hex digits; empty if there is none."""
    return text[36:52]


def of_run(run_id: str, trace: str) -> str:
    """The context of a run's own span, by which every process makes its other spans children of it.

    Args:
        run_id: The run.
        trace: What led to it, as its row says. Without one (it was made while telemetry was off) its trace follows from its id.
    """
    digest = hashlib.sha256(run_id.encode()).hexdigest()
    return f"00-{trace_id(trace) or digest[:32]}-{digest[32:48]}-{trace[53:55] or '01'}"
