"""On which compute a run configuration would run."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from runyard.cli.context import connect, root_of
from runyard.computes.catalog import DEFAULT, MAGIC
from runyard.errors import RunyardError
from runyard.runconfig.compute_file import ComputeFile, parse_compute_file
from runyard.runconfig.explain import Place
from runyard.runconfig.locate import FOLDERS
from runyard.runconfig.redact import redacted_text
from runyard.targets.registry import known_kinds

_OWN: Final = {"name": DEFAULT, "kind": "local", "aliases": [], "paused": False}
"""The compute that every root has."""


@dataclass(slots=True)
class Where:
    """What a target means in a root. Nothing in it is a secret."""

    target: str
    compute: str | None = None
    """``None`` if there is none."""
    kind: str | None = None
    """Of the compute; else the one that the target needs, where that can be told."""
    sentence: str = ""
    command: str | None = None
    """That makes the compute, or gives the target a meaning."""
    problem: str | None = None


def where(target: str, framework: str, place: Place, root: Path | None) -> Where:
    """Look for the compute that a target means.

    Args:
        target: As the run configuration, or ``--target``, says it.
        framework: Of the run configuration.
        place: Where a ``.compute`` file of this name may be.
        root: The root to look in.
    """
    wanted = target or DEFAULT
    found = Where(wanted)
    folder = root_of(root)
    try:
        computes = _computes(folder)
    except RunyardError as error:
        computes, found.problem = (
            [_OWN],
            redacted_text(f"the computes of {folder} cannot be looked up: {error.message}"),
        )
    for compute in computes:
        known = {str(alias).lower() for alias in compute["aliases"]}
        if compute["name"] == wanted or wanted.lower() in known:
            return _is_there(found, compute)
    return _is_missing(found, computes, framework, _described(wanted, place))


def _computes(folder: Path) -> Sequence[Any]:
    """Those of a root; a root that is not there yet has one, and stays not there."""
    if not folder.exists():
        return [_OWN]
    with connect(folder) as client:
        return client.computes.list()


def _is_there(found: Where, compute: Any) -> Where:
    found.compute, found.kind = compute["name"], compute["kind"]
    alias = "" if found.target == found.compute else f" (an alias of {found.compute})"
    paused = ", which is paused" if compute["paused"] else ""
    found.sentence = f"{found.target}{alias}: a compute of kind {found.kind}{paused}"
    return found


def _is_missing(found: Where, computes: Sequence[Any], framework: str, described: ComputeFile | None) -> Where:
    kinds = known_kinds()
    kind = described.kind() if described is not None else None
    found.kind = kind = kind or MAGIC.get(found.target.lower()) or ("livy" if framework == "PySpark" else None)
    name = shlex.quote(found.target[:80])
    made = described.add_command(found.target) if described is not None else None
    there = ", ".join(str(compute["name"]) for compute in computes)
    if kind is not None and kind not in kinds:
        what = f"it needs a compute of kind {kind}, which this version does not have"
        found.command = f"runyard compute alias {name} {DEFAULT}"
    elif kind is not None:
        what = f"it needs a compute of kind {kind}, and there is none of this name"
        found.command = made or f"runyard compute set {name} --kind {kind}"
    else:
        what = "there is no compute of this name"
        found.command = f"runyard compute alias {name} {DEFAULT}"
    found.sentence = f"{found.target}: {what} (there are: {there})"
    meaning = "let it mean one that is there" if found.command.startswith("runyard compute alias") else "make it"
    found.problem = (
        f"the target {found.target[:80]!r}: {what}; {meaning} with `{found.command}`, or submit with --target"
    )
    return found


def _described(target: str, place: Place) -> ComputeFile | None:
    """What the project's ``.compute`` file of this name says; one that cannot be read says nothing here."""
    for folder in FOLDERS:
        name = f"{folder}/{target}.compute"
        data = place.read(name) if "/" not in target else None
        if data is not None:
            try:
                return parse_compute_file(data, name)
            except RunyardError:
                return None
    return None
