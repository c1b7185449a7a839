"""What scripts import as ``azureml.core`` and ``runyard``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from runyard.ports import Compute
from runyard.runs.metrics import as_sdk, tags_of
from tests.targets.hooked import Script
from tests.targets.house import House


def test_each_way_of_importing_finds_the_run(script: Script) -> None:
    printed = script(
        """\
from azureml.core.run import Run
from azureml.core import Run as B
import runyard
assert Run is B is runyard.Run
run = Run.get_submitted_run()
assert run is Run.get_context() is runyard.Run.get_context()
print(run.id, run.get_id(), run.experiment.name, run.parent, run.number)
with run:
    run.complete()
    run.flush()
"""
    )
    assert printed == "exp_1_abc exp_1_abc exp None 2\n"


def test_metrics_are_written_and_read_back_in_the_sdks_shapes(script: Script) -> None:
    printed = script(
        """\
import json
from azureml.core import Run
run = Run.get_context()
run.log("alpha", 0.1)
for step in range(3):
    run.log("mse", 1.0 / (step + 1), step=step, description="error")
run.log("epoch", 1); run.log("name", "ridge"); run.log("none", None); run.log("flag", True)
run.log("mixed", 1); run.log("mixed", "two")
run.log_list("list", [1, 2]); run.log_list("one", (5,)); run.log("old", [3, 4])
run.log_row("row", x=1, y=2.5)
run.log_row("rows", x=1); run.log_row("rows", x=2)
run.log_table("table", {"x": [1, 2], "y": [3, 4]})
run.log("odd", object)
run.tag("stage", "final"); run.tag("stage", "really")
print(json.dumps(run.get_metrics(), sort_keys=True))
print(run.get_metrics("epoch"), run.tags)
"""
    )
    first, second = printed.splitlines()
    expected = {
        "alpha": 0.1,
        "epoch": 1,
        "flag": True,
        "list": [1, 2],
        "mixed": [1, None],
        "mse": [1.0, 0.5, 1 / 3],
        "name": "ridge",
        "none": None,
        "odd": "<class 'object'>",
        "old": [3, 4],
        "one": 5,
        "row": {"x": 1, "y": 2.5},
        "rows": {"x": [1, 2]},
        "table": {"x": [1, 2], "y": [3, 4]},
    }
    assert json.loads(first) == expected
    assert second == "{'epoch': 1} {'stage': 'really'}"
    lines = script.lines()
    assert {"name", "type", "value", "time", "step", "description"} == set(lines[1])
    assert (lines[1]["name"], lines[1]["type"], lines[1]["step"]) == ("mse", "azureml.v1.scalar", 0)
    stored = script.metrics.read_text().splitlines()
    assert as_sdk(stored) == expected, "the host reads them as the script does"
    assert tags_of(stored) == {"stage": "really"}


def test_what_json_cannot_say_is_written_as_a_text(script: Script) -> None:
    printed = script(
        """\
from azureml.core import Run
run = Run.get_context()
run.log("a", float("nan")); run.log_list("b", [float("inf"), -float("inf")]); run.log("c", 10 ** 30)
print(run.get_metrics())
"""
    )
    assert [line["value"] for line in script.lines()] == ["NaN", ["Infinity", "-Infinity"], 10**30]
    assert printed == "{'a': nan, 'b': [inf, -inf], 'c': 1000000000000000000000000000000}\n"


def test_numpy_values_are_converted_without_numpy(script: Script) -> None:
    script(
        """\
import sys
class Scalar:
    dtype = "float32"; shape = ()
    def item(self): return 0.5
    def tolist(self): return 0.5
class Array:
    dtype = "int64"; shape = (2,)
    def item(self): raise ValueError("more than one")
    def tolist(self): return [1, 2]
from azureml.core import Run
run = Run.get_context()
run.log("a", Scalar()); run.log("b", Array()); run.log_list("c", Array()); run.log_table("t", {"x": Array(), "y": Scalar()})
assert "numpy" not in sys.modules
"""
    )
    assert [line["value"] for line in script.lines()] == [0.5, [1, 2], [1, 2], {"x": [1, 2], "y": 0.5}]


def test_real_numpy_values_are_numbers(script: Script) -> None:
    numpy = pytest.importorskip("numpy", reason="numpy is not installed here")
    if script.interpreter != sys.executable:
        pytest.skip("numpy is of this interpreter alone")
    del numpy
    script(
        "import numpy; from runyard import Run; r = Run.get_context(); r.log('a', numpy.float32(0.5)); r.log('b', numpy.arange(3))"
    )
    assert [line["value"] for line in script.lines()] == [0.5, [0, 1, 2]]


def test_scalars_of_other_libraries_are_numbers_too(script: Script) -> None:
    script(
        """\
import enum
class Tensor:  # as TensorFlow has them
    dtype = "float32"; shape = ()
    def numpy(self): return 0.25
class Vector:
    dtype = "float32"; shape = (2,)
    def numpy(self): return Array()
class Array:
    dtype = "float32"; shape = (2,)
    def tolist(self): return [1.5, 2.5]
class Odd:
    def __repr__(self): raise RuntimeError("no")
class Level(enum.IntEnum):
    HIGH = 3
from azureml.core import Run
run = Run.get_context()
run.log("a", Tensor()); run.log("b", Vector()); run.log("c", Odd()); run.log("d", Level.HIGH); run.log("e", b"x"); run.log(7, None)
run.log("half \\ud800", "of a pair \\udfff")
"""
    )
    lines = script.lines()
    assert [0.25, [1.5, 2.5], "<Odd whose repr raised RuntimeError>", 3, "b'x'", None, "of a pair ?"] == [
        line["value"] for line in lines
    ]
    assert ["7", "half ?"] == [line["name"] for line in lines[-2:]]


def test_arguments_are_taken_by_position_and_by_name_as_every_release_took_them(script: Script) -> None:
    script(
        """\
from azureml.core import Run
run = Run.get_context()
run.log("a", 1, "what it is", 5)
run.log(name="a", value=2, description="what it is", step=6)
run.log_list("l", [1], "list"); run.log_list(name="l", value=[2], description="list")
run.log_row("r", "row", x=1); run.log_row(name="r", description="row", x=2)
run.log_table("t", {"x": [1]}, "table"); run.log_table(name="t", value={"x": [2]}, description="table")
run.log_confusion_matrix("m", {}, "matrix"); run.log_confusion_matrix(name="m", value="{}", description="matrix")
assert run.get_metrics("a", False, None, False) == {"a": [1, 2]}
assert run.get_metrics(name="l", recursive=False, run_type=None, populate=False) == {"l": [1, 2]}
"""
    )
    assert {"what it is", "list", "row", "table", "matrix"} == {line["description"] for line in script.lines()}
    assert [5, 6] == [line["step"] for line in script.lines() if line["name"] == "a"]


def test_a_table_that_is_none_is_refused_at_once(script: Script) -> None:
    errors = script("from runyard import Run; Run.get_context().log_table('t', [1, 2])", code=1)
    assert "TypeError: log_table takes a dict of lists, column by column, not list" in errors


def test_confusion_matrices_and_the_like_are_files_whose_names_are_read_back(script: Script) -> None:
    printed = script(
        """\
import json
from azureml.core import Run
run = Run.get_context()
matrix = {"schema_type": "confusion_matrix", "schema_version": "v1", "data": {"class_labels": ["a"], "matrix": [[3]]}}
run.log_confusion_matrix("matrix", matrix)
run.log_accuracy_table("table", json.dumps({"schema_type": "accuracy_table"}))
run.log_residuals("residuals", {"data": range(2)})
run.log_predictions("predictions", {})
print(json.dumps(run.get_metrics(populate=True), sort_keys=True))
print(json.dumps(run.get_metrics(), sort_keys=True))
try:
    run.log_residuals("no", "{")
except ValueError as error:
    print(error)
"""
    )
    contents, names, error = printed.splitlines()
    assert {
        "matrix": {
            "schema_type": "confusion_matrix",
            "schema_version": "v1",
            "data": {"class_labels": ["a"], "matrix": [[3]]},
        },
        "table": {"schema_type": "accuracy_table"},
        "residuals": {"data": [0, 1]},
        "predictions": {},
    } == json.loads(contents)
    files = json.loads(names)
    assert as_sdk(script.stored()) == files, "the host reads them as the script does"
    assert {"schema_type": "accuracy_table"} == json.loads(script.kept(files["table"]))
    assert error.startswith("log_residuals takes a dict or its JSON, and this is neither")
    assert [
        "azureml.v1.confusion_matrix",
        "azureml.v1.accuracy_table",
        "azureml.v1.residuals",
        "azureml.v1.predictions",
    ] == [line["type"] for line in script.lines()]


def test_a_value_too_large_for_a_line_is_kept_as_a_file_and_told(script: Script) -> None:
    printed = script(
        """\
from azureml.core import Run
run = Run.get_context()
run.log("small", 1)
run.log_list("large", [0.123456789] * 500000)
print(run.get_metrics("large")["large"])
"""
    )
    small, large = script.lines()
    assert (1, "runyard.file") == (small["value"], large["type"])
    assert printed.strip() == large["value"] == as_sdk(script.stored())["large"]
    assert [0.123456789] * 500000 == json.loads(script.kept(large["value"]))["value"]
    assert "large has 6500" in script.errors
    assert f"it is kept as {large['value']}" in script.errors


def test_images_are_kept_in_the_outputs(script: Script) -> None:
    script(
        """\
import os
from azureml.core import Run
open("plot.png", "wb").write(b"png")
class Plot:
    def savefig(self, path): open(path, "wb").write(b"figure")
run = Run.get_context()
os.chdir("/")
run.log_image("a/b c", path=os.environ["RUNYARD_OUTPUTS"] + "/../plot.png")
run.log_image("plot", plot=Plot())
try:
    run.log_image("neither")
except ValueError as error:
    print(error)
"""
    )
    first, second = script.lines()
    assert first["type"] == "azureml.v1.image"
    assert first["value"].startswith("outputs/images/a_b_c_")
    assert script.kept(first["value"]) == b"png"
    assert script.kept(second["value"]) == b"figure"


def test_many_writers_never_mix_their_lines(script: Script) -> None:
    script(
        """\
import os
from azureml.core import Run
run = Run.get_context()
for child in range(4):
    if os.fork() == 0:
        for n in range(100):
            run.log_list("child", [child] * 50)
        os._exit(0)
for child in range(4):
    os.wait()
"""
    )
    assert len(script.lines()) == 400


def test_threads_and_processes_of_every_kind_log_at_once(script: Script) -> None:
    script(
        """\
import multiprocessing, subprocess, sys, threading
from azureml.core import Run
def work(who):
    run = Run.get_context()
    for n in range(50):
        run.log_row("rows", who=who, n=n)
if __name__ == "__main__":
    threads = [threading.Thread(target=work, args=("thread %d" % n,)) for n in range(4)]
    forks = [multiprocessing.get_context("fork").Process(target=work, args=("fork %d" % n,)) for n in range(2)]
    text = "from runyard import Run\\nfor n in range(50): Run.get_context().log_row('rows', who='new', n=n)"
    others = [subprocess.Popen([sys.executable, "-c", text]) for n in range(2)]
    for each in forks + threads: each.start()
    for each in forks + threads: each.join()
    for each in others: assert each.wait() == 0
""",
        flags=("-W", "ignore"),
    )
    lines = script.lines()
    assert 400 == len(lines)
    assert 7 == len({line["value"]["who"] for line in lines})


def test_a_full_disk_and_a_lost_folder_are_told_and_end_nothing(script: Script) -> None:
    printed = script(
        """\
import os
os.environ["RUNYARD_METRICS"] = "/dev/full"
from azureml.core import Run
Run.get_context().log("a", 1)
os.environ["RUNYARD_METRICS"] = "/nowhere/metrics.jsonl"
Run.get_context().log("a", 1)
print("went on")
"""
    )
    assert "went on\n" == printed
    assert 2 == script.errors.count("runyard: a metric was not written")


def test_the_installed_runyard_is_reached_through_the_shim(script: Script, tmp_path: Path) -> None:
    if script.interpreter != sys.executable:
        pytest.skip("modules answer for missing names since Python 3.7")
    site = tmp_path / "site"
    (site / "runyard" / "sdk").mkdir(parents=True)
    (site / "runyard" / "__init__.py").write_text("raise AssertionError('not to be imported')\n")
    (site / "runyard" / "_exports.py").write_text("def resolve(name):\n    return 'real ' + name\n")
    (site / "runyard" / "sdk" / "__init__.py").write_text("HERE = 1\n")
    printed = script("import runyard, runyard.sdk; print(runyard.Client, runyard.sdk.HERE)", path=str(site))
    assert printed == "real Client 1\n"


def test_without_an_installed_runyard_there_is_run_alone(script: Script) -> None:
    if script.interpreter == sys.executable:
        errors = script(
            "import sys; sys.path = [p for p in sys.path if 'site-packages' not in p and not p.endswith('shared')]; import runyard; runyard.Client",
            code=1,
        )
        assert "module 'runyard' has no attribute 'Client'" in errors
    else:
        script("import runyard; runyard.Run")


def test_a_script_of_2018_logs_to_its_run(house: House, interpreter: str) -> None:
    handle = house.start(
        """\
from azureml.core.run import Run
run = Run.get_submitted_run()
for alpha in (0.0, 0.5):
    run.log('alpha', alpha)
    open('outputs/ridge_%.2f.pkl' % alpha, 'w').close()
""",
        interpreter=interpreter,
    )
    assert house.ended(handle).exit_code == 0, house.log(handle)
    folder = house.folder(handle)
    assert as_sdk((folder / "metrics.jsonl").read_text().splitlines()) == {"alpha": [0.0, 0.5]}
    assert sorted(path.name for path in (folder / "outputs").iterdir()) == ["ridge_0.00.pkl", "ridge_0.50.pkl"]


def test_the_hook_can_be_turned_off(house: House) -> None:
    compute = Compute(name="local", kind="local", limit=1, options={"hook": False})
    handle = house.start(
        "import os; print('hook' in os.environ.get('PYTHONPATH', ''), 'MLFLOW_TRACKING_URI' in os.environ)",
        compute=compute,
    )
    house.ended(handle)
    assert house.log(handle) == b"False False\n"


def test_a_list_of_what_has_no_elements_has_one(script: Script) -> None:
    printed = script(
        """\
from azureml.core import Run
run = Run.get_context()
run.log_list("number", 5); run.log_list("none", None); run.log_list("letters", "ab")
print(run.get_metrics())
"""
    )
    assert "{'number': 5, 'none': None, 'letters': ['a', 'b']}\n" == printed
