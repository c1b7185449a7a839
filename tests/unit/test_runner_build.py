"""The runner as one file: the same bytes each time, and understood by old interpreters."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import runyard.runner
from runyard.runner.build import PACKAGE, build_id, build_zipapp, zipapp_bytes
from tests.interpreters import oldest_interpreter

FOLDER = Path(runyard.runner.__file__).parent
SOURCES = sorted(FOLDER.rglob("*.py"))
NAMING = [path for path in FOLDER.glob("hook/*.dist-info/*") if path.is_file()]


def test_the_same_sources_make_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = zipapp_bytes()
    monkeypatch.setenv("TZ", "Pacific/Auckland")
    ident = build_zipapp(str(tmp_path / "a.pyz"))
    assert (tmp_path / "a.pyz").read_bytes() == first
    assert ident == build_id(first)
    assert os.access(tmp_path / "a.pyz", os.X_OK)
    assert [path.name for path in tmp_path.iterdir()] == ["a.pyz"]


def test_it_holds_every_module_and_nothing_else(tmp_path: Path) -> None:
    build_zipapp(str(tmp_path / "a.pyz"))
    with zipfile.ZipFile(tmp_path / "a.pyz") as archive:
        names = archive.namelist()
    assert names == sorted(
        ["__main__.py", *(f"{PACKAGE}/{path.relative_to(FOLDER).as_posix()}" for path in SOURCES + NAMING)]
    )


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(FOLDER)))
def test_every_module_is_python_3_6(path: Path) -> None:
    ast.parse(path.read_text(), feature_version=(3, 6))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(FOLDER)))
def test_every_module_imports_the_standard_library_alone(path: Path) -> None:
    ours = {"runyard_hook", "runyard", "azureml", "sitecustomize"} if "hook" in path.parts else set()
    if path.name.startswith("mlflow_"):
        ours |= {"mlflow"}  # MLflow loads these, and nothing else does
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [node.module or ""]
        else:
            continue
        for name in names:
            assert name.partition(".")[0] in sys.stdlib_module_names | ours, name


def test_the_oldest_interpreter_carries_out_an_attempt(tmp_path: Path) -> None:
    oldest = oldest_interpreter()
    if oldest is None:
        pytest.skip("no older interpreter is installed here")
    (tmp_path / "root").mkdir()
    (tmp_path / "a.pyz").write_bytes(zipapp_bytes())
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(
            "train.py",
            "import sys, os; from azureml.core.run import Run\n"
            "Run.get_submitted_run().log('a', 1)\n"
            "open('outputs/x', 'w').write('x'); print('hello'); sys.exit(3)",
        )
    job = {"name": "ry-a-1", "run": "r", "attempt": 1, "script": "train.py", "interpreter": oldest}
    (tmp_path / "job.json").write_text(json.dumps({**job, "snapshot": str(tmp_path / "a.zip")}))
    command = [oldest, str(tmp_path / "a.pyz"), "run", "--root", str(tmp_path / "root"), str(tmp_path / "job.json")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    folder = tmp_path / "root" / "runs" / "r" / "1"
    assert '"exit_code": 3' in (folder / "result.json").read_text()
    assert (folder / "azureml-logs" / "70_driver_log.txt").read_text() == "hello\n"
    assert (folder / "outputs" / "x").read_text() == "x"
    assert '"name": "a"' in (folder / "metrics.jsonl").read_text()
    (named,) = (tmp_path / "root" / "local").glob("hook-*/*.dist-info/entry_points.txt")
    assert (FOLDER / "hook").joinpath(*named.parts[-2:]).read_text() == named.read_text()


def test_outputs_that_cannot_be_collected_are_told_where_people_look(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("train.py", "open('outputs/x', 'w').write('x')")
    job = {"name": "ry-a-1", "run": "r", "attempt": 1, "script": "train.py", "interpreter": sys.executable}
    record = {**job, "snapshot": str(tmp_path / "a.zip")}
    code = (
        "import json, sys\nfrom runyard.runner import collect, single\n"
        "def fail(*_): raise ValueError('a name nobody foresaw')\n"
        "collect.collect = fail\nsys.exit(single.run(sys.argv[1], json.loads(sys.argv[2])))\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "root"), json.dumps(record)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    folder = tmp_path / "root" / "runs" / "r" / "1"
    assert "a name nobody foresaw" in (folder / "azureml-logs" / "20_image_build_log.txt").read_text()
    assert '"exit_code": 0' in (folder / "result.json").read_text()
    assert (tmp_path / "root" / "local" / "work" / "ry-a-1" / "outputs" / "x").read_text() == "x"
