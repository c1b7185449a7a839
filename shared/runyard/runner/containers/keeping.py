"""The images that were made here: which there are, how long unused, and away with them. Nothing without our labels is touched."""

import base64
import calendar
import json
import os
import time
from typing import Any, Dict, List, Optional

from . import BUILD_LABEL, ENVIRONMENT_LABEL
from .base_image import BASE_LABEL
from .engine import Engine
from .env_image import READY_LABEL, SOURCE_LABEL


def list_images(engine: Engine, cache: str) -> List[Dict[str, Any]]:
    """Images with an environment and built base images, the last used first.

    Each has ``id``, ``tags``, ``kind`` (``environment`` or ``base``), ``key``, ``source``, ``tool``, ``bytes`` (with the layers
    of its base), ``created`` and ``last_use`` (seconds since the epoch).

    Raises:
        Problem: if the engine does not answer.
    """
    found = []
    for kind, label in (("environment", ENVIRONMENT_LABEL), ("base", BASE_LABEL)):
        listed = engine.must("listing images", ["images", "--quiet", "--no-trunc", "--filter", "label=" + label])
        for name in dict.fromkeys(listed.split()):
            image = engine.inspect("image", name)
            if image is not None and label in ((image.get("Config") or {}).get("Labels") or {}):
                found.append(_described(image, kind, cache))
    unique = {each["id"]: each for each in reversed(found)}  # one with both labels is an environment's
    return sorted(unique.values(), key=lambda each: -float(each["last_use"]))


def prune_images(
    engine: Engine, cache: str, older_than: Optional[float] = None, dry_run: bool = False
) -> List[Dict[str, Any]]:
    """Remove images that have not been used for so many seconds, and containers that killed builds left.

    Args:
        engine: The engine.
        cache: The cache of environments, which knows when images were used.
        older_than: Remove those whose last use is at least that long ago; ``None``: none of them.
        dry_run: Remove nothing, and say what would be.

    Returns:
        What was removed and what could not be, each as :func:`list_images` tells of it, with ``removed`` and ``reason``.

    Raises:
        Problem: if the engine does not answer.
    """
    if not dry_run:
        _remove_leftovers(engine)
    told = []
    now = time.time()
    for each in list_images(engine, cache):
        if older_than is None or now - each["last_use"] < older_than:
            continue
        each.update(removed=not dry_run, reason="unused for %.0f days" % ((now - each["last_use"]) / 86400))
        if not dry_run:
            answer = engine.call(["rmi"] + (each["tags"] or [each["id"]]))
            if answer.code != 0:  # a container has it, or another image is made of it
                each.update(removed=False, reason=answer.reason)
        told.append(each)
    return told


def _remove_leftovers(engine: Engine) -> None:
    """Containers of builds that do not run any more: a running one is somebody's."""
    words = ["ps", "--all", "--quiet", "--filter", "label=" + BUILD_LABEL]
    states = [word for state in ("created", "exited", "dead") for word in ("--filter", "status=" + state)]
    for name in engine.must("looking for leftovers", words + states).split():
        engine.call(["rm", "--volumes", name])


def _described(image: Dict[str, Any], kind: str, cache: str) -> Dict[str, Any]:
    labels = image["Config"]["Labels"]
    key = labels.get(ENVIRONMENT_LABEL, "")
    created = _seconds(str(image.get("Created", "")))
    ready: Dict[str, Any] = json.loads(base64.b64decode(labels.get(READY_LABEL, "e30=")).decode())
    try:
        last_use = os.stat("%s/images/%s" % (cache, key)).st_mtime if key else created
    except OSError:
        last_use = created  # used by another cache, or never
    return {
        "id": image["Id"],
        "tags": list(image.get("RepoTags") or []),
        "kind": kind,
        "key": key,
        "source": base64.b64decode(labels.get(SOURCE_LABEL, "")).decode("utf-8", "replace"),
        "tool": ready.get("tool"),
        "bytes": image.get("Size"),
        "created": created,
        "last_use": max(last_use, created),
    }


def _seconds(text: str) -> float:
    """RFC 3339 to seconds since the epoch; the engine says it in UTC."""
    try:
        return float(calendar.timegm(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S")))
    except ValueError:
        return 0.0
