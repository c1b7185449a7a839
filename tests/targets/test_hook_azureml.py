"""``azureml`` without azureml-core, and with one that is installed beside the hook."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.targets.hooked import Script


def test_without_azureml_core_the_rest_is_missing_in_a_clear_sentence(script: Script) -> None:
    printed = script(
        """\
import azureml.core
print(azureml.core.VERSION, azureml.core.__version__)
for text in ("from azureml.core import Experiment, Workspace", "from azureml.core import Run, Dataset", "azureml.core.Model"):
    try:
        exec(text)
    except ImportError as error:
        print(error)
try:
    azureml.core.nothing
except AttributeError as error:
    print(error)
print(hasattr(azureml.core, "nothing"), azureml.core.run.RUNNING_STATES[-2])
try:
    import azureml.train.dnn
except ImportError as error:
    print(error.name)
"""
    )
    assert printed.splitlines() == [
        "1.61.0+runyard 1.61.0+runyard",
        *(
            f"azureml.core has no {name} here: Runyard supplies Run; install azureml-core for the rest"
            for name in ("Experiment", "Dataset", "Model", "nothing")
        ),
        "False Running",
        "azureml.train",
    ]


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder with packages in the place of the real ones, made as those are: modules that import one another."""
    files = {
        "azureml/__init__.py": "__path__ = __import__('pkgutil').extend_path(__path__, __name__)\n",
        "azureml/core/__init__.py": (
            "from azureml.core.workspace import Workspace\n"
            "from .experiment import Experiment\n"
            "from .run import Run, get_run\n"
            "from .compute import ComputeTarget\n"
            "from azureml._base import __version__ as VERSION\n"
            "__version__ = VERSION\n"
            "assert __name__ == 'azureml.core'\n"
        ),
        "azureml/core/workspace.py": "class Workspace:\n    real = True\n",
        "azureml/core/compute.py": "class ComputeTarget:\n    real = True\n",
        "azureml/core/experiment.py": (
            "from azureml.core.run import Run, get_run, _extra\n"
            "from azureml.core import Workspace\n"
            "from azureml.exceptions import UserErrorException, RunEnvironmentException\n"
            "class Experiment:\n    real, run_class = True, Run\n"
        ),
        "azureml/core/script_run.py": (
            "from azureml.core.run import Run\n"
            "class ScriptRun(Run):\n"
            "    pass\n"
            "Run.add_type_provider('azureml.scriptrun', ScriptRun)\n"
        ),
        "azureml/core/run.py": (
            "from azureml._base import __version__\n"
            "class Run:\n    @classmethod\n    def get_context(cls):\n        raise AssertionError('the real one')\n"
            "def get_run():\n    pass\n"
            "_extra = 'real ' + __name__\n"
        ),
        "azureml/exceptions/__init__.py": (
            "class RunEnvironmentException(Exception):\n    pass\nclass UserErrorException(Exception):\n    real = True\n"
        ),
        "azureml/_base/__init__.py": "__version__ = '1.0.85'\n",
        "azureml/train/__init__.py": "REAL = True\n",
    }
    for name, text in files.items():
        path = tmp_path / "site" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "site"


def test_with_azureml_core_run_is_ours_and_the_rest_is_real(script: Script, site: Path) -> None:
    printed = script(
        """\
from azureml.core import Experiment, Workspace, Run, ComputeTarget
import azureml.core, azureml.core.run, azureml.train, runyard
from azureml.core.workspace import Workspace as Same
from azureml.core.script_run import ScriptRun
from azureml.exceptions import UserErrorException, RunEnvironmentException
assert azureml.core.compute.ComputeTarget is ComputeTarget
assert Workspace is Same and Workspace.real and Experiment.real and ComputeTarget.real and azureml.train.REAL
assert Run is azureml.core.run.Run is runyard.Run is Experiment.run_class
assert issubclass(ScriptRun, Run) and UserErrorException.real
assert RunEnvironmentException is azureml.core.run.RunEnvironmentException
run = Run.get_context()
run.log("a", 1)
print(run.id, azureml.core.VERSION, azureml.core.__version__, azureml.core.run._extra)
try:
    azureml.core.nothing
except AttributeError as error:
    print(error)
try:
    Run(Experiment(), "other")
except RunEnvironmentException as error:
    print(error)
""",
        path=site,
    )
    assert printed.splitlines() == [
        "exp_1_abc 1.0.85 1.0.85 real azureml.core.run",
        "module 'azureml.core' has no attribute 'nothing'",
        "a Run is made by Run.get_context() here; only a service of Azure ML has others",
    ]
    assert 1 == len(script.lines())


def test_a_script_that_wants_run_alone_loads_nothing_of_azureml_core(script: Script, site: Path) -> None:
    (site / "azureml" / "core" / "__init__.py").write_text("raise AssertionError('not to be imported')\n")
    printed = script(
        """\
import sys
from azureml.core import Run
from azureml.core.run import Run
Run.get_context().log("a", 1)
print(sorted(name for name in sys.modules if name.startswith("azureml")))
""",
        path=site,
    )
    assert "['azureml', 'azureml.core', 'azureml.core.run']\n" == printed


def test_what_breaks_in_azureml_core_is_told_as_it_is(script: Script, site: Path) -> None:
    (site / "azureml" / "core" / "__init__.py").write_text("import nothing_of_this_name\n")
    printed = script(
        """\
for _ in range(2):
    try:
        from azureml.core import Workspace
    except ImportError as error:
        print(error)
from azureml.core import Run
print(Run.get_context().id)
""",
        path=site,
    )
    assert ["No module named 'nothing_of_this_name'"] * 2 + ["exp_1_abc"] == printed.splitlines()
