"""Every key of a run configuration with its value, and whether the file says it or it is a default."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

from runyard.runconfig.convert import fold, merged
from runyard.runconfig.document import to_document
from runyard.runconfig.environment_sections import EnvironmentDefinition
from runyard.runconfig.fields import key_of
from runyard.runconfig.model import RunConfiguration
from runyard.runconfig.paths import inside
from runyard.runconfig.read import Files
from runyard.runconfig.redact import redacted
from runyard.runconfig.tables import Key, table_of
from runyard.runconfig.yaml12 import load

_ENVIRONMENT: Final = "environment"
_CONDA: Final = "environment.python.condaDependencies"


@dataclass(frozen=True, slots=True)
class Setting:
    """A key with its value."""

    key: str
    """With its path: ``environment.python.interpreterPath``."""
    value: object
    """Masked where it is a secret."""
    is_default: bool
    """Whether no file says it."""
    is_masked: bool = False
    """Whether something of the value is not shown."""


def effective(config: RunConfiguration) -> dict[str, Any]:
    """The whole document: every key of every release, and the packages where they are known. Secrets are in clear."""
    document = to_document(config, full=True)
    conda = config.environment.python.conda
    if conda is not None:
        document[_ENVIRONMENT]["python"]["condaDependencies"] = conda.as_dict()
    return document


def settings(config: RunConfiguration, files: Files | None = None) -> list[Setting]:
    """Every key with its value, in the file's order.

    Args:
        config: Only read.
        files: Gives the file that holds the environment, where ``environment`` is its path.

    Raises:
        RunconfigError: if that file cannot be read.
    """
    said = said_keys(config, files)
    document = effective(config)
    shown = dict(flat(redacted(document)))
    clear = dict(flat(document))
    has_packages = config.environment.python.conda is not None
    return [
        Setting(
            key, value, not (is_said(key, said) or (has_packages and key.startswith(_CONDA))), clear.get(key) != value
        )
        for key, value in shown.items()
    ]


def flat(document: object, path: str = "") -> Iterator[tuple[str, object]]:
    """The keys of a document with their paths; lists, and mappings without keys, are values."""
    if isinstance(document, Mapping) and document:
        for key, value in document.items():
            yield from flat(value, f"{path}.{key}" if path else str(key))
    elif path:
        yield path, document


def said_keys(config: RunConfiguration, files: Files | None = None) -> frozenset[str]:
    """The keys that the file says, in their usual spelling; a list or a user's map counts as one.

    Raises:
        RunconfigError: if the file that holds the environment cannot be read.
    """
    said = set(_said(RunConfiguration, config.document, ""))
    environment = next((value for key, value in config.document.items() if fold(key) == _ENVIRONMENT), None)
    place = inside(environment) if isinstance(environment, str) else None
    data = files(place) if files is not None and place is not None else None
    if data is not None and place is not None:
        said.discard(_ENVIRONMENT)
        document = load(data, place)
        said.update(_said(EnvironmentDefinition, document, f"{_ENVIRONMENT}.") if isinstance(document, dict) else ())
    return frozenset(said)


def _said(cls: type, document: Mapping[str, Any], path: str) -> Iterator[str]:
    table, names = table_of(cls), {field.name: key_of(field) for field in fields(cls)}
    for key, value in (merged(document) if "<<" in document else document).items():  # type: ignore[arg-type]
        known: Key | None = table.get(key) or table.get(fold(key))
        if known is None or (value is None and not known.nullable):
            continue
        place = path + names[known.field]
        if known.section is None or not isinstance(value, dict):
            yield place
        elif known.many == "dict":
            for name, item in value.items():
                yield from _said(known.section, item, f"{place}.{name}.") if isinstance(item, dict) else (place,)
        else:
            yield from _said(known.section, value, f"{place}.")


def is_said(key: str, said: frozenset[str]) -> bool:
    """Whether the key, or a map that it is in, is among those."""
    if key in said:
        return True
    at = key.rfind(".")
    while at > 0:
        if key[:at] in said:
            return True
        at = key.rfind(".", 0, at)
    return False
