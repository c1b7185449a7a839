"""The normal form of a conda document: what identifies an environment, and what may be shown of it."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from runyard.environment.conda_document import Document, pip_lists
from runyard.environment.conda_options import options_of
from runyard.environment.conda_pip import canonical_pip, is_option, parse_entry
from runyard.environment.conda_secrets import mask_url_credentials
from runyard.environment.specification import canonical_conda
from runyard.runconfig.redact import redacted as without_secrets


def normalised(document: Document) -> dict[str, Any]:
    """The document reduced to what decides which packages are installed, written in one way.

    Equal for documents that differ in comments, order of packages or keys, ``name``, ``prefix``, blanks, casing of names,
    repeated lines, and keys that conda does not know. Different where channels or their order, pip's options or their
    order, versions, builds, extras, markers, links, or ``variables`` differ. It is itself a conda document.
    """
    packages = [item for item in document.get("dependencies", []) if isinstance(item, str)]
    dependencies: list[object] = [*sorted(set(map(canonical_conda, packages)))]
    entries = [entry for entries in pip_lists(document) for entry in entries]
    wanted = sorted({parse_entry(entry).canonical for entry in entries if not is_option(entry)})
    options = _without_repeats([canonical_pip(entry) for entry in entries if is_option(entry)])
    if wanted or options:
        dependencies.append({"pip": [*options, *wanted]})
    result: dict[str, Any] = {
        "channels": list(dict.fromkeys(channel.strip() for channel in document.get("channels", []))),
        "dependencies": dependencies,
    }
    variables = document.get("variables")
    if variables:
        result["variables"] = dict(sorted(variables.items()))
    return result


def _without_repeats(options: list[str]) -> list[str]:
    """The options without lines that repeat the last of the same name: a later, other value would matter."""
    last: dict[str, str] = {}
    kept = []
    for option in options:
        name = options_of(option)[0].name
        if last.get(name) != option:
            kept.append(option)
        last[name] = option
    return kept


def canonical_bytes(document: Document) -> bytes:
    """The normal form as bytes: JSON in ASCII, keys sorted, no blanks."""
    return json.dumps(normalised(document), sort_keys=True, separators=(",", ":")).encode()


def digest(document: Document) -> str:
    """SHA-256 of the normal form, in hexadecimal. Credentials in URLs count: it is not for showing that they differ."""
    return hashlib.sha256(canonical_bytes(document)).hexdigest()


def redacted(document: Document) -> Document:
    """A copy with the credentials in URLs and the secrets among ``variables`` masked, for showing."""
    masked = without_secrets({key: _masked(value) for key, value in document.items()})
    assert isinstance(masked, dict)
    return masked


def _masked(value: object) -> object:
    if isinstance(value, str):
        return mask_url_credentials(value)
    if isinstance(value, list):
        return [_masked(each) for each in value]
    if isinstance(value, dict):
        return {key: _masked(each) for key, each in value.items()}
    return value
