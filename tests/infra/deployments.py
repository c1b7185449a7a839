"""The deployments that the tests look at."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tests.infra.bicep import Evaluation, Resource, evaluate

HOUSE: Final = Path(__file__).parents[2]
INFRA: Final = HOUSE / "infra"
FILES: Final = sorted(INFRA.rglob("*.bicep"))
SIZES: Final = ("small", "large")


def parameters(path: Path, **values: str) -> dict[str, Any]:
    """A file of parameters; ``${NAME=default}`` is filled in as azd does it."""
    found = json.loads(path.read_text())["parameters"]
    return {name: _filled(entry["value"], values) for name, entry in found.items()}


def _filled(value: Any, values: Mapping[str, str]) -> Any:
    if not isinstance(value, str) or not value.startswith("${"):
        return value
    name, _, default = value[2:-1].partition("=")
    return values.get(name, default)


def deployed(size: str = "small", overlay: Mapping[str, str] | None = None, **more: Any) -> Evaluation:
    """The application, by one of the files of parameters."""
    given = parameters(
        INFRA / "parameters" / f"{size}.json",
        AZURE_ENV_NAME="dev",
        AZURE_LOCATION="westeurope",
        AZURE_PRINCIPAL_ID="5f1c",
        RUNYARD_ALERT_EMAIL="runs@example.org",
    )
    return evaluate(INFRA / "main.bicep", {**given, **more}, overlay)


def subscribed(overlay: Mapping[str, str] | None = None) -> Evaluation:
    """What the hook deploys once the code is there."""
    given = {"topicName": "topic", "storageName": "storage", "functionAppName": "app"}
    return evaluate(INFRA / "subscription.bicep", given, overlay)


def everything(overlay: Mapping[str, str] | None = None) -> list[Resource]:
    """Every resource that the templates can make, of both sizes, with all that is optional."""
    found = [resource for size in SIZES for resource in deployed(size, overlay, batch=True, registry=True).resources()]
    found += deployed("small", overlay, scaleByQueueLength=True, purgeProtection=True).resources()
    return [*found, *subscribed(overlay).resources()]
