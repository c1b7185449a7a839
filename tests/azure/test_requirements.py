"""What the app imports in Azure is in requirements.txt, and what one machine alone needs is not."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import packages_distributions, requires
from pathlib import Path

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
