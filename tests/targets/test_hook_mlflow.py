"""What a script logs with a real MLflow lands in its run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from runyard.runner.script import MLFLOW_STORE
from runyard.runs.metrics import collect, properties_of, tags_of
from tests.targets.hooked import Script
from tests.targets.house import House
from tests.targets.mlflows import RELEASES, interpreter_with

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(params=sorted(RELEASES))
def interpreter(request: pytest.FixtureRequest) -> str:
    return interpreter_with(request.param)


class MlflowScript(Script):
    """A script in a run, as the runner starts it."""

    def run(self, text: str, code: int = 0) -> str:
        quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "GIT_PYTHON_REFRESH": "quiet"}
        return self(text, code=code, variables={"MLFLOW_TRACKING_URI": MLFLOW_STORE, **quiet})


@pytest.fixture
def script(tmp_path: Path, interpreter: str) -> MlflowScript:
    return MlflowScript(tmp_path, interpreter)


def test_the_fluent_calls_land_in_the_run(script: MlflowScript) -> None:
    printed = script.run(
        """\
import mlflow
mlflow.log_metric("mse", 1.0); mlflow.log_metric("mse", 0.5, step=1); mlflow.log_metric(key="nan", value=float("nan"))
mlflow.log_metrics({"a": 1, "val/loss": 2.5}, step=3)
mlflow.log_param("alpha", 0.1); mlflow.log_params({"n": 3, "kind": "ridge"})
mlflow.set_tag("stage", "final"); mlflow.set_tags({"n": 1, "gone": 1}); mlflow.delete_tag("gone")
open("f.txt", "w").write("file"); mlflow.log_artifact("f.txt"); mlflow.log_artifact("f.txt", "sub"); mlflow.log_artifacts("outputs/sub", "all")
mlflow.log_text("text", "t.txt"); mlflow.log_dict({"a": [1]}, "deep/d.json")
print(mlflow.active_run().info.run_id, mlflow.get_artifact_uri())
mlflow.end_run()
"""
    )
    assert f"exp_1_abc {(script.work / 'outputs').as_uri()}\n" == printed
    read = collect(script.stored())
    assert ["a", "mse", "nan", "val/loss"] == sorted(read.values)
    assert ([1.0, 0.5], 1, 2.5) == (read.values["mse"], read.values["a"], read.values["val/loss"])
    assert ({"alpha": "0.1", "kind": "ridge", "n": "3"}, []) == (read.params, read.problems)
    assert {"stage": "final", "n": "1"} == tags_of(script.stored())
    assert (1, 3) == tuple(line["step"] for line in script.lines() if line["value"] in (0.5, 2.5))
    files = {
        path.relative_to(script.work).as_posix() for path in (script.work / "outputs").rglob("*") if path.is_file()
    }
    assert {f"outputs/{name}" for name in ("f.txt", "sub/f.txt", "all/f.txt", "t.txt", "deep/d.json")} == files
    assert {"a": [1]} == json.loads(script.kept("outputs/deep/d.json"))


def test_nested_and_later_runs_are_child_runs_whatever_experiment_they_name(script: MlflowScript) -> None:
    printed = script.run(
        """\
import mlflow
mlflow.set_experiment("my own name")
with mlflow.start_run(run_name="night") as outer:
    mlflow.log_metric("mse", 1)
    for fold in range(2):
        with mlflow.start_run(run_name="fold_%d" % fold, nested=True) as inner:
            mlflow.log_metric("mse", fold + 2); mlflow.log_param("fold", fold); mlflow.log_text("x", "c.txt")
assert mlflow.get_run(inner.info.run_id).info.status == "FINISHED"
try:
    with mlflow.start_run(run_name="later"):
        mlflow.log_metric("mse", 9)
        raise RuntimeError("no luck")
except RuntimeError:
    pass
import azureml.core
run = azureml.core.Run.get_context()
print(outer.info.run_id, [(each.name, each.status) for each in run.get_children()], run.get_metrics())
"""
    )
    children = "[('fold_0', 'Completed'), ('fold_1', 'Completed'), ('later', 'Failed')]"
    assert f"exp_1_abc {children} {{'mse': 1.0}}" == printed.strip()
    read = collect(script.stored())
    assert {"mse": 1, "fold_0/mse": 2, "fold_1/mse": 3, "later/mse": 9} == read.values
    assert {"fold_0/fold": "0", "fold_1/fold": "1"} == read.params
    assert {"displayName": "night"} == {
        name: value for name, value in properties_of(script.stored()).items() if "/" not in name
    }
    assert b"x" == script.kept("outputs/fold_1/c.txt")
    assert {} == tags_of(script.stored()), "MLflow's own tags of a new run are no tags of ours"


def test_a_client_logs_in_batches_and_reads_back(script: MlflowScript) -> None:
    printed = script.run(
        """\
import json, mlflow
from mlflow.entities import Metric, Param, RunTag
from mlflow.tracking import MlflowClient
client = MlflowClient()
with mlflow.start_run() as active:
    ident = active.info.run_id
    client.log_batch(ident, [Metric("m", n, 1500000000123, n) for n in range(3)], [Param("p", "1")], [RunTag("t", "v")])
    client.log_metric(ident, "m", 7); client.log_param(ident, "q", 2); client.set_tag(ident, "u", 3)
    with mlflow.start_run(nested=True, run_name="low"):
        mlflow.log_metric("m", -1)
run = client.get_run(ident)
print(json.dumps([run.data.metrics, run.data.params, run.data.tags], sort_keys=True))
print([(each.step, each.value, each.timestamp) for each in client.get_metric_history(ident, "m")][1:3])
print([each.data.metrics for each in client.search_runs(["0"], "metrics.m > 1")], len(client.search_runs(["0"])))
print(sorted(each.path for each in client.list_artifacts(ident)))
for call in (lambda: client.get_run("other"), lambda: client.delete_run(ident)):
    try:
        call()
    except mlflow.exceptions.MlflowException as error:
        print(error)
"""
    )
    data, history, found, artifacts, other, delete = printed.splitlines()
    assert [{"m": 7.0}, {"p": "1", "q": "2"}, {"t": "v", "u": "3"}] == json.loads(data)
    assert "[(1, 1.0, 1500000000123), (2, 2.0, 1500000000123)]" == history
    assert ("[{'m': 7.0}] 2", "[]") == (found, artifacts)
    assert "a script here sees its own run exp_1_abc and its children alone, not other" == other
    assert "Runyard has no delete_run: a script logs to its own run and reads it back" == delete


def test_a_model_that_is_registered_stays_with_its_run_and_the_script_goes_on(script: MlflowScript) -> None:
    script.run(
        """\
import mlflow
from mlflow.tracking import MlflowClient
client = MlflowClient()
with mlflow.start_run() as active:
    mlflow.log_text("m", "m/model.pkl")
    client.create_registered_model("best")
    version = client.create_model_version("best", mlflow.get_artifact_uri("m"), active.info.run_id)
    assert str(version.version) == "1", version
    assert client.get_model_version("best", "1").source.endswith("outputs/m")
try:
    client.delete_registered_model("best")
except mlflow.exceptions.MlflowException as error:
    assert "Runyard has no registry of models, so no delete_registered_model" in str(error)
"""
    )
    assert (
        "runyard: model best was not registered: this version has no models; its files stay in the run" in script.errors
    )
    (line,) = (line for line in script.lines() if line["type"] == "runyard.model")
    assert ("best", 1) == (line["name"], line["value"]["version"])


def test_processes_of_one_script_log_to_one_run(script: MlflowScript) -> None:
    script.run(
        """\
import subprocess, sys
text = "import mlflow; mlflow.log_metric('rank', %d)"
for each in [subprocess.Popen([sys.executable, "-c", text % rank]) for rank in range(2)]:
    assert each.wait() == 0
"""
    )
    assert [0, 1] == sorted(collect(script.stored()).values["rank"])


def test_outside_of_a_run_the_store_says_so(script: MlflowScript) -> None:
    errors = script(
        "import mlflow; mlflow.log_metric('a', 1)",
        submitted=False,
        code=1,
        variables={"MLFLOW_TRACKING_URI": MLFLOW_STORE},
    )
    assert "this script is not part of a run" in errors


def test_a_store_that_the_script_names_gets_what_it_logs(script: MlflowScript) -> None:
    script.run(
        """\
import os
os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
import mlflow
mlflow.set_tracking_uri("file:" + os.path.abspath("mlruns"))
mlflow.set_experiment("mine")
with mlflow.start_run() as active:
    mlflow.log_metric("a", 1)
assert active.info.run_id != "exp_1_abc"
"""
    )
    assert not script.metrics.exists()
    assert 1 == len(list((script.work / "mlruns").rglob("metrics/a")))


def test_it_is_found_in_a_run_of_the_runner(house: House, interpreter: str) -> None:
    handle = house.start(
        "import mlflow\nmlflow.log_metric('a', 1)\nmlflow.log_param('b', 2)\nmlflow.log_text('c', 'c.txt')\n",
        interpreter=interpreter,
    )
    assert house.ended(handle).exit_code == 0, house.log(handle)
    read = collect((house.folder(handle) / "metrics.jsonl").read_bytes().splitlines())
    assert ({"a": 1}, {"b": "2"}) == (read.values, read.params)
    assert "c" == (house.folder(handle) / "outputs" / "c.txt").read_text()
