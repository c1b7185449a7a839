"""What a cache holds, and removing from it."""

import fcntl
import json
import os
import time
from typing import Any, Dict, List, Optional, Set

from ..problems import Problem
from . import finishing
from .cache import (
    check_cache,
    from_cache_error,
    has_interpreter,
    is_key,
    is_locked,
    manifest_path,
    open_lock,
    read_manifest,
    try_lock,
)

_FIELDS = ("prefix", "interpreter", "python", "tool", "notes", "specification", "source", "created", "seconds", "bytes")


_BESIDE = (".json.new", ".source", ".wanted.yml", ".log")
"""Endings of the other files that an environment may have beside its folder."""
_LOG_KEPT = 86400.0
"""Seconds that the log of a build that failed is kept from :func:`prune`."""


def keys_in(cache: str) -> List[str]:
    """Every key of which there is anything but locks.

    Raises:
        Problem: if the cache cannot be read or is not ours alone.
    """
    if not check_cache(cache):
        return []
    try:
        names = os.listdir(cache)
    except OSError as error:
        raise Problem("the cache of environments %s cannot be read: %s" % (cache, error.strerror)) from error
    found = {name.partition(".")[0] for name in names if name.endswith((".json", ".source")) or is_key(name)}
    return sorted(key for key in found if is_key(key))


def list_environments(cache: str) -> List[Dict[str, Any]]:
    """As the package says."""
    found = [told(cache, key) for key in keys_in(cache)]
    return sorted(found, key=lambda each: (-(each["last_use"] or 0), each["key"]))


def told(cache: str, key: str) -> Dict[str, Any]:
    """All that is known of one environment."""
    result: Dict[str, Any] = dict.fromkeys(_FIELDS)
    manifest = read_manifest(cache, key)
    result.update(key=key, last_use=_time_of(manifest_path(cache, key)), log="%s/%s.log" % (cache, key))
    result["in_use"] = is_locked(cache, key, "use")
    if not os.path.exists(result["log"]):
        result["log"] = None
    if manifest is not None:
        result.update({name: manifest.get(name) for name in _FIELDS})
        result["state"] = "ready" if has_interpreter(manifest) else "broken"
        return result
    result.update(_source_of(cache, key))
    result["prefix"] = "%s/%s" % (cache, key)
    result["created"] = _time_of("%s/%s.source" % (cache, key))
    result["state"] = "building" if is_locked(cache, key, "build") else "broken"
    result["in_use"] = result["in_use"] and result["state"] != "building"
    if result["state"] == "broken":
        result["bytes"] = finishing.size_of(result["prefix"])
    return result


def _source_of(cache: str, key: str) -> Dict[str, Any]:
    try:
        with open("%s/%s.source" % (cache, key), encoding="utf-8") as stream:
            found = json.load(stream)
    except (OSError, ValueError):
        return {}
    return {name: found.get(name) for name in ("source", "specification")} if isinstance(found, dict) else {}


def _time_of(path: str) -> Optional[float]:
    try:
        return os.stat(path).st_mtime
    except OSError:
        return None


def whole_key(cache: str, key_prefix: str) -> str:
    """The key that begins like this.

    Raises:
        Problem: if there is none, or several.
    """
    found = [key for key in keys_in(cache) if key_prefix and key.startswith(key_prefix.lower())]
    if not found:
        raise Problem("there is no environment %s in %s; 'runyard env list' shows those that are" % (key_prefix, cache))
    if len(found) > 1:
        shown = ", ".join(key[: len(key_prefix) + 8] for key in found[:5])
        raise Problem("%s begins the keys of %d environments (%s); give more of it" % (key_prefix, len(found), shown))
    return found[0]


def describe(cache: str, key_prefix: str) -> Dict[str, Any]:
    """As the package says."""
    return told(cache, whole_key(cache, key_prefix))


def prune(
    cache: str, older_than: Optional[float], most_bytes: Optional[int], keys: Optional[List[str]], dry_run: bool
) -> List[Dict[str, Any]]:
    """As the package says."""
    there = list_environments(cache)
    wanted = _wanted(cache, there, older_than, most_bytes, keys)
    result = []
    for each in there:
        reason = wanted.get(each["key"])
        if reason is not None:
            kept = _kept_because(each) if dry_run else _removed(cache, each)
            result.append(dict(each, removed=not kept, reason=kept or reason))
    if not dry_run and not keys:
        _drop_logs(cache, {each["key"] for each in there}, _LOG_KEPT if older_than is None else older_than)
    return result


def _drop_logs(cache: str, keys: Set[str], age: float) -> None:
    """Remove the logs of builds that failed: nothing else tells of them."""
    if not check_cache(cache):
        return
    for name in os.listdir(cache):
        path = os.path.join(cache, name)
        key = name.partition(".")[0]
        if name.endswith(".log") and is_key(key) and key not in keys and time.time() - (_time_of(path) or 0) >= age:
            finishing.remove_tree(path)


def _wanted(
    cache: str,
    there: List[Dict[str, Any]],
    older_than: Optional[float],
    most_bytes: Optional[int],
    keys: Optional[List[str]],
) -> Dict[str, str]:
    """Key → why it is to go."""
    wanted = {whole_key(cache, each): "it was asked for" for each in keys or []}
    now = time.time()
    if older_than is not None:
        for each in there:
            since = now - (each["last_use"] or each["created"] or 0)
            if since >= older_than and each["state"] != "building":
                wanted.setdefault(each["key"], "it was last used %s ago" % _span(since))
    if most_bytes is not None:
        left = sum(each["bytes"] or 0 for each in there if each["key"] not in wanted)
        for each in reversed(there):  # the longest unused first
            if left <= most_bytes:
                break
            if each["key"] not in wanted and not _kept_because(each):
                wanted[each["key"]] = "the cache is larger than %d bytes, and it is the longest unused" % most_bytes
                left -= each["bytes"] or 0
    if older_than is None and most_bytes is None and not keys:
        wanted.update({each["key"]: "it is broken" for each in there if each["state"] == "broken"})
    return wanted


def _span(seconds: float) -> str:
    for size, name in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return "%d %s" % (seconds // size, name)
    return "%d seconds" % seconds


def _kept_because(each: Dict[str, Any]) -> str:
    if each["state"] == "building":
        return "it is being built"
    return "it is in use" if each["in_use"] else ""


def _removed(cache: str, each: Dict[str, Any]) -> str:
    """Remove one, unless somebody builds or uses it; returns why it was kept, ``""`` if it is gone."""
    key = each["key"]
    locks = []
    try:
        for name, reason in (("build", "it is being built"), ("use", "it is in use")):
            locks.append(open_lock(cache, key, name))
            if not try_lock(locks[-1], fcntl.LOCK_EX):
                return reason
        path = "%s/%s" % (cache, key)
        # The manifest first: without it nobody finds what is half gone.
        finishing.remove_tree(path + ".json")
        finishing.remove_tree(path)
        for ending in _BESIDE:
            finishing.remove_tree(path + ending)
    except OSError as error:
        raise from_cache_error(error, cache) from error
    finally:
        for descriptor in locks:
            os.close(descriptor)
    return ""
