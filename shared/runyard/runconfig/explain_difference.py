"""In what two run configurations differ by what they mean; how they are spelled, and in which file what stands, does not count."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from runyard.runconfig.document import to_document
from runyard.runconfig.explain_keys import flat, is_said, said_keys
from runyard.runconfig.meaning import Meaning, meaning
from runyard.runconfig.model import RunConfiguration
from runyard.runconfig.redact import redacted


class _Absent:
    """Stands for a key that one of the two does not have."""

    def __repr__(self) -> str:
        return "(absent)"


ABSENT: Final = _Absent()

_RESOLVED: Final = ("batchai",)
"""Sections whose meaning other keys carry."""
_COUNTS: Final = (("mpi", "nodeCount"), ("pytorch", "nodeCount"))
_MOVED: Final = ("enabled", "sharedVolumes", "shmSize", "arguments")
"""Of ``environment.docker``: what 1.25 moved to ``docker``."""


_USED: Final[dict[str, Callable[[Meaning], bool]]] = {
    "environment.name": lambda _: False,
    "environment.python.condaDependenciesFile": lambda _: False,
    "environment.docker.": lambda meant: meant.container,
    "docker.": lambda meant: meant.container,
    "environment.spark.": lambda meant: meant.framework == "PySpark",
    "tensorflow.": lambda meant: meant.framework == "TensorFlow",
    "amlcompute.": lambda meant: meant.target == "amlcompute",
}
"""Keys by their beginnings, and which runs use them."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A key whose value is not the same."""

    key: str
    old: object
    """Masked where it is a secret; :data:`ABSENT` if there is no such key."""
    new: object
    is_masked: bool
    """Whether the two only look alike because they are masked."""


def differences(one: RunConfiguration, other: RunConfiguration) -> list[Difference]:
    """The keys that differ, in the file's order. The packages must be attached where they are to be compared.

    Where neither file says a key, and only the defaults of their eras differ, it counts if the run uses it.
    """
    documents = _resolved(one), _resolved(other)
    if all(_has_packages(document) for document in documents):
        for document in documents:
            document["environment"]["python"].pop("condaDependenciesFile")
    old, new = (dict(flat(document)) for document in documents)
    old_shown, new_shown = (dict(flat(redacted(document))) for document in documents)
    said = said_keys(one) | said_keys(other)
    idle = tuple(key for key, is_used in _USED.items() if not (is_used(meaning(one)) or is_used(meaning(other))))
    found = []
    for key in dict.fromkeys([*old, *new]):
        if old.get(key, ABSENT) == new.get(key, ABSENT) or _is_parent(key, old, new):
            continue
        if key.startswith(idle) and not is_said(key, said) and not is_said(f"environment.{key}", said):
            continue
        shown = old_shown.get(key, ABSENT), new_shown.get(key, ABSENT)
        found.append(Difference(key, *shown, is_masked=shown[0] == shown[1]))
    return found


def _is_parent(key: str, old: dict[str, object], new: dict[str, object]) -> bool:
    """Whether it is an empty mapping here, and its keys are listed there."""
    return any(
        one.get(key) in ({}, None) and any(name.startswith(f"{key}.") for name in other)
        for one, other in ((old, new), (new, old))
    )


def _has_packages(document: dict[str, Any]) -> bool:
    return document["environment"]["python"]["condaDependencies"] is not None


def _resolved(config: RunConfiguration) -> dict[str, Any]:
    """The document with old spellings in the newest words."""
    meant = meaning(config)
    document = to_document(config, full=True)
    document.update(
        target=meant.target,
        framework=meant.framework,
        communicator=meant.communicator,
        nodeCount=meant.node_count,
    )
    for key in _RESOLVED:
        document.pop(key, None)
    for section, key in _COUNTS:
        document[section].pop(key, None)
    inner, outer = document["environment"]["docker"], document["docker"]
    if not config.docker.use_docker:
        outer.update((key, inner[key]) for key in _MOVED if key in outer)
    outer["useDocker"] = meant.container
    for key in _MOVED:
        inner.pop(key, None)
    conda = config.environment.python.conda
    document["environment"]["python"]["condaDependencies"] = None if conda is None else conda.normalised()
    return document
