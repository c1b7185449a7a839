"""What azd reads: its file, the parameters, the tags by which it finds things, the package, and the hook with az played."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from pathspec import GitIgnoreSpec

from tests.infra.deployments import HOUSE, INFRA, SIZES, deployed

HOOK = INFRA / "hooks" / "postdeploy.sh"
VARIABLES = {
    "AZURE_SUBSCRIPTION_ID": "sub",
    "AZURE_RESOURCE_GROUP": "rg-dev",
    "RUNYARD_FUNCTION_APP": "func",
    "RUNYARD_STORAGE_ACCOUNT": "strun",
    "RUNYARD_EVENT_TOPIC": "evgt",
    "RUNYARD_URL": "https://func.example",
    "RUNYARD_HOOK_PAUSE": "0",
    "RUNYARD_HOOK_TRIES": "3",
}


def az(folder: Path, *, known: bool = True, appears_after: int = 0) -> Path:
    """An ``az`` that notes what it was asked."""
    program = folder / "az"
    program.write_text(
        "#!/bin/sh\n"
        f'echo "$*" >> "{folder}/asked"\n'
        f'case "$*" in "account show"*) exit {0 if known else 1};; '
        f'"functionapp function show"*) [ "$(grep -c "function show" "{folder}/asked")" -gt {appears_after} ];; esac\n'
    )
    program.chmod(0o755)
    return program


def hook(folder: Path, **changed: str) -> subprocess.CompletedProcess[str]:
    environment = {**VARIABLES, "PATH": f"{folder}{os.pathsep}/usr/bin{os.pathsep}/bin", **changed}
    environment = {name: value for name, value in environment.items() if value}
    return subprocess.run(["/bin/sh", str(HOOK)], env=environment, capture_output=True, text=True, check=False)


def asked(folder: Path) -> list[str]:
    path = folder / "asked"
    return path.read_text().splitlines() if path.exists() else []


def test_the_hook_waits_for_the_function_and_subscribes_it(tmp_path: Path) -> None:
    az(tmp_path, appears_after=2)
    done = hook(tmp_path)
    assert done.returncode == 0, done.stderr
    lines = asked(tmp_path)
    assert 3 == sum("function show" in line for line in lines)
    assert lines[-1].startswith("deployment group create --subscription sub --resource-group rg-dev")
    assert lines[-1].endswith("topicName=evgt storageName=strun functionAppName=func")
    (template,) = re.findall(r"--template-file (\S+)", lines[-1])
    assert (INFRA / "subscription.bicep").resolve() == Path(template).resolve()


def test_the_hook_says_when_the_function_does_not_come(tmp_path: Path) -> None:
    az(tmp_path, appears_after=99)
    done = hook(tmp_path)
    assert done.returncode == 1
    assert "blob_created does not show up in func" in done.stderr
    assert not [line for line in asked(tmp_path) if line.startswith("deployment")]


def test_the_hook_says_when_az_is_not_signed_in(tmp_path: Path) -> None:
    az(tmp_path, known=False)
    done = hook(tmp_path)
    assert done.returncode == 1
    assert "az login" in done.stderr
    assert 1 == len(asked(tmp_path))


@pytest.mark.parametrize("name", sorted(set(VARIABLES) - {"RUNYARD_URL", "RUNYARD_HOOK_PAUSE", "RUNYARD_HOOK_TRIES"}))
def test_the_hook_says_which_variable_is_missing(tmp_path: Path, name: str) -> None:
    az(tmp_path)
    done = hook(tmp_path, **{name: ""})
    assert done.returncode != 0
    assert name in done.stderr


def test_the_hook_reads_what_the_templates_put_out() -> None:
    read = set(re.findall(r"\$\{?((?:AZURE|RUNYARD)_[A-Z_]+)", HOOK.read_text()))
    given = {*deployed().outputs, "AZURE_SUBSCRIPTION_ID"}  # azd knows that one itself
    assert {"RUNYARD_HOOK_TRIES", "RUNYARD_HOOK_PAUSE"} == read - given


def test_azd_finds_the_service_by_its_tag() -> None:
    project = yaml.safe_load((HOUSE / "azure.yaml").read_text())
    tagged = {
        resource.body["tags"]["azd-service-name"]: resource
        for resource in deployed().resources()
        if "azd-service-name" in resource.body.get("tags", {})
    }
    assert set(project["services"]) == set(tagged)
    for name, service in project["services"].items():
        assert service["host"] == "function"
        assert tagged[name].type == "Microsoft.Web/sites"
        runtime = tagged[name].body["properties"]["functionAppConfig"]["runtime"]
        assert (service["language"], "3.13") == (runtime["name"], runtime["version"])
    assert (HOUSE / project["infra"]["path"] / f"{project['infra']['module']}.bicep").is_file()
    assert (HOUSE / project["hooks"]["postdeploy"]["run"]).stat().st_mode & 0o111


def test_whatever_can_be_tagged_names_its_environment() -> None:
    tagged = [resource for resource in deployed("large").resources() if "location" in resource.body]
    assert len(tagged) > 10
    for resource in tagged:
        assert resource.body["tags"]["azd-env-name"] == "dev", resource.symbol


def test_azd_deploys_the_small_size() -> None:
    assert (INFRA / "main.parameters.json").read_text() == (INFRA / "parameters" / "small.json").read_text()


@pytest.mark.parametrize("size", SIZES)
def test_every_text_of_a_size_that_azd_fills_in_has_its_variable(size: str) -> None:
    content = json.loads((INFRA / "parameters" / f"{size}.json").read_text())["parameters"]
    filled = {name for name, entry in content.items() if str(entry["value"]).startswith("${")}
    assert {"environmentName", "location", "principalId", "alertEmail"} <= filled


def test_the_package_holds_the_app_and_nothing_else() -> None:
    ignored = GitIgnoreSpec.from_lines((HOUSE / ".funcignore").read_text().splitlines())
    top = {path.name for path in HOUSE.iterdir() if not ignored.match_file(path.name + ("/" if path.is_dir() else ""))}
    wanted = {"function_app.py", "functions", "host.json", "requirements.txt", "shared"}
    assert wanted <= top
    assert set() == top - wanted - {"LICENSE", "pyproject.toml"}
    for name in (".venv-3.13/", ".azure/", ".azurite/", ".env", ".mypy_cache/"):
        assert ignored.match_file(name), name
