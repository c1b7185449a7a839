"""The scripts of the field's first notebooks, as they were written in 2018, run here unchanged."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runyard import RunConfiguration
from runyard.runs.metrics import as_sdk
from runyard.runs.model import Run
from tests.acceptance.yard import Yard
from tests.fakes import snapshot

BOOKS = Path(__file__).parents[2] / "examples" / "notebooks-2018"
MODELS = [f"ridge_{step * 0.05:.2f}.pkl" for step in range(20)]
Adapt = Callable[[RunConfiguration], None]


def user_managed(config: RunConfiguration) -> None:
    """The interpreter of the tests, which has scikit-learn of today."""
    config.environment.python.user_managed_dependencies = True
    config.environment.docker.enabled = False


def managed(config: RunConfiguration) -> None:
    """Python and the packages of the conda file of 2018, or what is nearest: prepared once for all these tests."""
    config.environment.python.user_managed_dependencies = False
    config.environment.docker.enabled = False


ENVIRONMENTS: dict[str, Adapt] = {"user-managed": user_managed, "managed": managed}
"""Ways in which the scripts get their packages."""


@pytest.fixture(params=["user-managed", pytest.param("managed", marks=pytest.mark.slow)])
def adapt(request: pytest.FixtureRequest) -> Adapt:
    return ENVIRONMENTS[request.param]


class Book:
    """One notebook's project: run here as it is, but for where and with which packages."""

    def __init__(self, yard: Yard, folder: Path, adapt: Adapt) -> None:
        self.yard = yard
        self.folder = folder
        self.adapt = adapt

    def __call__(self, name: str, *, script: str = "train.py", arguments: list[Any] | None = None) -> Run:
        source = BOOKS / name
        files = {path.relative_to(source).as_posix(): path.read_bytes() for path in source.rglob("*") if path.is_file()}
        for path, data in files.items():
            (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / path).write_bytes(data)
        (written,) = (self.folder / "aml_config").glob("*.runconfig")
        config = RunConfiguration.load(self.folder, written.stem)
        config.target = "local"
        config.script = script
        config.data_references = {}
        if arguments is not None:
            config.arguments = arguments
        self.adapt(config)
        config.save(self.folder, written.stem)
        files[f"aml_config/{written.name}"] = written.read_bytes()
        part = self.folder / "a.part"
        part.write_bytes(snapshot(files, config=""))
        drop = self.yard.root / "snapshots" / name / "a.zip"
        drop.parent.mkdir(parents=True)
        part.rename(drop)
        return self.yard.wait(lambda: next((run for run in self.yard.runs(name) if run.has_ended), None), 300)

    def files(self, run: Run) -> Path:
        return self.yard.root / "runs" / run.id / str(run.attempt)

    def metrics(self, run: Run) -> dict[str, Any]:
        return as_sdk((self.files(run) / "metrics.jsonl").read_bytes().splitlines())

    def models(self, run: Run) -> list[str]:
        return sorted(path.name for path in (self.files(run) / "outputs").iterdir())


@pytest.fixture
def book(yard: Yard, tmp_path: Path, adapt: Adapt) -> Book:
    return Book(yard, tmp_path, adapt)


def expected_mse() -> list[float]:
    """What scikit-learn says, asked without a run."""
    text = (
        "import json\n"
        "from sklearn.datasets import load_diabetes\n"
        "from sklearn.linear_model import Ridge\n"
        "from sklearn.metrics import mean_squared_error as error\n"
        "from sklearn.model_selection import train_test_split\n"
        "X, y = load_diabetes(return_X_y=True)\n"
        "a, b, c, d = train_test_split(X, y, test_size=0.2, random_state=0)\n"
        "print(json.dumps([float(error(d, Ridge(alpha=i * 0.05).fit(a, c).predict(b))) for i in range(20)]))\n"
    )
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    found: list[float] = json.loads(done.stdout)
    return found


def assert_the_sweep_is_there(book: Book, run: Run) -> None:
    assert ("Completed", 0) == (run.status, run.exit_code), book.yard.log(run)
    metrics = book.metrics(run)
    mse = expected_mse()
    assert {"alpha", "mse"} == set(metrics)
    assert pytest.approx([step * 0.05 for step in range(20)]) == metrics["alpha"]
    assert pytest.approx(mse, rel=1e-4) == metrics["mse"]  # scikit-learn of 2018 had the data in fewer digits
    assert 20 == run.metrics["mse"].count
    assert pytest.approx(min(mse), rel=1e-4) == run.metrics["mse"].min
    best = metrics["alpha"][metrics["mse"].index(min(metrics["mse"]))]
    assert "0.40" == f"{best:.2f}", "the alpha whose model its notebook goes on with"
    assert MODELS == book.models(run)
    assert b"sklearn.externals.joblib; the package joblib takes its place" in book.yard.log(run)


def test_train_on_local(book: Book) -> None:
    run = book("train-on-local")
    assert_the_sweep_is_there(book, run)
    text = "import joblib, sys; print(joblib.load(sys.argv[1]).alpha)"
    model = str(book.files(run) / "outputs" / "ridge_0.40.pkl")
    done = subprocess.run([sys.executable, "-c", text, model], capture_output=True, text=True, check=True)
    assert pytest.approx(0.4) == float(done.stdout)


def test_train_on_aci(book: Book) -> None:
    assert_the_sweep_is_there(book, book("train-on-aci"))


def test_train_on_a_remote_vm_reads_its_data_folder(book: Book, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    text = (
        "import sys, numpy\n"
        "from sklearn.datasets import load_diabetes\n"
        "X, y = load_diabetes(return_X_y=True)\n"
        "numpy.save(sys.argv[1] + '/features.npy', X); numpy.save(sys.argv[1] + '/labels.npy', y)\n"
    )
    subprocess.run([sys.executable, "-c", text, str(data)], check=True)
    run = book("train-on-remote-vm", arguments=["--data-folder", str(data)])
    assert_the_sweep_is_there(book, run)


def test_train_on_a_remote_vm_with_the_misspelt_file_of_its_notebook_fails_and_says_why(
    book: Book, tmp_path: Path
) -> None:
    run = book("train-on-remote-vm", arguments=["--data-folder", str(tmp_path)])
    assert ("Failed", 1) == (run.status, run.exit_code)
    assert b"features.npy" in book.yard.log(run)


def test_the_second_script_of_the_remote_vm_only_prints(book: Book) -> None:
    run = book("train-on-remote-vm", script="train2.py", arguments=[])
    assert ("Completed", {}) == (run.status, run.metrics)
    assert b"this script needs nothing but Python" in book.yard.log(run)


@pytest.mark.parametrize(("arguments", "alpha"), [(None, 0.1), ([], 0.5), (["--alpha", 0.25], 0.25)])
def test_one_run_of_the_sweep_with_sklearn(book: Book, arguments: list[Any] | None, alpha: float) -> None:
    run = book("hyperdrive-with-sklearn", arguments=arguments)
    assert ("Completed", 0) == (run.status, run.exit_code), book.yard.log(run)
    metrics = book.metrics(run)
    assert {"alpha", "mse"} == set(metrics)
    assert alpha == metrics["alpha"]
    assert 3000 < metrics["mse"] < 3600
    assert ["model.pkl"] == book.models(run)
