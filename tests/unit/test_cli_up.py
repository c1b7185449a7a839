"""The host as the command line starts it: really served, on a port of its own."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from runyard.cli import outcome
from runyard.cli.main import app
from runyard.cli.up import hosting
from runyard.errors import ConflictError
from runyard.sdk.client import Client

pytestmark = pytest.mark.slow


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "root"
    monkeypatch.setenv("RUNYARD_ROOT", str(folder))
    return folder


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "aml_config").mkdir(parents=True)
    (folder / "train.py").write_text("import sys\nprint('hello', *sys.argv[1:])\nsys.exit(len(sys.argv) - 1)\n")
    config = {"script": "train.py", "environment": {"python": {"userManagedDependencies": True}}}
    (folder / "aml_config" / "local.runconfig").write_text(json.dumps(config))
    return folder


def test_the_client_finds_the_host_and_the_link_works_once(root: Path) -> None:
    with hosting(root) as (host, services):
        assert stat.S_IMODE((root / "host.json").stat().st_mode) == 0o600
        with Client.connect(root) as client:
            assert (client.embedded, client.url) == (False, host.url)
            assert client.version()["name"] == "runyard"
        with httpx.Client(base_url=host.url, trust_env=False) as browser:
            code = services.one_time_code
            assert browser.get("/api/runs").status_code == 401
            assert browser.get("/", params={"token": code}, follow_redirects=True).status_code == 200
            assert browser.get("/api/runs").status_code == 200  # by its cookie
            assert browser.get("/", params={"token": code}).status_code == 403
        with pytest.raises(ConflictError, match="already serves"), hosting(root):
            pass
    with Client.connect(root) as client:
        assert client.embedded


def test_submit_wait_plays_host_until_the_run_ends(root: Path, project: Path) -> None:
    done = CliRunner().invoke(app, ["submit", str(project), "--wait"])
    assert (done.exit_code, done.stdout) == (outcome.OK, "hello\n"), done.output
    assert "playing host" in done.stderr
    failed = CliRunner().invoke(app, ["submit", str(project), "--wait", "--arg", "x", "--json"])
    assert failed.exit_code == outcome.FAILED
    assert json.loads(failed.stdout)["exitCode"] == 1
    assert not (root / "host.json").exists()


def test_what_was_submitted_without_a_host_runs_under_the_next_one(root: Path, project: Path) -> None:
    written = CliRunner().invoke(app, ["submit", str(project)])
    run_id = written.stdout.strip()
    assert "runyard up" in written.stderr
    with hosting(root), Client.connect(root) as client:
        assert client.runs.wait(run_id, timeout=30)["status"] == "Completed"
