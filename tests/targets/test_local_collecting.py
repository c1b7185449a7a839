"""What is moved from the working directory at the end: links are not followed, and every name can be listed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from runyard.ports import Ended
from tests.targets.house import House


def note(house: House, ended: Ended) -> str:
    return (house.folder(ended.handle) / "azureml-logs" / "20_image_build_log.txt").read_text()


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "precious").write_text("mine")
    return folder


def test_outputs_that_became_a_link_are_left_out(house: House, outside: Path) -> None:
    ended = house.run(f"import os\nos.rmdir('outputs')\nos.symlink({str(outside)!r}, 'outputs')\n")
    assert ended.exit_code == 0
    assert not os.path.lexists(house.folder(ended.handle) / "outputs")
    assert f"outputs is a link to {str(outside)!r}, which is not followed: it was left out" in note(house, ended)
    assert (outside / "sub" / "precious").read_text() == "mine"


def test_a_folder_behind_a_link_is_left_out(house: House, outside: Path) -> None:
    script = f"import os\nos.removedirs('watched/sub')\nos.symlink({str(outside)!r}, 'watched')\n"
    ended = house.run(script, watched_directories=("watched/sub",))
    assert ended.exit_code == 0
    assert "watched/sub lies behind a link, which is not followed: it was left out" in note(house, ended)
    assert (outside / "sub" / "precious").read_text() == "mine"


def test_links_in_outputs_stay_links(house: House, outside: Path) -> None:
    bad = os.fsdecode(b"bad\xe9")
    (outside / bad).touch()
    ended = house.run(f"import os\nos.symlink({str(outside)!r}, 'outputs/link')\nopen('outputs/a', 'w').close()\n")
    outputs = house.folder(ended.handle) / "outputs"
    assert sorted(each.name for each in outputs.iterdir()) == ["a", "link"]
    assert (outputs / "link").is_symlink()
    assert (outside / bad).exists()


def test_a_link_where_outputs_are_moved_to_is_not_followed(house: House, outside: Path) -> None:
    script = f"""\
import os
os.symlink({str(outside)!r}, os.path.dirname(os.environ["RUNYARD_METRICS"]) + "/outputs")
open("outputs/a", "w").close()
"""
    ended = house.run(script)
    assert ended.exit_code == 0
    assert [each.name for each in outside.iterdir()] == ["sub"]


def test_names_that_are_not_utf8_are_respelled(house: House) -> None:
    script = """\
import os
os.makedirs(b"outputs/d\\xff/e\\xfe")
for name in (b"lat\\xe9", b"lat%E9", b"d\\xff/e\\xfe/f\\xfd", b"ok", b"\\xe9" * 255):
    open(b"outputs/" + name, "wb").write(name)
os.makedirs(b"azureml-logs")
open(b"azureml-logs/\\xe9", "w").close()
"""
    ended = house.run(script)
    assert ended.exit_code == 0
    folder = house.folder(ended.handle)
    outputs = folder / "outputs"
    assert (outputs / "lat%E9").read_bytes() == b"lat%E9"
    assert (outputs / "lat%E9~2").read_bytes() == b"lat\xe9"
    assert (outputs / "d%FF" / "e%FE" / "f%FD").read_bytes() == b"d\xff/e\xfe/f\xfd"
    assert (folder / "azureml-logs" / "%E9").exists()
    assert len(list(outputs.iterdir())) == 5
    for path in folder.rglob("*"):
        str(path).encode()
    assert "outputs/lat%E9~2 is what was not named in UTF-8" in note(house, ended)
