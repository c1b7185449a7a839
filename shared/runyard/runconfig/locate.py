"""Which file of a snapshot is the run configuration that counts.

The order inside a zip: the file that was asked for; ``definition.json`` or ``azureml-setup/runconfig.json``, which the SDK
and the service write for one submission; the only candidate in ``aml_config/`` or ``.azureml/``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from runyard.errors import RunconfigError

FOLDERS: Final = ("aml_config", ".azureml")
SUFFIX: Final = ".runconfig"
BODIES: Final = ("definition.json", "azureml-setup/runconfig.json")

_LISTED: Final = 12
_HOW_TO_NAME: Final = "name one with `--runconfig NAME`, or `runconfig` in the event"


def is_candidate(name: str) -> bool:
    """Whether a file may be a run configuration by its name.

    From 1.0.43 on the SDK saves files without an extension; every other file of those folders that it or people put there
    (``conda_dependencies.yml``, ``config.json``, ``project.json``, ``*.compute``, …) has one.
    """
    folder, slash, base = name.partition("/")
    if not slash or folder not in FOLDERS or "/" in base or not base:
        return False
    return base.lower().endswith(SUFFIX) or "." not in base


def is_setting(name: str) -> bool:
    """Whether a snapshot needs this name to be run: run configurations, what they name beside them, and their folders.

    The SDK's own ``.amlignore`` leaves ``.azureml/`` out of the zip, as it sent the run configuration beside it.
    """
    if name.rstrip("/") in FOLDERS:
        return True
    folder, _, base = name.partition("/")
    return is_candidate(name) or (folder in FOLDERS and base in {"conda_dependencies.yml", "environment.yml"})


def keeper(wanted: str | None = None) -> Callable[[str], bool]:
    """Which names of a zip :func:`choose` needs to see; also every file of the two folders, for what it refers to."""
    exact = frozenset(BODIES) | frozenset(_spellings(wanted) if wanted else ())

    def keep(name: str) -> bool:
        return name in exact or any(f"{folder}/" in name for folder in FOLDERS)

    return keep


def choose(names: Iterable[str], wanted: str | None = None) -> str:
    """The name of the run configuration that counts.

    Args:
        names: The files of the zip, at least those that :func:`keeper` wants.
        wanted: What the event or the caller asked for: a path, or a name with or without ``.runconfig``.

    Raises:
        RunconfigError: if there is none, or there are several; it lists them and says how to name one.
    """
    present = sorted(set(names))
    candidates = [name for name in present if is_candidate(name)]
    if wanted:
        return _wanted(wanted, present, candidates)
    for body in BODIES:
        if body in present:
            return body
    if len(candidates) == 1:
        return candidates[0]
    if candidates:
        raise RunconfigError(f"the snapshot holds several run configurations: {_list(candidates)}; {_HOW_TO_NAME}")
    deeper = [name for name in present if is_candidate("/".join(name.split("/")[-2:]))]
    if deeper:
        raise RunconfigError(
            f"the snapshot holds no run configuration at its top, but {_list(deeper)}; zip what is in the folder, not the "
            "folder itself"
        )
    raise RunconfigError(
        "the snapshot holds no run configuration: put one into `aml_config/` or `.azureml/`, drop it beside the zip as "
        "`<name>.runconfig` first, or give it in the event"
    )


def _spellings(wanted: str) -> tuple[str, ...]:
    """Where a wanted name may be, in the SDK's order."""
    wanted = wanted.removeprefix("./")
    folders = [f"{folder}/{wanted}" for folder in FOLDERS]
    return (wanted, *folders, *(f"{name}{SUFFIX}" for name in folders), f"{wanted}{SUFFIX}")


def _wanted(wanted: str, present: list[str], candidates: list[str]) -> str:
    first, *others = _spellings(wanted)
    if first in present:
        return first
    found = [name for name in others if name in present]
    if len(found) == 1:
        return found[0]
    if found:
        raise RunconfigError(f"{wanted[:120]!r} may be {_list(found)} of the snapshot; give the path of one")
    there = f"those there are: {_list(candidates)}" if candidates else "there is none in `aml_config/` or `.azureml/`"
    raise RunconfigError(f"the snapshot holds no run configuration {wanted[:120]!r}; {there}")


def _list(names: list[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(name[:120] for name in names[:_LISTED]) + more
