"""What the app imports in Azure is in requirements.txt, and what one machine alone needs is not."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

HERE = Path(__file__).parents[2]
LOAD = """
import sys

class Missing:  # as where only the requirements are installed
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in MISSING:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
sys.path[:0] = ["shared", "."]
import function_app
import pkgutil, importlib, runyard.services.azure, runyard.stores.azure.entra, runyard.stores.courier
for package in ("accept", "api", "dispatch", "watch", "finalize", "reconcile", "notify", "schedule", "stores.azure"):
    path = importlib.import_module(f"runyard.{package}").__path__
    for each in pkgutil.walk_packages(path, f"runyard.{package}."):
        importlib.import_module(each.name)
import azure.identity, azure.keyvault.secrets, azure.servicebus, azure.storage.blob, azure.data.tables
import multipart, python_multipart, httpx, ruamel.yaml
print(*sorted(sys.modules))
"""


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def installed_with(requirements: list[str]) -> set[str]:
    """The distributions that pip installs for these requirements."""
    found: set[str] = set()
    todo = [Requirement(line) for line in requirements]
    while todo:
        wanted = todo.pop()
        key = plain(wanted.name)
        first = key not in found
        found.add(key)
        if first or wanted.extras:
            for line in requires(wanted.name) or []:
                each = Requirement(line)
                extras = wanted.extras or {""}
                if each.marker is None or any(each.marker.evaluate({"extra": extra}) for extra in extras):
                    todo.append(Requirement(f"{each.name}[{','.join(each.extras)}]" if each.extras else each.name))
    return found


def test_everything_that_the_app_imports_is_required() -> None:
    lines = (HERE / "requirements.txt").read_text().splitlines()
    named = [line for line in lines if line and not line.startswith("#")]
    there = installed_with(named)
    of = packages_distributions()
    missing = {top for top, names in of.items() if top != "runyard" and not there & {plain(each) for each in names}}
    assert {"typer", "uvicorn", "pytest"} <= missing
    code = f"MISSING = {missing!r}\n{LOAD}"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=HERE, check=False, capture_output=True, text=True)
    assert "" == loaded.stderr[-1000:]
    assert {"fastapi", "msgspec", "jwt", "azure.servicebus"} <= set(loaded.stdout.split())
    assert not {"uvicorn", "typer", "inotify-simple"} & {plain(Requirement(line).name) for line in named}


def test_bounds_are_those_of_the_package() -> None:
    """One that is lower here lets the app have what the library does not work with."""
    project = tomllib.loads((HERE / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    lines = [*project["dependencies"], *extras["azure"], *extras["telemetry"], *extras["telemetry-azure"]]
    bounds = {plain(each.name): str(each.specifier) for each in map(Requirement, lines)}
    named = [line for line in (HERE / "requirements.txt").read_text().splitlines() if line and not line.startswith("#")]
    of_app = {plain(each.name): str(each.specifier) for each in map(Requirement, named)}
    assert {name: bounds[name] for name in of_app if name in bounds} == {
        name: bound for name, bound in of_app.items() if name in bounds
    }


TELEMETRY = """
import os, sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.startswith("opentelemetry.exporter"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
sys.path[:0] = ["shared", "."]
import function_app
from runyard import telemetry
print(telemetry.on(), telemetry.system() if telemetry.on() else "-")
sys.stdout.flush()
os._exit(0)
"""
ADDRESSES = {
    "Storage__blobServiceUri": "https://yard.blob.core.windows.net",
    "Storage__tableServiceUri": "https://yard.table.core.windows.net",
    "ServiceBus__fullyQualifiedNamespace": "yard.servicebus.windows.net",
    "KeyVault__vaultUri": "https://yard.vault.azure.net",
}
INSIGHTS = "InstrumentationKey=00000000-0000-0000-0000-000000000000;IngestionEndpoint=https://127.0.0.1:1/"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({**ADDRESSES, "APPLICATIONINSIGHTS_CONNECTION_STRING": INSIGHTS}, "True servicebus"),
        (ADDRESSES, "False -"),
        ({"APPLICATIONINSIGHTS_CONNECTION_STRING": INSIGHTS}, "False -"),
    ],
    ids=["in Azure", "in Azure without its settings", "on one machine, whose host begins it"],
)
def test_loading_the_app_begins_telemetry_with_what_is_required(settings: dict[str, str], said: str) -> None:
    settings = {**settings, "APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL": "true", "PATH": "/usr/bin:/bin"}
    begun = subprocess.run(
        [sys.executable, "-c", TELEMETRY],
        cwd=HERE,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        env=settings,
    )
    assert said == begun.stdout.strip(), begun.stderr[-1000:]
