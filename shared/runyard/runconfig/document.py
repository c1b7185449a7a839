"""From a run configuration to the document it is written as: camelCase keys in the SDK's order."""

from __future__ import annotations

from dataclasses import is_dataclass
from functools import cache
from typing import Any

from runyard.runconfig.fields import keys_of
from runyard.runconfig.model import DEFAULT_SCRIPT, RunConfiguration

_CONDA = ("environment", "python", "condaDependencies")


def to_document(config: RunConfiguration, *, full: bool = False, inline: bool = False) -> dict[str, Any]:
    """The document of a run configuration.

    It has every key of release 1.0.85, and of the other releases' keys (and ours) those that say something. Secrets are in
    clear, as the format has them.

    Args:
        config: Only read.
        full: Take every key of every release.
        inline: Take the conda dependencies into it, as a submission does; else only those that a file had inline.
    """
    document: dict[str, Any] = _section(config, full)
    python = document["environment"]["python"]
    if not inline and not has_inline_conda(config):
        python.pop("condaDependencies", None)
    elif python.get("condaDependencies") is not None and inline:
        python["condaDependenciesFile"] = None
    if config.command and config.script == DEFAULT_SCRIPT and "script" not in config.document:
        document["script"] = None  # the two exclude each other, and nobody asked for this one
    return document


def has_inline_conda(config: RunConfiguration) -> bool:
    """Whether the file that it was read from has its conda dependencies inside."""
    found: Any = config.document
    for key in _CONDA:
        if not isinstance(found, dict):
            return False
        found = next((value for name, value in found.items() if name.replace("_", "").lower() == key.lower()), None)
    return isinstance(found, dict)


def from_defaults() -> dict[str, Any]:
    """The document of a run configuration that says nothing."""
    return to_document(RunConfiguration())


def _section(value: Any, full: bool) -> dict[str, Any]:
    cls: type = type(value)
    usual = _usual(cls)
    document = {}
    for name, key, later in keys_of(cls):
        item = getattr(value, name)
        if full or not later or item != getattr(usual, name):
            document[key] = plain(item, full)
    return document


def plain(value: Any, full: bool = False) -> Any:
    """A value with its sections as mappings."""
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if is_dataclass(value):
        return _section(value, full)
    if isinstance(value, dict):
        return {key: plain(item, full) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item, full) for item in value]
    if hasattr(value, "as_dict"):
        return value.as_dict()
    return value.name if hasattr(value, "name") else str(value)  # a compute object as `target`


@cache
def _usual(cls: type) -> Any:
    return cls()
