"""What the pages say of Azure is so: every role, setting, queue, container and alert is named; every address that they ask exists."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from fastapi import FastAPI

from runyard.api.app import create_app
from runyard.runs.states import State
from runyard.services import current
from runyard.telemetry import instruments
from tests.infra.deployments import HOUSE, INFRA, SIZES, deployed, everything, parameters
from tests.infra.test_names import CONTAINER, QUEUE, ROLES, app_settings, last, made

PAGES = sorted((HOUSE / "docs" / "azure").glob("*.md"))
DEPLOY = (HOUSE / "docs" / "azure" / "deploy.md").read_text()
TROUBLE = (HOUSE / "docs" / "azure" / "troubleshooting.md").read_text()


def test_deploy_names_every_role() -> None:
    given = {
        resource.body["properties"]["roleDefinitionId"].rpartition("/")[2]
        for resource in everything()
        if resource.type.endswith("/roleAssignments")
    }
    assert set(ROLES) == given
    for name in {ROLES[role].replace("Azure Service Bus ", "") for role in given}:
        assert name in DEPLOY, name


def test_deploy_names_every_setting() -> None:
    for name in app_settings(deployed()):
        prefix, _, rest = name.partition("__")
        short = {"AzureWebJobsStorage": "AzureWebJobsStorage__…", "Runyard": f"…{rest.removeprefix('entra')}"}.get(
            prefix, name
        )
        suffix = f"…_{name.removeprefix('APPLICATIONINSIGHTS_')}"
        assert any(form in DEPLOY for form in (name, short, suffix)), name


def test_deploy_names_every_queue_and_the_containers_of_event_grid_and_packages() -> None:
    for resource in made(deployed(), QUEUE):
        assert f"`{last(resource)}`" in DEPLOY
    for resource in made(deployed(), CONTAINER):
        if last(resource) in {"snapshots", "eventgrid-deadletters", "app-package"}:
            assert f"`{last(resource)}`" in DEPLOY


def test_deploy_counts_the_alerts() -> None:
    alerts = [
        resource
        for resource in deployed().resources()
        if resource.file == "alerts.bicep" and "severity" in str(resource.body)
    ]
    assert len(alerts) == 6
    assert "six alerts" in DEPLOY


@pytest.mark.parametrize("size", SIZES)
def test_the_table_of_sizes_is_what_is_deployed(size: str) -> None:
    column = {
        cells[1].strip(): cells[2 + SIZES.index(size)].strip()
        for line in DEPLOY.splitlines()
        if len(cells := line.split("|")) == 5
    }
    resources = {resource.symbol: resource.body for resource in deployed(size).resources()}
    app = resources["app"]["properties"]["functionAppConfig"]["scaleAndConcurrency"]
    assert column["instances, at most"].startswith(f"{app['maximumInstanceCount']}")
    assert bool(app["alwaysReady"]) == ("always ready" in column["instances, at most"])
    days = resources["blobs"]["properties"]["deleteRetentionPolicy"]["days"]
    assert column["deleted blobs come back within"] == f"{days} days"
    assert column["a queue's room"] == f"{resources['queue']['properties']['maxSizeInMegabytes'] // 1024} GB"
    workspace = resources["workspace"]["properties"]
    cap = workspace["workspaceCapping"]["dailyQuotaGb"]
    assert column["logs kept, a day at most"] == f"{workspace['retentionInDays']} days, {cap} GB"


def test_every_address_that_a_page_asks_exists() -> None:
    inner: Any = create_app(current)
    while not isinstance(inner, FastAPI):  # layers of middleware
        inner = inner._app
    routes = inner.openapi()["paths"]
    shapes = [re.compile(re.sub(r"\{[^}]+\}", "[^/]+", route)) for route in routes]
    said: set[str] = set()
    for page in PAGES:
        content = page.read_text()
        said |= {f"/api/{path}" for path in re.findall(r'\bask "?([a-zA-Z/_-]+)', content)}
        said |= set(re.findall(r"(/api/[a-zA-Z/_-]+)", content))
    said |= set(re.findall(r"(/api/[a-zA-Z/_-]+)", (INFRA / "modules" / "alerts.bicep").read_text()))
    assert len(said) > 8
    for path in said - {"/api/"}:
        assert any(shape.fullmatch(path.rstrip("/")) for shape in shapes), path


def test_every_variable_that_a_page_reads_is_put_out() -> None:
    given = {*deployed().outputs, *app_settings(deployed()), "AZURE_SUBSCRIPTION_ID"}
    set_by_people = {name for size in SIZES for name in _filled(size)}
    for page in PAGES:
        for name in re.findall(r"\b((?:AZURE|RUNYARD)_[A-Z_]+)\b", page.read_text()):
            assert name in given | set_by_people, f"{page.name}: {name}"


def _filled(size: str) -> set[str]:
    content = (INFRA / "parameters" / f"{size}.json").read_text()
    assert parameters(INFRA / "parameters" / f"{size}.json")
    return set(re.findall(r"\$\{([A-Z_]+)", json.dumps(json.loads(content))))


def test_each_symptom_of_the_table_has_its_part() -> None:
    parts = {line[3:].lower().replace(" ", "-") for line in TROUBLE.splitlines() if line.startswith("## ")}
    asked = set(re.findall(r"\]\(#([a-z0-9-]+)\)", TROUBLE))
    assert asked == parts


def test_the_alert_on_failed_runs_asks_for_what_the_code_tells() -> None:
    (rule,) = (resource for resource in deployed().resources() if resource.symbol == "failedRuns")
    query = rule.body["properties"]["criteria"]["allOf"][0]["query"]
    assert f'Name == "{instruments.ENDED}"' in query
    (state,) = (each for each in instruments.INSTRUMENTS[instruments.ENDED].attributes if each.endswith(".state"))
    assert f'Properties["{state}"]) == "{State.FAILED}"' in query
