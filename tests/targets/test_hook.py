"""What scripts import as ``azureml.core`` and ``runyard``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import runyard.runner
from runyard.ports import Compute
from runyard.runs.metrics import as_sdk, tags_of
from tests.interpreters import oldest_interpreter
from tests.targets.house import House

HOOK = Path(runyard.runner.__file__).parent / "hook"
OLDEST = oldest_interpreter()


@pytest.fixture(params=["this", "oldest"])
def interpreter(request: pytest.FixtureRequest) -> str:
    if request.param == "this":
        return sys.executable
    if OLDEST is None:
        pytest.skip("no older interpreter is installed here")
    return OLDEST


class Script:
    """A script with the hook, in a run or outside of one."""

    def __init__(self, folder: Path, interpreter: str) -> None:
        self.folder = folder
        self.interpreter = interpreter
        self.metrics = folder / "metrics.jsonl"

    def __call__(self, text: str, *, submitted: bool = True, path: str = "", code: int = 0) -> str:
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join([str(HOOK), path] if path else [str(HOOK)]),
        }
        environment["PYTHONDONTWRITEBYTECODE"] = "1"
        environment["PYTHONIOENCODING"] = "utf-8"
        if submitted:
            environment |= {
                "AZUREML_RUN_ID": "exp_1_abc",
                "AZUREML_ARM_PROJECT_NAME": "exp",
                "RUNYARD_METRICS": str(self.metrics),
                "RUNYARD_OUTPUTS": str(self.folder / "outputs"),
                "RUNYARD_ATTEMPT": "2",
            }
        done = subprocess.run(
            [self.interpreter, "-c", text],
            env=environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stderr
        return done.stdout if code == 0 else done.stderr

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line, parse_constant=refuse) for line in self.metrics.read_text().splitlines()]


def refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")


@pytest.fixture
def script(tmp_path: Path, interpreter: str) -> Script:
    return Script(tmp_path, interpreter)


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
    assert (script.folder / first["value"]).read_bytes() == b"png"
    assert (script.folder / second["value"]).read_bytes() == b"figure"


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


def test_outside_of_a_run_metrics_are_printed(script: Script) -> None:
    printed = script(
        """\
from azureml.core.run import Run, RunEnvironmentException
run = Run.get_context()
run.log("alpha", 0.1); run.tag("a", "b"); run.log_image
print(run.id.startswith("OfflineRun_"), run.get_metrics())
for call in (Run.get_submitted_run, lambda: Run.get_context(allow_offline=False)):
    try:
        call()
    except RunEnvironmentException as error:
        print(error)
""",
        submitted=False,
    )
    assert printed.splitlines() == [
        "Attempted to log scalar metric alpha:",
        "0.1",
        "Attempted to log tag metric a:",
        "b",
        "True {}",
        *["this script is not part of a run; submit it, or allow an offline run"] * 2,
    ]


def test_what_there_is_not_is_named(script: Script) -> None:
    errors = script("from azureml.core import Run; Run.get_context().submit_child()", code=1)
    assert "Runyard's run has no submit_child; it has id, experiment, log, " in errors


def test_other_azureml_packages_stay_real(script: Script, tmp_path: Path) -> None:
    site = tmp_path / "site"
    (site / "azureml" / "train").mkdir(parents=True)
    (site / "azureml" / "core").mkdir()
    (site / "azureml" / "train" / "__init__.py").write_text("REAL = True\n")
    (site / "azureml" / "core" / "__init__.py").write_text("raise AssertionError('not to be imported')\n")
    (site / "azureml" / "core" / "workspace.py").write_text("class Workspace:\n    pass\n")
    script(
        """\
import azureml.train, azureml.core
assert azureml.train.REAL
from azureml.core.workspace import Workspace
import sys
if sys.version_info >= (3, 7):
    assert azureml.core.Workspace is Workspace
    try:
        azureml.core.Datastore
    except AttributeError as error:
        assert "install azureml-core" in str(error)
""",
        path=str(site),
    )


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
    handle = house.start("import os; print('hook' in os.environ.get('PYTHONPATH', ''))", compute=compute)
    house.ended(handle)
    assert house.log(handle) == b"False\n"
