"""The bodies in which the SDK and the service carried run configurations, and the service's own spelling of them.

What is read, all seen in public: ``definition.json``, which the SDK posts to start a run (``TargetDetails``,
``Configuration``, ``TelemetryValues`` and, by release and kind of run, ``ParentRunId`` and ``SnapshotId``; in the published
examples of the REST interface, in camelCase under ``definition``); a run's details (``runDefinition``); the body of a HyperDrive
sweep (``platform_config.Definition.Overrides``); ``azureml-setup/runconfig.json``, which is the run configuration alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from runyard.errors import RunconfigError
from runyard.runconfig import convert
from runyard.runconfig.compute_file import as_settings, from_mapping, is_type, notes_on
from runyard.runconfig.folded import Folded, beneath, copied, put
from runyard.runconfig.model import COMMUNICATORS, FRAMEWORKS
from runyard.runconfig.workbench import TARGET_DETAILS, is_workbench
from runyard.runconfig.yaml12 import load

_WRAPPERS: Final = ("configuration", "runDefinition", "overrides", "definition", "platformConfig")
"""The keys that hold the run configuration or another such mapping, the nearest to it first."""

_SIGNS: Final = frozenset({"script", "arguments", "command", "argumentvector", "framework"})
"""The keys (folded) that a run configuration has and no wrapper does."""

_OF_A_RUN: Final = frozenset({"runid", "status"})
"""The keys (folded) that a run's details have together."""

_MOST: Final = 6
"""Mappings inside one another; a sweep's body has four."""


_SERVICE: Final = frozenset({"useabsolutepath", "jobname", "instancetypes"})
"""The keys (folded) that only the service writes."""

_SERVICE_ONLY: Final = _SERVICE | {
    "maxnodecount",
    "identity",
    "aisupercomputer",
    "cmk8scompute",
    "commandreturncodeconfig",
    "exposedports",
    "parameters",
}
"""Those, and what stands beside them and means nothing here."""

_UNSET: Final = (("mpi", "processcountpernode"), ("tensorflow", "workercount"), ("tensorflow", "parameterservercount"))
"""Where the service writes 0 for what was never set."""


@dataclass(frozen=True, slots=True)
class _Enumeration:
    """A key whose words the service may write as numbers."""

    path: tuple[str, ...]
    """Folded; ``*`` is any key."""
    words: tuple[str, ...]
    known: Mapping[int, str] = field(default_factory=dict)
    """The numbers whose word is known."""
    unless: tuple[str, str] | None = None
    """0 is not set, unless this key begins with this text (both folded)."""


_ENUMERATIONS: Final = (
    _Enumeration(("framework",), FRAMEWORKS, {0: "Python"}),
    _Enumeration(("communicator",), COMMUNICATORS, {0: "None"}),
    _Enumeration(("hdi", "yarndeploymode"), ("cluster", "client", "None"), unless=("framework", "pyspark")),
    _Enumeration(("pytorch", "communicationbackend"), ("nccl", "gloo"), unless=("framework", "pytorch")),
    _Enumeration(("amlcompute", "vmpriority"), ("dedicated", "lowpriority"), unless=("target", "amlcompute")),
    _Enumeration(("datareferences", "*", "mode"), ("mount", "download", "upload")),
    _Enumeration(("data", "*", "mechanism"), ("direct", "mount", "download", "upload")),
    _Enumeration(("outputdata", "*", "mechanism"), ("mount", "upload")),
)


def unwrap(document: object, name: str) -> tuple[dict[str, Any], list[str]]:
    """The run configuration inside a body; one that stands alone is returned as it is.

    Enumerations that the service wrote as numbers are words in the result. What a body's ``TargetDetails`` (the target's
    ``.compute`` file) says fills in what the run configuration leaves open.

    Returns:
        The run configuration, and notes: one sentence each.

    Raises:
        RunconfigError: if there is none, or a number is not known.
    """
    notes: list[str] = []
    details: tuple[object, str] | None = None
    path = ""
    for _ in range(_MOST):
        if isinstance(document, dict) and _is_configuration(document):
            body = document
            break
        keys = Folded(document, name, path, "a run configuration is a mapping with keys such as `script` and `target`")
        body = keys.document
        if _is_configuration(body) or (inner := _inner(keys)) is None:
            break
        found = keys.spelled(TARGET_DETAILS)
        if found is not None and keys.document[found] is not None:
            details = keys.document[found], f"{path}{found}."
        document, path = inner[1], f"{path}{inner[0]}."
    else:
        raise RunconfigError(
            f"{name}: {path[:120]} is nested more than {_MOST} deep; a body holds one run configuration"
        )
    if details is not None:
        body = _with_details(body, *details, name, notes)
    if is_workbench(body):
        return body, notes
    return decode_enums(_of_the_service(body, name, notes), name), notes


def decode_enums(body: dict[str, Any], name: str) -> dict[str, Any]:
    """A run configuration with its enumerations as words, where the service wrote them as numbers.

    Public files establish two numbers: submission bodies in TitleCase have ``"Framework": 0`` and ``"Communicator": 0`` where
    the same run's details have ``Python`` and ``None``. What a number above 0 means is not documented anywhere, and the order
    of the words in the REST interface's description proves nothing of it. In a section that the run does not use, 0 is
    what a field holds that was never set; it is left out.

    Returns:
        The run configuration; the same, if it has no numbers.

    Raises:
        RunconfigError: naming the key, the number and the words that are allowed.
    """
    folded = {convert.fold(key) for key in body}
    for each in _ENUMERATIONS:
        if each.path[0] in folded:
            body = _changed(body, each.path, "", _decoder(each, body, name))
    return body


_Change = Callable[[dict[str, Any], str, str], object]
"""Takes a mapping, one of its keys, and what stands before it; gives the key's value anew."""


def _decoder(enumeration: _Enumeration, body: dict[str, Any], name: str) -> _Change:
    def decode(document: dict[str, Any], key: str, path: str) -> object:
        value = document[key]
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return value
        if value in enumeration.known:
            return enumeration.known[int(value)]
        if value == 0 and enumeration.unless is not None and not _says(body, *enumeration.unless):
            return None
        known = " and ".join(f"{number} ({word})" for number, word in enumeration.known.items())
        what = f"is {convert.describe(value)}; it must be one of {', '.join(enumeration.words)}"
        meaning = (
            f"of the service's numbers only {known} is known" if known else "the service's numbers are not documented"
        )
        raise Folded(document, name, path).error(key, f"{what} ({meaning})")

    return decode


def _changed(document: Any, path: tuple[str, ...], before: str, change: _Change) -> Any:
    """A mapping in which the value at a path is changed; the same one, if it stays equal. Other values stay as they are."""
    if not isinstance(document, dict):
        return document
    result = document
    for key, value in document.items():
        if path[0] not in {"*", convert.fold(key)}:
            continue
        new = _changed(value, path[1:], f"{before}{key[:60]}.", change) if path[1:] else change(document, key, before)
        if new is not value:
            result = copied(document) if result is document else result
            result[key] = new
    return result


def _says(body: dict[str, Any], wanted: str, begins: str) -> bool:
    return any(
        convert.fold(key) == wanted and convert.fold(str(value)).startswith(begins) for key, value in body.items()
    )


def _is_configuration(document: dict[str, Any]) -> bool:
    return any(convert.fold(key) in _SIGNS for key in document)


def _inner(keys: Folded) -> tuple[str, object] | None:
    """The key that holds the run configuration, or what it is in, and its value."""
    empty = None
    for wrapper in _WRAPPERS:
        key = keys.spelled(wrapper)
        if key is None:
            continue
        value = keys.document[key]
        if value is None:
            empty = empty or key
        elif isinstance(value, str) and value.lstrip().startswith("{"):
            return key, load(
                value.encode(), f"{keys.name}, {keys.path}{key}"
            )  # older bodies of sweeps have a text of JSON
        else:
            return key, value
    if empty is not None:
        raise keys.error(
            empty, "is null, so there is no run configuration in it; if it is a sweep's, take one of its runs'"
        )
    if {convert.fold(key) for key in keys.document} >= _OF_A_RUN:
        raise RunconfigError(
            f"{keys.name} has the details of a run and no runDefinition; there is no run configuration in it"
        )
    return None


def _with_details(body: dict[str, Any], details: object, path: str, name: str, notes: list[str]) -> dict[str, Any]:
    """The run configuration with what the body says of its target."""
    if is_workbench(body):
        result = copied(body)
        put(result, TARGET_DETAILS, details)
        return result
    kind = Folded(details, name, path).value("type")
    if isinstance(kind, str) and not is_type(kind):
        notes.append(f"{name}: {path}type is {kind[:60]!r}, which is not known; what it says of the target is ignored")
        return body
    compute = from_mapping(details, name, path)
    target = next((value for key, value in body.items() if convert.fold(key) == "target"), None)
    notes += notes_on(compute, target if isinstance(target, str) else "local")
    return beneath(body, as_settings(compute))


def _of_the_service(body: dict[str, Any], name: str, notes: list[str]) -> dict[str, Any]:
    """A run configuration without what only the service writes and knows."""
    if not any(convert.fold(key) in _SERVICE for key in body):
        return body
    for path in _UNSET:
        body = _changed(body, path, "", lambda document, key, _: None if document[key] == 0 else document[key])
    body = copied(body)
    dropped = [key for key in body if convert.fold(key) in _SERVICE_ONLY]
    saying = [key for key in dropped if body.pop(key) not in (None, False, [], {})]
    if saying:
        notes.append(f"{name}: {', '.join(saying)} only mean something to the service and are ignored")
    return body
