"""Where the symbolic links of a snapshot lead: decided before anything is unpacked, from their names and targets alone.

Nothing but the zip's own entries will be in the folder, so that what is decided here is what the file system would do.
"""

from typing import Dict, List, Tuple

from .problems import Problem
from .zipnames import show

LONGEST_TARGET = 4095
"""Bytes (PATH_MAX without its end)."""
_MOST_BYTES = 1 << 20
"""Bytes of all targets together."""
_MOST_STEPS = 40
"""Links that Linux follows on one path."""


def escapes(name: str) -> Problem:
    """What to say of a link that leads out of the snapshot."""
    return Problem("%s in the snapshot is a link that leads out of it" % show(name))


def check_links(links: List[Tuple[str, bytes]]) -> None:
    """See that every link stays in the snapshot, also by way of other links.

    Raises:
        Problem: if one leads out of it or in a circle, or if there are too many.
    """
    if not links:
        return
    if sum(len(target) for _, target in links) > _MOST_BYTES:
        raise Problem("the links of the snapshot have more than %d bytes together" % _MOST_BYTES)
    targets: Dict[str, str] = {}
    for name, target in links:
        if not target or target[:1] == b"/" or b"\0" in target or len(target) > LONGEST_TARGET:
            raise escapes(name)
        targets[name] = target.decode("utf-8", "surrogateescape")
    known: Dict[str, str] = {}
    for name in targets:
        _follow(name, targets, known, 1)


def _follow(name: str, targets: Dict[str, str], known: Dict[str, str], step: int) -> str:
    """Where a link leads in the end, as a plain name; ``known`` is filled with it."""
    if name in known:
        return known[name]
    if step > _MOST_STEPS:
        raise Problem(
            "%s in the snapshot is a link in a circle, or in a chain of more than %d" % (show(name), _MOST_STEPS)
        )
    at = name.rpartition("/")[0]
    for part in targets[name].split("/"):
        if part == "..":
            if not at:
                raise escapes(name)
            at = at.rpartition("/")[0]
        elif part not in ("", "."):
            at = at + "/" + part if at else part
            if len(at) > LONGEST_TARGET:
                raise escapes(name)
            if at in targets:
                at = _follow(at, targets, known, step + 1)
    known[name] = at
    return at
