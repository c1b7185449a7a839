"""What cannot be run ends as one clear sentence, and harms nothing else."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import pytest

from runyard.errors import ConfigError
from runyard.ports import Ended
from tests.targets.house import House


def refused(house: House, ended: Ended, error_class: str = "config") -> str:
    assert ended.outcome == "failed"
    assert ended.error_class == error_class
    assert ended.exit_code is None
    assert ended.started is None
    assert ended.log_bytes == 0
    log = house.folder(ended.handle) / "azureml-logs" / "20_image_build_log.txt"
    assert log.read_text() == ended.error + "\n"
    assert house.run("pass").exit_code == 0
    return ended.error


def test_a_missing_script_is_named_with_those_there_are(house: House) -> None:
    files = {f"src/{name}.py": "" for name in "fedcba"} | {"README": "", "zz.py": ""}
    error = refused(house, house.run(files, script="train.py"))
    assert error == (
        "the script 'train.py' is not in the snapshot; it has zz.py, src/a.py, src/b.py, src/c.py, src/d.py, …"
    )


def test_a_snapshot_without_scripts_says_so(house: House) -> None:
    assert refused(house, house.run({"README": ""})).endswith("is not in the snapshot; it has no .py file")


@pytest.mark.parametrize("script", ["../outside.py", "/etc/hostname", "sub/../../outside.py"])
def test_a_script_outside_the_snapshot_is_refused(house: House, script: str) -> None:
    (house.root / "local" / "work").mkdir(parents=True)
    (house.root / "local" / "work" / "outside.py").write_text("print('stolen')")
    error = refused(house, house.run({"sub/a.py": "pass"}, script=script))
    assert error == f"the script {script!r} lies outside the snapshot; it has sub/a.py"


def test_a_script_in_a_folder_and_one_that_looks_like_an_option_run(house: House) -> None:
    assert house.run({"src/train.py": "import mylib", "src/mylib.py": ""}, script="src/train.py").exit_code == 0
    assert house.run({"-c.py": "raise SystemExit(3)"}, script="-c.py").exit_code == 3


def test_a_link_to_a_script_outside_is_refused(house: House) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        link = zipfile.ZipInfo("train.py")
        link.create_system = 3
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "../../../snapshots/x.py")
    plan = house.plan("pass")
    path = house.root / str(plan.request["snapshot"])
    path.write_bytes(buffer.getvalue())
    request = dict(plan.request) | {"snapshot_etag": ""}
    object.__setattr__(plan, "request", request)
    assert "leads out of it" in refused(house, house.ended(house.target.submit(plan)))


@pytest.mark.parametrize(
    ("interpreter", "sentence"),
    [
        ("/no/such/python", "the interpreter /no/such/python does not exist here"),
        ("no-such-python", "the interpreter no-such-python is not on PATH"),
        ("/etc/hostname", "the interpreter /etc/hostname is no program that may be run"),
        ("/etc", "the interpreter /etc is no program that may be run"),
    ],
)
def test_an_interpreter_that_cannot_be_started_is_named(house: House, interpreter: str, sentence: str) -> None:
    assert refused(house, house.run("pass", interpreter=interpreter)).startswith(sentence)


def test_arguments_too_long_for_the_system_are_refused(house: House) -> None:
    assert "too long" in refused(house, house.run("pass", arguments=("x" * (1 << 20),)))


def test_a_snapshot_that_changed_since_it_was_accepted_is_refused(house: House) -> None:
    plan = house.plan("print('old')")
    path = house.root / str(plan.request["snapshot"])
    data = path.read_bytes()
    path.write_bytes(data)
    os.utime(path, (1, 1))
    error = refused(house, house.ended(house.target.submit(plan)))
    assert error == f"the snapshot {path.name} changed since the run was accepted; submit it again"


def test_a_snapshot_that_is_gone_is_refused(house: House) -> None:
    plan = house.plan("pass")
    (house.root / str(plan.request["snapshot"])).unlink()
    assert refused(house, house.ended(house.target.submit(plan))).endswith("is not there any more; submit it again")


def test_a_snapshot_that_is_no_zip_is_refused(house: House) -> None:
    plan = house.plan("pass")
    path: Path = house.root / str(plan.request["snapshot"])
    path.write_bytes(b"no zip" * 1000)
    object.__setattr__(plan, "request", dict(plan.request) | {"snapshot_etag": ""})
    assert "is no zip" in refused(house, house.ended(house.target.submit(plan)))


def test_a_text_with_a_nul_is_refused_at_once(house: House) -> None:
    with pytest.raises(ConfigError, match="without NUL"):
        house.start("pass", arguments=("a\0b",))
    assert house.run("pass").exit_code == 0
