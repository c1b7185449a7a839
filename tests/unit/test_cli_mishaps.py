"""What the commands say when something is not as it should be."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from runyard.cli import outcome
from runyard.cli.context import root_of
from runyard.cli.main import app
from runyard.dispatch.wakes import SUBMISSIONS
from runyard.errors import ConfigError, TransientError
from runyard.host.lock import HostInfo, HostLock
from runyard.sdk.client import Client
from runyard.services import open_embedded
from tests.served import Served, client_over
from tests.unit.test_cli_commands import Invoke, cli, project, served

__all__ = ["cli", "project", "served"]

PREPARATION = "azureml-logs/20_image_build_log.txt"


@pytest.mark.parametrize(
    "words", [["runs", "--experiment", "a\udce9"], ["queue", "send", SUBMISSIONS, "\udce9"], ["show", "\udce9"]]
)
def test_arguments_that_are_no_text_are_refused(cli: Invoke, words: list[str]) -> None:
    assert "not UTF-8" in cli(*words, code=outcome.USAGE).stderr


@pytest.mark.parametrize("value", ["1e999", "NaN", "-Infinity", '{"a": [1e999]}'])
def test_options_of_a_compute_are_finite(cli: Invoke, value: str) -> None:
    assert "finite" in cli("compute", "set", "local", "--option", f"grace={value}", code=outcome.USAGE).stderr


def test_an_age_beyond_all_bounds_is_refused(cli: Invoke) -> None:
    assert "too long a time" in cli("prune", "--runs-older-than", "9" * 400 + "d", code=outcome.USAGE).stderr


def test_a_mistyped_path_is_taken_for_one(cli: Invoke) -> None:
    for words in (["submit", "zz/none.zip"], ["webhook", "add", "w", "--snapshot", "z/none.zip"]):
        assert "there is no directory or zip" in cli(*words, code=outcome.FAILED).stderr


def test_the_roots_own_compute_stays(cli: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runyard.computes.catalog.OWN_KIND", "fake")  # the kind that is there in these tests
    assert "compute pause" in cli("compute", "remove", "local", code=outcome.FAILED).stderr


def test_cancel_without_a_host_says_who_carries_it_out(cli: Invoke, served: Served) -> None:
    run = served.running()
    assert "runyard up" in cli("cancel", run.id).stderr
    assert "runyard up" in cli("cancel", run.id, "--wait").stderr
    assert "runyard up" not in cli("cancel", served.ended().id).stderr


def test_a_key_whose_run_has_another_snapshot_is_told(cli: Invoke, served: Served, project: Path) -> None:
    cli("submit", str(project), "--key", "k")
    served.settle()
    assert "whose snapshot" not in cli("submit", str(project), "--key", "k").stderr
    (project / "train.py").write_text("print('other')\n")
    assert "whose snapshot is not what was sent" in cli("submit", str(project), "--key", "k").stderr


def test_files_and_logs_that_were_removed_are_told(cli: Invoke, served: Served) -> None:
    run = served.ended(files={"azureml-logs/70_driver_log.txt": b"x"})
    served.house.clock.advance(7200)
    cli("prune", "--logs-older-than", "1h")
    assert "were removed" in cli("files", run.id).stderr
    assert "were removed" in cli("download", run.id, code=outcome.NOT_FOUND).stderr
    assert "was removed" in cli("logs", run.id, code=outcome.NOT_FOUND).stderr


def test_a_run_that_could_not_be_prepared_shows_that_log(
    cli: Invoke, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = served.ended(files={PREPARATION: b"no such module\n"})
    empty = "azureml-logs/70_driver_log.txt"
    served.house.ports.blobs.put("runs", f"{run.id}/1/{empty}", b"")
    assert cli("logs", run.id).stdout == "no such module\n"
    served.house.ports.blobs.delete("runs", f"{run.id}/1/{PREPARATION}")
    assert "has written no log; Completed" in cli("logs", run.id).stderr


def test_long_names_of_metrics_are_cut_in_the_table(cli: Invoke, served: Served) -> None:
    line = json.dumps({"name": "m" * 5000, "value": 1.0, "t": 1.0}).encode() + b"\n"
    served.ended(files={"metrics.jsonl": line})
    table = cli("metrics", "latest")
    assert "mmm" in table.stdout
    assert "m" * 100 not in table.stdout


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_a_root_that_is_a_file_is_told(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="is a file; a root is a folder"):
        root_of(tmp_path / place)
    for command in ("runs", "up"):
        result = CliRunner().invoke(app, ["--root", str(tmp_path / place), command])
        assert (result.exit_code, "a root is a folder" in result.stderr) == (outcome.FAILED, True)


def waiting(cli: Invoke, served: Served, project: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException) -> Any:
    """``submit --wait`` under a host, whose log ends in an error; returns what it says."""

    def connect(*_: object, **__: object) -> Client:
        client = client_over(served)
        client.embedded = False
        return client

    def broken(*_: object, **__: object) -> int:
        raise error

    monkeypatch.setattr(Client, "connect", connect)
    monkeypatch.setattr("runyard.cli.submit.print_log", broken)
    return cli("submit", str(project), "--wait", code=130 if isinstance(error, KeyboardInterrupt) else 6).stderr


def test_an_interrupted_wait_says_that_the_run_goes_on(
    cli: Invoke, served: Served, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "`runyard up` finishes it" in waiting(cli, served, project, monkeypatch, KeyboardInterrupt())


def test_a_host_that_dies_under_a_wait_leaves_the_run_findable(
    cli: Invoke, served: Served, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = waiting(cli, served, project, monkeypatch, TransientError("the connection to the host broke; try again"))
    assert f"runyard logs -f {served.house.only().id}" in said
    assert "try again" not in said


def checks(root: Path, code: int) -> dict[str, dict[str, Any]]:
    result = CliRunner().invoke(app, ["--root", str(root), "doctor", "--json"])
    assert result.exit_code == code, result.output
    return {check["name"]: check for check in json.loads(result.stdout)["checks"]}


def test_the_doctor_looks_for_a_host_if_work_waits(
    tmp_path: Path, cli: Invoke, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNYARD_ROOT", str(tmp_path))
    host = json.loads(cli("doctor", "--json").stdout)["checks"][-1]
    assert (host["name"], host["ok"], "runyard up" in host["detail"]) == ("host", True, True)
    served.submit()
    host = json.loads(cli("doctor", "--json", code=outcome.FAILED).stdout)["checks"][-1]
    assert (host["ok"], "runyard up" in host["fix"]) == (False, True)
    lock = HostLock(tmp_path)
    lock.acquire()
    lock.publish(HostInfo(url="http://127.0.0.1:9", token="t", pid=17, version="", started=0.0))
    try:
        host = json.loads(cli("doctor", "--json").stdout)["checks"][-1]
    finally:
        lock.release()
    assert (host["ok"], host["detail"]) == (True, "process 17 at http://127.0.0.1:9")


def test_the_doctor_tells_of_the_supervisor(tmp_path: Path) -> None:
    root = tmp_path / "root"
    open_embedded(root).close()
    (root / "local").mkdir(exist_ok=True)
    lock = root / "local" / "supervisor.lock"
    lock.write_text("4711\n")
    found = {check.name: check for check in _doctor(root)}
    assert (found["supervisor"].ok, "not running" in found["supervisor"].detail) == (True, True)
    descriptor = os.open(lock, os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        found = {check.name: check for check in _doctor(root)}
        assert (found["supervisor"].ok, "process 4711" in found["supervisor"].detail) == (False, True)
        (root / "local" / "supervisor.sock").touch()
        found = {check.name: check for check in _doctor(root)}
        assert (found["supervisor"].ok, found["supervisor"].detail) == (True, "process 4711")
    finally:
        os.close(descriptor)


def _doctor(root: Path) -> Any:
    services = open_embedded(root)
    try:
        return services.doctor()
    finally:
        services.close()


def test_the_doctor_works_where_nothing_opens(tmp_path: Path) -> None:
    root = tmp_path / "root"
    open_embedded(root).close()
    for path in root.glob("runyard.db*"):
        path.unlink()
    (root / "runyard.db").write_bytes(b"no database" * 1000)
    found = checks(root, outcome.FAILED)
    assert {"python", "root", "stores"} <= set(found)
    assert not found["stores"]["ok"]
    assert found["stores"]["fix"]
