"""Python environments that prepare themselves: a wish becomes a ready, cached environment.

The key of a :class:`Wish` is the SHA-256 of what decides the content; one folder, the cache, holds one environment a key.

* :func:`find` is the fast path of every run: a ready environment, or ``None``. It starts no process.
* :func:`hold` keeps :func:`prune` away from it while a script runs.
* :func:`builder_command` starts the builder, a process of its own, when there is none. Builders of one key wait for each
  other, and all but the first find what that one built.

Layout of a cache, all of one user and 0700::

    <key>/            the environment, built where it stays: neither venvs nor conda's prefixes can be moved
    <key>.json        its manifest, renamed into place when all else is on disk; its time of change is the last use
    <key>.log         what the tools said when it was built, masked
    <key>.source      for whom it is being built
    <key>.wanted.yml  what a conda tool is to read, while it does
    locks/<key>.build held by the builder and its tools (flock, so that the system frees it), and by prune
    locks/<key>.use   held, shared, by whoever uses it
    interpreters.json what installed interpreters said of themselves, by path and time of change

Without its manifest a folder is what a killed build left: no one finds it, and the next builder removes it.
"""

import sys
from typing import Any, Dict, List, Optional

from .cache import Ready, find, hold, release
from .wish import POLICIES, RESOLVERS, Wish, check_allowed, read_wish

__all__ = [
    "POLICIES",
    "RESOLVERS",
    "Ready",
    "Wish",
    "builder_command",
    "check_allowed",
    "describe",
    "explain",
    "explain_key",
    "find",
    "hold",
    "list_environments",
    "main_build",
    "prune",
    "read_wish",
    "release",
    "survey",
]

COMMAND = "build-environment"
"""The runner's sub-command that is the builder."""


def builder_command(python: str, pyz: str) -> List[str]:
    """How a builder is started: ``python`` runs the runner's file ``pyz``; the wish goes to its stdin (:func:`main_build`).

    Nothing of the wish is in the arguments: it may hold credentials.
    """
    return [python, "-I", "-S", pyz, COMMAND]


def main_build(stdin: Any = None, stdout: Any = None) -> int:
    """Be the builder: build the environment that a wish asks for, unless it is there.

    Args:
        stdin: A binary stream with the wish's record as one JSON document, read to its end (so close it); default: this
            process's.
        stdout: A binary stream for JSON lines, each flushed; default: this process's. ``{"line": text}`` is progress, and
            what the tools say; ``{"note": sentence}`` is a substitution (those of an environment that was there are told
            again). Exactly one last line follows: ``{"ready": record}``, which :meth:`Ready.from_record` reads (or :func:`find` finds it), or
            ``{"problem": sentence, "class": word, "tail": [last lines of the tool]}``. All texts are masked.

    The class is ``config`` (the wish, the policy or the cache is at fault), ``user`` (what was asked for cannot be
    resolved or built), ``quota`` (no room on the disk) or ``transient`` (an index or channel could not be reached, timed
    out or answered 5xx). ``transient`` is never said of what an index answered properly.

    When this process is killed, what it started is killed too before the lock is free. It is to be started as a process of
    its own: it waits for all its children.

    Returns:
        The exit code: 0 with ``ready``, 1 with ``problem``.
    """
    from .building import main  # noqa: PLC0415 - the fast path needs none of it

    return main(stdin or sys.stdin.buffer, stdout or sys.stdout.buffer)


def list_environments(cache: str) -> List[Dict[str, Any]]:
    """Every environment of a cache, the last used first.

    Each has ``key``, ``state`` (``ready``; ``building``; ``broken``: a build was killed or its interpreter is gone),
    ``prefix``, ``interpreter``, ``python`` (its version), ``tool``, ``notes``, ``specification`` (masked), ``source``,
    ``created`` and ``last_use`` (seconds since the epoch), ``seconds`` (what building took), ``bytes`` (on disk, each file
    once), ``in_use`` (whether anybody holds it) and ``log`` (the path of the build's log). What is not known is ``None``.

    Raises:
        Problem: if the cache cannot be read or is not ours alone.
    """
    from .listing import list_environments as listed  # noqa: PLC0415

    return listed(cache)


def describe(cache: str, key_prefix: str) -> Dict[str, Any]:
    """One environment, as :func:`list_environments` tells of it, by its key or the first characters of it.

    Raises:
        Problem: if there is none, or several; these are named.
    """
    from .listing import describe as described  # noqa: PLC0415

    return described(cache, key_prefix)


def prune(
    cache: str,
    older_than: Optional[float] = None,
    most_bytes: Optional[int] = None,
    keys: Optional[List[str]] = None,
    dry_run: bool = False,
) -> List[Dict[str, Any]]:
    """Remove environments; never one that is in use or being built.

    Args:
        cache: The cache's folder.
        older_than: Remove those whose last use is at least that many seconds ago.
        most_bytes: Then remove the longest unused until the rest is no larger.
        keys: Remove these (or the first characters of their keys), whatever their age.
        dry_run: Remove nothing, and say what would be.

    With none of the three, what is broken is removed: leftovers of killed builds, environments without their interpreter.
    Logs of builds that failed go when they are as old as ``older_than`` says, or a day.

    Returns:
        What was removed and what was asked for and kept, each as :func:`list_environments` tells of it, with ``removed``
        (bool) and ``reason`` (a sentence).

    Raises:
        Problem: if a key names none, or several; if the cache cannot be changed.
    """
    from .listing import prune as pruned  # noqa: PLC0415

    return pruned(cache, older_than, most_bytes, keys, dry_run)


def explain(wish: Wish, cache: str = "") -> Dict[str, Any]:
    """Why a wish has the key that it has, and what differs from the environment before it.

    Returns:
        ``key``; ``ingredients`` (masked; what is hashed); ``state`` (as in a list, or ``absent``); ``compared_with`` (the key
        of another environment, ``None`` if there is none: the last used of the same source, else the most similar) and
        ``because`` (``"source"`` or ``"similar"``); ``changes``: each ``{"what", "change", "before", "after"}`` with
        ``what`` such as ``conda package numpy``, ``channels``, ``pip options``, ``policy``, and ``change`` one of
        ``added``, ``removed``, ``changed``; ``sentences``: the same for people.

    Raises:
        Problem: as :func:`list_environments`.
    """
    from .explaining import explain as explained  # noqa: PLC0415

    return explained(wish, cache or wish.cache)


def explain_key(cache: str, key_prefix: str) -> Dict[str, Any]:
    """As :func:`explain`, of an environment that is in a cache, by its key or the first characters of it.

    Raises:
        Problem: as :func:`describe`.
    """
    from .explaining import explain_key as explained  # noqa: PLC0415

    return explained(cache, key_prefix)


def survey(cache: str, python: str) -> Dict[str, Any]:
    """What of this machine can prepare environments, for a compute whose interpreter is ``python``.

    Returns:
        ``tools``: those that work, by name (as a wish's resolver), with their paths; ``interpreters``: the installed ones by
        path, with their versions.
    """
    from .survey import survey as surveyed  # noqa: PLC0415

    return surveyed(cache, python)
