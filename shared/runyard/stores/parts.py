"""What every store says of parts of blobs, so that a fault reads the same on one machine and in Azure."""

from __future__ import annotations

from collections.abc import Iterable

from runyard.errors import ConfigError, NotFoundError, SnapshotError
from runyard.ports.blobs import MAX_PART, MAX_PARTS


def check_part(index: int, size: int) -> None:
    """See that a part may be kept.

    Raises:
        ConfigError: if its index is none, or it is too large.
    """
    if not 0 <= index < MAX_PARTS:
        raise ConfigError(f"{index} is not the index of a part; they go from 0 to {MAX_PARTS - 1:,}")
    if size > MAX_PART:
        raise ConfigError(f"a part has at most {MAX_PART >> 20} MiB, and this one has {size:,} bytes")


def check_parts(container: str, name: str, parts: int, present: Iterable[int]) -> None:
    """See that a blob can be made of its parts.

    Raises:
        ConfigError: if their number is none.
        NotFoundError: if some are missing.
    """
    if not 1 <= parts <= MAX_PARTS:
        raise ConfigError(f"a blob is made of 1 to {MAX_PARTS:,} parts, not of {parts:,}")
    missing = sorted(set(range(parts)).difference(present))
    if missing:
        some = ", ".join(map(str, missing[:8])) + (", …" if len(missing) > 8 else "")
        raise NotFoundError(f"of the {parts:,} parts of {container}/{name} these are missing: {some}; send them")


def wrong_digest(container: str, name: str) -> SnapshotError:
    """What to raise when the parts together are not what was announced."""
    return SnapshotError(
        f"the parts of {container}/{name} do not have the SHA-256 that was announced, and were dropped: the file changed "
        "meanwhile, or was damaged on its way; send it again"
    )
