"""Prepared environments, from a dropped zip to the run's history. Nothing is downloaded but in the slow tests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from runyard.cli.main import app
from runyard.runs.model import Run
from runyard.runs.states import State
from runyard.targets.local.options import default_environments
from tests.acceptance.yard import Yard
from tests.fakes import snapshot
from tests.targets.environments import make_wheel
from tests.targets.index import Index, served

MANAGED = {"python": {"userManagedDependencies": False, "condaDependenciesFile": "aml_config/conda_dependencies.yml"}}
REAL = Path(__file__).parents[2].parent / "shared" / "runconfigs"
SHOW = "import tiny, sys; print(tiny.VERSION, sys.version_info[:2])"


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    make_wheel(tmp_path / "wheels", "tiny", "1.0")
    make_wheel(tmp_path / "wheels", "tiny", "2.0")
    return tmp_path / "wheels"


@pytest.fixture
def index(wheels: Path) -> Iterator[Index]:
    with served(wheels) as made:
        yield made


def conda(*pip: str, python: str = "") -> dict[str, str]:
    """A conda file, as a file of the snapshot."""
    lines = [
        "dependencies:",
        *([f"- {python}"] if python else []),
        "- pip:",
        *(f"  - {json.dumps(each)}" for each in pip),
    ]
    return {"aml_config/conda_dependencies.yml": "\n".join(lines) + "\n"}


def local(wheels: Path, *entries: str, python: str = "") -> dict[str, str]:
    return conda("--no-index", f"--find-links {wheels}", *entries, python=python)


def by_uv(yard: Yard) -> None:
    """No conda channel is asked: the builder need not find out that none is there."""
    with yard.client() as client:
        client.put("/api/computes/local", json={"options": {"resolver": "uv"}}).raise_for_status()


def reasons(yard: Yard, run: Run) -> list[str]:
    return [event.reason for event in yard.ports.runs.history(run.id)]


def preparation(yard: Yard, run: Run) -> str:
    path = yard.root / "runs" / run.id / str(run.attempt) / "azureml-logs" / "20_image_build_log.txt"
    return path.read_text() if path.exists() else ""


def cli(yard: Yard, *words: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, [*words, "--root", str(yard.root)])
    assert result.exit_code == code, result.output
    return result.stdout


def test_the_first_run_builds_and_the_second_reuses_and_the_history_says_so(yard: Yard, wheels: Path) -> None:
    by_uv(yard)
    files = local(wheels, "tiny==1.0", python="python=3.11.0.1")
    first = yard.run(SHOW, "exp/a.zip", files=files, environment=MANAGED)
    assert (first.state, yard.log(first).split()[:1]) == (State.COMPLETED, [b"1.0"]), first.error
    said = reasons(yard, first)
    assert [each for each in said if each.startswith("python=3.11.0.1: ")] != []
    [built] = [each for each in said if " was built in " in each]
    key = built.split()[2]
    assert [event.state for event in yard.ports.runs.history(first.id)][-1] is State.COMPLETED
    with yard.client() as client:
        told = client.get(f"/api/runs/{first.id}").raise_for_status().json()
    assert told["runDefinition"]["environment"]["python"]["userManagedDependencies"] is False
    second = yard.run(SHOW, "exp/b.zip", files=files, environment=MANAGED)
    assert f"the environment {key} was reused" in reasons(yard, second)
    assert json.loads(cli(yard, "env", "explain", second.id, "--json"))["key"].startswith(key)


def test_a_changed_package_builds_anew_and_explain_says_why(yard: Yard, wheels: Path) -> None:
    by_uv(yard)
    for name, version in (("a", "1.0"), ("b", "2.0")):
        run = yard.run(SHOW, f"exp/{name}.zip", files=local(wheels, f"tiny=={version}"), environment=MANAGED)
        assert yard.log(run).decode().split()[0] == version
    why = cli(yard, "env", "explain", run.id)
    assert "pip package tiny: tiny==2.0, before it was tiny==1.0" in why


def test_a_package_that_cannot_be_had_fails_the_run_once_and_says_which(yard: Yard, wheels: Path) -> None:
    by_uv(yard)
    run = yard.run(SHOW, files=local(wheels, "tiny", "no-such-package-here==3.1"), environment=MANAGED)
    assert (run.state, run.attempt) == (State.FAILED, 1)
    assert run.error is not None
    assert run.error.error_class == "user"
    assert "no-such-package-here" in run.error.message
    assert "no-such-package-here" in preparation(yard, run).partition("\n")[2]


def test_exact_ends_the_run_with_what_cannot_be_had(yard: Yard, wheels: Path) -> None:
    by_uv(yard)
    run = yard.run(
        SHOW,
        files=local(wheels, "tiny", python="python=3.11.0.1"),
        environment=MANAGED,
        runyard={"legacy": "exact"},
    )
    assert run.state is State.FAILED
    assert run.error is not None
    assert (run.error.error_class, "python=3.11.0.1" in run.error.message) == ("config", True)


def test_an_environment_that_may_not_be_prepared_fails_the_run(yard: Yard, wheels: Path) -> None:
    by_uv(yard)
    run = yard.run(SHOW, files=local(wheels, "tiny", "--no-deps"), environment=MANAGED, autoPrepareEnvironment=False)
    assert run.state is State.FAILED
    assert run.error is not None
    assert (run.error.error_class, "auto_prepare_environment" in run.error.message) == ("config", True)


def test_eight_runs_at_once_build_once(yard: Yard, index: Index) -> None:
    by_uv(yard)
    files = conda(index.option, "tiny==1.0")
    for number in range(8):
        yard.drop(SHOW, f"exp/{number}.zip", files=files, environment=MANAGED)
    yard.wait(lambda: len(yard.runs()) == 8 and any(run.state is State.PREPARING for run in yard.runs()))
    yard.wait(index.asked.is_set)
    index.gate.set()
    runs = yard.wait(
        lambda: [run for run in yard.runs() if run.has_ended] if all(r.has_ended for r in yard.runs()) else None
    )
    assert [run.state for run in runs] == [State.COMPLETED] * 8
    [key] = {each.split()[2] for run in runs for each in reasons(yard, run) if each.startswith("the environment ")}
    [log] = Path(default_environments()).glob(f"{key}*.log")
    assert log.read_text().count("making the environment") == 1


def test_a_run_is_canceled_while_its_environment_is_built(yard: Yard, index: Index) -> None:
    by_uv(yard)
    yard.drop(SHOW, files=conda(index.option, "tiny==1.0"), environment=MANAGED)
    run = yard.wait(lambda: next((run for run in yard.runs() if run.state is State.PREPARING), None))
    yard.wait(index.asked.is_set)
    assert "preparing the environment" in reasons(yard, run)[-1]
    assert "installing tiny==1.0" in preparation(yard, run)
    shown = cli(yard, "show", run.id)
    assert "doing" in shown
    with yard.client() as client:
        client.post(f"/api/runs/{run.id}/cancel").raise_for_status()
    assert yard.ended(run.id).state is State.CANCELED


def test_credentials_of_an_index_are_found_nowhere(yard: Yard, index: Index) -> None:
    by_uv(yard)
    option = index.option.replace("http://", "http://someone:canary-of-the-index@")
    index.gate.set()
    run = yard.run(SHOW, files=conda(option, "tiny==1.0"), environment=MANAGED)
    assert run.state is State.COMPLETED, run.error
    written = [
        path
        for folder in (yard.root, Path(default_environments()))
        for path in folder.rglob("*")
        if path.is_file()
        and not path.is_symlink()
        and path.suffix != ".zip"
        and b"canary-of-the-index" in path.read_bytes()
    ]
    own = {"secrets", "work"}  # the secrets' own place, and the snapshot as its author wrote it
    assert [path for path in written if not own.intersection(path.parts)] == []


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("case", "folder"),
    [("0.1.80/02-local-system-managed-sklearn", "aml_config"), ("1.0.85/02-local-system-managed-sklearn", ".azureml")],
)
def test_a_real_run_configuration_runs_with_its_packages(yard: Yard, case: str, folder: str) -> None:
    by_uv(yard)
    base = REAL / case / folder
    files = {f"{folder}/{path.name}": path.read_text() for path in base.iterdir()}
    script = "import sklearn, sys; print(sklearn.__version__, sys.version_info[:2])"
    part = yard.root / "snapshots" / "exp.part"
    part.write_bytes(snapshot({"train.py": script, **files}, config=""))
    part.rename(yard.root / "snapshots" / "real.zip")
    run = yard.wait(lambda: next((run for run in yard.runs() if run.has_ended), None), 500)
    assert run.state is State.COMPLETED, (run.error, preparation(yard, run))
    assert yard.log(run)
    assert [each for each in reasons(yard, run) if each.startswith("python=3.6.2: ")] != []
    assert [each for each in reasons(yard, run) if "azureml-defaults" in each] != []
