"""Canaries: a value of its own in every place where a secret may be, and where each may be found.

A new place is one more line in :data:`IN_RUNCONFIG` or :data:`IN_SUBMISSION`; a file of the user's own is one in :data:`THEIR_OWN`.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

Fragment = Mapping[str, Any]
HERE: Final = "HERE"
"""Where the canary goes in a fragment."""

IN_RUNCONFIG: Final[Mapping[str, Fragment]] = {
    "password of the image's registry": {
        "environment": {"docker": {"baseImageRegistry": {"username": "me", "password": HERE}}}
    },
    "index URL with credentials": {
        "environment": {
            "python": {
                "condaDependencies": {"dependencies": [{"pip": [f"--index-url https://me:{HERE}@127.0.0.1:1/simple"]}]}
            }
        }
    },
    "channel with a token": {
        "environment": {"python": {"condaDependencies": {"channels": [f"https://127.0.0.1:1/t/{HERE}/main"]}}}
    },
    "variable with a telling name": {"environment": {"environmentVariables": {"DB_PASSWORD": HERE}}},
    "variable at run time": {"environmentVariables": {"SERVICE_API_KEY": HERE}},
    "URL in a variable": {"environmentVariables": {"DATABASE": f"postgresql://me:{HERE}@db/x"}},
    "variable that is marked": {"environmentVariables": {"PLAIN": HERE}, "runyard": {"secret_variables": ["PLAIN"]}},
    "argument after its flag": {"arguments": ["--password", HERE]},
    "argument with its flag": {"arguments": [f"--token={HERE}"]},
    "connection string": {"arguments": [f"AccountName=a;AccountKey={HERE};EndpointSuffix=e"]},
    "key of a package repository": {
        "environment": {"spark": {"repositories": [f"https://me:{HERE}@127.0.0.1:1/maven"]}}
    },
    "key that nobody knows": {"somethingOfOurs": {"clientSecret": HERE}},
}
"""What a run configuration carries, inline or in the snapshot."""

IN_SUBMISSION: Final[Mapping[str, Fragment]] = {
    "variable of the event": {"environmentVariables": {"EVENT_TOKEN": HERE}},
    "variable of the event that is marked": {
        "environmentVariables": {"EVENT_PLAIN": HERE},
        "secretVariables": ["EVENT_PLAIN"],
    },
    "tag": {"tags": {"access-token": HERE}},
    "name for showing": {"displayName": f"run with password={HERE}"},
}
"""What an event says beside that."""

THEIR_OWN: Final = ("snapshots/", "uploads/", "local/work/")
"""Files of the user's under the root: the zips as they came, and what is unpacked of them while a script runs."""
KEEPERS: Final = ("secrets/", "host.json")
"""Where secrets are kept: by name and by nobody else (0600)."""


@dataclass
class Canaries:
    """All that were set, by place."""

    values: dict[str, str] = field(default_factory=dict)

    def new(self, place: str) -> str:
        """Another canary."""
        value = self.values[place] = f"cnry{len(self.values):03}{secrets.token_hex(8)}"
        return value

    def fill(self, fragments: Mapping[str, Fragment], where: str) -> dict[str, Any]:
        """The fragments in one document, each with a canary of its own."""
        made: dict[str, Any] = {}
        for what, fragment in fragments.items():
            made = merged(made, filled(fragment, self.new(f"{what} ({where})")))
        return made

    def found_in(self, data: bytes) -> list[str]:
        """The places whose canaries are in it."""
        return [place for place, value in self.values.items() if value.encode() in data]

    def under(self, root: Path) -> dict[str, list[str]]:
        """Every file under the root that holds any, and is none of those that may."""
        found = {}
        for path in sorted(root.rglob("*")):
            name = str(path.relative_to(root))
            if path.is_file() and not name.startswith((*THEIR_OWN, *KEEPERS)):
                found[name] = self.found_in(name.encode() + path.read_bytes())
        return {name: places for name, places in found.items() if places}

    def open_keepers(self, root: Path) -> list[str]:
        """Keepers of secrets that others than their owner may read."""
        names = [path for path in root.rglob("*") if str(path.relative_to(root)).startswith(KEEPERS)]
        return [str(path) for path in names if path.stat().st_mode & 0o077]


def merged(first: Any, second: Any) -> Any:
    """Two documents as one: mappings by key, lists end to end."""
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        keys = dict.fromkeys((*first, *second))
        return {
            key: merged(first[key], second[key]) if key in first and key in second else first.get(key, second.get(key))
            for key in keys
        }
    return [*first, *second] if isinstance(first, list) and isinstance(second, list) else second


def filled(fragment: Any, value: str) -> Any:
    """The fragment with the canary in it."""
    if isinstance(fragment, Mapping):
        return {key: filled(item, value) for key, item in fragment.items()}
    if isinstance(fragment, list):
        return [filled(item, value) for item in fragment]
    return fragment.replace(HERE, value) if isinstance(fragment, str) else fragment


def texts(document: Any) -> Iterator[str]:
    """Every text in a document."""
    if isinstance(document, Mapping):
        for item in document.values():
            yield from texts(item)
    elif isinstance(document, (list, tuple)):
        for item in document:
            yield from texts(item)
    elif isinstance(document, str):
        yield document


def marks(values: list[str]) -> list[str]:
    """What a script writes of values that it must not print: their digests."""
    return [hashlib.sha256(value.encode()).hexdigest() for value in values]
