"""Which blobs an attempt may use, and how: exactly its own. Pure.

============================================  ===========  ==================================================
name                                          use          blob
============================================  ===========  ==================================================
``@snapshot``                                 ``read``     the run's snapshot, at its ETag
``@register``                                 ``create``   ``registers/<run id>/<attempt>``
``result.json``                               ``create``   ``runs/<run id>/<attempt>/result.json``
the two logs, ``metrics.jsonl``               ``append``   likewise, under ``runs/<run id>/<attempt>/``
any other path (``outputs/model.bin``, …)     ``replace``  likewise
============================================  ===========  ==================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from runyard.attempts import registers
from runyard.attempts.standing import AttemptOverError, Standing
from runyard.errors import ConfigError
from runyard.ports import LinkUse
from runyard.runner.places import DRIVER_LOG, LOG_FOLDER, PREPARATION_LOG, RUNS

SNAPSHOT: Final = "@snapshot"
REGISTER: Final = "@register"
RESULT: Final = "result.json"
LOG: Final = f"{LOG_FOLDER}/{DRIVER_LOG}"
PREPARATION: Final = f"{LOG_FOLDER}/{PREPARATION_LOG}"
METRICS: Final = "metrics.jsonl"
APPENDED: Final = frozenset({LOG, PREPARATION, METRICS})
LONGEST_NAME: Final = 900
"""Characters of a name, so that the blob's, with run and attempt before it, stays within Azure's 1,024."""
LONGEST_PART: Final = 255
"""Bytes between two slashes."""
MOST_PARTS: Final = 200
"""Azure: 254 path segments. https://learn.microsoft.com/rest/api/storageservices/naming-and-referencing-containers--blobs--and-metadata"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A blob that the attempt may use."""

    name: str
    """What the runner calls it."""
    use: LinkUse
    container: str
    blob: str
    etag: str = ""
    """The version that is meant; empty = whichever is there."""


def grant(standing: Standing, name: str, use: LinkUse) -> Grant:
    """What a name is to an attempt.

    Raises:
        ConfigError: if it is no name, or not for this use.
        AttemptOverError: if the attempt may only store what it has, and this is something else.
    """
    allowed = use_of(name)
    if use != allowed:
        raise ConfigError(f"{name[:80]!r} is for {allowed!r} and not for {str(use)[:20]!r}")
    run, attempt = standing.claim.run_id, standing.claim.attempt
    if name in {SNAPSHOT, REGISTER} and not standing.may_start:
        raise AttemptOverError
    if name == REGISTER:
        return Grant(name=name, use=use, container=registers.REGISTERS, blob=registers.name_of(run, attempt))
    if name == SNAPSHOT:
        snapshot = standing.run.snapshot
        if snapshot is None:
            raise ConfigError(f"the run {run} has no snapshot")
        return Grant(name=name, use=use, container=snapshot.container, blob=snapshot.name, etag=snapshot.etag)
    return Grant(name=name, use=use, container=RUNS, blob=f"{run}/{attempt}/{name}")


def use_of(name: str) -> LinkUse:
    """The one use that a name is for.

    Raises:
        ConfigError: if it is no name of a file under the attempt's folder.
    """
    if name == SNAPSHOT:
        return "read"
    if name == REGISTER or check_name(name) == RESULT:
        return "create"
    return "append" if name in APPENDED else "replace"


def check_name(name: str) -> str:
    """Return the name if it stays in the attempt's folder, and means the same to every store.

    Raises:
        ConfigError: if it does not. A path that ends a part with a dot is one of two names to some stores; a backslash is a slash.
    """
    parts = name.split("/")
    fits = 0 < len(name) <= LONGEST_NAME and len(parts) <= MOST_PARTS
    if not fits or "\\" in name or not name.isprintable() or any(not part or part.endswith(".") for part in parts):
        raise ConfigError(
            f"{name[:80]!r} is no name for a file of a run: a relative path of at most {LONGEST_NAME} characters, without empty "
            "parts, parts that end with a dot, backslashes and control characters"
        )
    if name.startswith("@") or any(len(part.encode()) > LONGEST_PART for part in parts):
        raise ConfigError(f"{name[:80]!r} is no name for a file of a run: it begins with '@', or has too long a part")
    return name
