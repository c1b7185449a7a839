"""The acceptance tests once more on Azure's adapters: Tables and Blob Storage, Service Bus, Event Grid's events over HTTP."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance import (
    test_endings_out,
    test_events_to_runs,
    test_hostile_input,
    test_running_scripts,
    test_webhooks,
)
from tests.acceptance.azure_yard import AzureYard, running_on_azure, whole
from tests.acceptance.test_webhooks import stranger
from tests.standins.broker import leaks_sockets

pytestmark = [pytest.mark.slow, leaks_sockets]
Test = Callable[..., None]

OF_ONE_MACHINE = {
    "test_the_first_zip_of_a_new_experiment_folder_starts_within_a_second",  # it measures time
    "test_a_zip_written_slowly_does_not_start_before_it_is_closed",  # a blob is whole when there is an event
}
MODULES = (test_events_to_runs, test_running_scripts, test_hostile_input, test_webhooks, test_endings_out)
GIVEN = {"yard", "door", "tmp_path", "caplog"}


def repeated() -> list[Test]:
    """Those that need nothing but a running host."""
    return [
        test
        for module in MODULES
        for name, test in vars(module).items()
        if name.startswith("test_") and name not in OF_ONE_MACHINE and "yard" in _wants(test) and GIVEN >= _wants(test)
    ]


def _wants(test: Test) -> set[str]:
    return set(inspect.signature(test).parameters)


@pytest.fixture
def azure_yard(root: Path, request: pytest.FixtureRequest) -> Iterator[AzureYard]:
    schema = ("grid", "cloud")[len(request.node.name) % 2]
    with running_on_azure(root, schema=schema) as made:
        yield made


@pytest.mark.parametrize("test", repeated(), ids=lambda test: test.__name__.removeprefix("test_"))
def test_on_azure(test: Test, azure_yard: AzureYard, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    given: dict[str, Any] = {"yard": azure_yard, "tmp_path": tmp_path, "caplog": caplog}
    if "door" not in _wants(test):
        test(**{name: given[name] for name in _wants(test)})
        return
    with stranger(azure_yard) as given["door"]:
        test(**{name: given[name] for name in _wants(test)})


def test_there_are_tests_to_repeat() -> None:
    assert len(repeated()) >= 22


@pytest.mark.parametrize("schema", ["grid", "cloud"])
def test_an_event_over_http_makes_one_run_whose_files_are_blobs(root: Path, schema: str) -> None:
    script = (
        "from azureml.core import Run\nRun.get_context().log('mse', 2)\nopen('outputs/model.txt', 'w').write('m')\n"
        "print('done')\n"
    )
    with running_on_azure(root, schema=schema) as yard:
        run = yard.run(script)
        assert ("Completed", "blob", 0) == (run.status, run.origin.source, run.exit_code)
        assert b"m" == whole(yard.ports.blobs, "runs", f"{run.id}/1/outputs/model.txt")
        with yard.client() as client:
            assert "done\n" == client.get(f"/api/runs/{run.id}/logs").text
            assert 2.0 == client.get(f"/api/runs/{run.id}").json()["metrics"]["mse"]["last"]
            assert client.get("/api/runs").json()["runs"][0]["runId"] == run.id
        again = yard.ports.blobs.head("snapshots", "exp/a.zip")
        assert again is not None
        body, headers = yard._event("exp/a.zip", again.etag, again.size)
        with yard.client(token=None) as stranger_:
            assert stranger_.post("/api/webhooks/event-grid", content=body, headers=headers).is_success
        yard.run("print('another')\n", "exp/b.zip")
        assert 2 == len(yard.runs())


def test_a_blob_that_raised_no_event_is_found_in_the_container(root: Path) -> None:
    with running_on_azure(root, schema="none", interval=0.5) as yard:
        run = yard.run("print('found')\n")
        assert ("Completed", b"found\n") == (run.status, yard.log(run))


def test_a_failed_script_is_retried_as_often_as_its_run_asks(root: Path) -> None:
    with running_on_azure(root) as yard:
        run = yard.run("raise SystemExit(4)\n", runyard={"retries": 1})
        assert ("Failed", 4, 2) == (run.status, run.exit_code, run.attempt)
        assert [4, 4] == [attempt.exit_code for attempt in yard.ports.runs.attempts(run.id)]


def test_a_snapshot_that_is_not_there_is_refused_at_the_door(root: Path) -> None:
    with running_on_azure(root) as yard, yard.client() as client:
        answer = client.post("/api/runs", json={"experiment": "exp", "snapshot": "uploads/none.zip"})
        assert 404 == answer.status_code
        assert [] == yard.runs()
