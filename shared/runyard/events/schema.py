"""The submission's JSON schema, as it is published: ``python -m runyard.events.schema [PATH]`` writes it."""

from __future__ import annotations

import json
from typing import Any, Final

from runyard.events.published import publish
from runyard.events.submission import CONTAINER, Submission

PUBLISHED: Final = "docs/schemas/submission.json"


def submission_schema() -> dict[str, Any]:
    """The JSON schema (draft 2020-12) of a submission, with a description of each field."""
    schema = Submission.model_json_schema(by_alias=True)
    snapshot = schema["properties"]["snapshot"]
    pattern = f"{CONTAINER.rstrip('$')}/."
    schema["properties"]["snapshot"] = {
        "anyOf": [{"type": "string", "pattern": pattern}, {"$ref": "#/$defs/SnapshotPart"}],
        "description": snapshot["description"],
    }
    for part in (schema, *schema["$defs"].values()):
        for field in part.get("properties", {}).values():
            field.pop("title", None)  # pydantic's, made of the name
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def schema_text() -> str:
    """The schema as the published file holds it."""
    return json.dumps(submission_schema(), indent=2) + "\n"


def main() -> None:
    """Write the schema to the path given, else to :data:`PUBLISHED` below the current folder."""
    publish(schema_text(), PUBLISHED)


if __name__ == "__main__":
    main()
