"""The JSON schema of the data of an ending's event: ``python -m runyard.events.endings_schema [PATH]`` writes it."""

from __future__ import annotations

import json
from typing import Any, Final, TypedDict

import msgspec

from runyard.events.published import publish
from runyard.runs.summary import RunSummary

PUBLISHED: Final = "docs/schemas/run-ended.json"


class Links(TypedDict):
    """Paths at the service that tells it."""

    run: str
    logs: str
    metrics: str


class RunEnded(RunSummary, TypedDict, total=False):
    """A run that has ended: the fields of GET /api/runs/{id}, and where more of it is."""

    snapshotUri: str
    links: Links
    truncated: list[str]


def endings_schema() -> dict[str, Any]:
    """The JSON schema (draft 2020-12) of the data."""
    (schema,), parts = msgspec.json.schema_components([RunEnded], ref_template="#/$defs/{name}")
    body = parts.pop("RunEnded")
    assert schema == {"$ref": "#/$defs/RunEnded"}
    figures = parts["MetricShape"]["properties"]
    for name in ("last", "min", "max"):  # JSON has no NaN
        figures[name] = {"anyOf": [figures[name], {"type": "null"}]}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **body, "$defs": parts}


def schema_text() -> str:
    """The schema as the published file holds it."""
    return json.dumps(endings_schema(), indent=2) + "\n"


def main() -> None:
    """Write the schema to the path given, else to :data:`PUBLISHED` below the current folder."""
    publish(schema_text(), PUBLISHED)


if __name__ == "__main__":
    main()
