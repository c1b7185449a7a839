"""Names that are computed, so that a repeated event or a repeated call meets its own earlier work."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from functools import lru_cache
from typing import Final

from runyard.errors import EventError

EXPERIMENT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,35}")
OF_RUN: Final = "run-"
"""How the names of secrets of runs begin."""
OF_USER: Final = "user-"
"""How the names of secrets begin that users keep, and that run configurations may name without this."""
REJECTED: Final = "_rejected"
"""The experiment of runs that were made for messages which yield no run of their own."""


def check_experiment(name: str) -> str:
    """Return ``name`` if it is a legal experiment name.

    Raises:
        EventError: if it is not.
    """
    if EXPERIMENT.fullmatch(name):
        return name
    raise EventError(
        f"{name[:60]!r} is not an experiment name: 1 to 36 letters, digits, '-' or '_', beginning with a letter or digit"
    )


def identity(*parts: str) -> str:
    """SHA-256 (hex) over the parts, each with its length, so that no two lists of parts collide by joining."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogateescape")
        digest.update(b"%d:" % len(data))
        digest.update(data)
    return digest.hexdigest()


def plain_etag(etag: str) -> str:
    """An ETag as identities hold it: Azure's SDKs give it in quotes, as the header has it, and its events without."""
    return etag.removeprefix("W/").strip('"')


def run_id(experiment: str, seconds: float, ident: str) -> str:
    """``<experiment>_<unix seconds>_<8 hex>``: the form of the SDK's own local run ids."""
    return f"{experiment}_{int(seconds)}_{ident[:8]}"


def seconds_of(run: str) -> int:
    """The seconds in a run's id: when its event was, or its blob was last changed; 0 for an id of another form."""
    _, _, rest = run.rpartition("_")[0].rpartition("_")
    return int(rest) if rest.isdecimal() else 0


@lru_cache(maxsize=4096)
def remote_name(run: str, attempt: int) -> str:
    """``ry-<20 base32 characters of sha256(run id)>-<attempt>``: legal as a name on every platform."""
    return f"ry-{_letters(run)}-{attempt}"


def secret_name(run: str) -> str:
    """A fresh name for a run's secrets, ``run-<20 base32 characters of sha256(run id)>-<8 hex>``: legal for Key Vault.

    Each is written once: whoever repeats a write makes another, so that what a row names is always what belongs to it.
    """
    return f"{OF_RUN}{_letters(run)}-{secrets.token_hex(4)}"


def _letters(run: str) -> str:
    digest = hashlib.sha256(run.encode()).digest()
    return base64.b32encode(digest)[:20].decode().lower()
