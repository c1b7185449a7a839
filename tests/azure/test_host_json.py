"""What the app's host.json says, and that the docs explain each of its keys."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from runyard.host.app import read_host_json
from runyard.stores.azure.settings import SETTINGS

HERE = Path(__file__).parents[2]
PAGE = (HERE / "docs" / "azure" / "functions.md").read_text()


def leaves(document: dict[str, Any]) -> set[str]:
    found: set[str] = set()
    for key, value in document.items():
        inner = value if isinstance(value, dict) and key not in {"logLevel", "samplingSettings"} else None
        found |= {key} if inner is None else leaves(inner)
    return found


def test_every_key_is_explained() -> None:
    document = json.loads((HERE / "host.json").read_text())
    assert set() == {key for key in leaves(document) - {"version"} if f"| `{key}` |" not in PAGE}


def test_every_setting_is_explained() -> None:
    assert set() == {name for name in SETTINGS if f"`{name}`" not in PAGE}


def test_a_lock_lasts_as_long_as_a_function_may() -> None:
    document = json.loads((HERE / "host.json").read_text())
    bus = document["extensions"]["serviceBus"]
    assert document["functionTimeout"] == bus["maxAutoLockRenewalDuration"]
    assert (0, True) == (bus["prefetchCount"], bus["autoCompleteMessages"])
    assert (16, 300.0) == (read_host_json(HERE / "host.json").concurrency, read_host_json(HERE / "host.json").lock)


def test_the_example_settings_are_enough_to_open_the_services() -> None:
    from runyard.stores.azure.settings import azure_settings

    values = json.loads((HERE / "local.settings.example.json").read_text())["Values"]
    assert azure_settings(values).storage_connection
