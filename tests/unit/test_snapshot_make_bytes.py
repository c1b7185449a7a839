"""The same content gives the same bytes: on any machine, with any Python, however it was written there."""

from __future__ import annotations

import hashlib
import io
import os
import random
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pathspec
import pytest

from runyard.snapshot.archive import open_archive
from runyard.snapshot.make import make_snapshot
from runyard.snapshot.tree import Source
from runyard.snapshot.writer import PIECE, ZipWriter, size_of

GOLDEN = "b3aa82cec82c9e69736af6af4ec83f06019816eda598fe0050fd54d55c268c10"
"""Of the tree below. A change makes every snapshot that was uploaded before be uploaded again."""

CONTENT: Mapping[str, bytes] = {
    "train.py": b"print(1)\n",
    "aml_config/local.runconfig": b"script: train.py\n",
    "data/\u00fc \u65e5\u672c.csv": b"1,2\n" * 1000,
    "data/empty": b"",
    "data-x": b"sorts around the slash",
    "data.x": b"",
    "deep/er/st": random.Random(0).randbytes(PIECE + 1),
    "exact": random.Random(1).randbytes(PIECE),
    "new\nline": b"a name may hold that",
    "run.sh": b"#!/bin/sh\n",
    "outputs/old": b"ignored",
}
SHARED = str(Path(__file__).parents[2] / "shared")
MAKE = """
import os, sys
from pathlib import Path
os.umask(int(sys.argv[3], 8))
from runyard.snapshot.make import make_snapshot
print(make_snapshot(Path(os.fsdecode(os.fsencode(sys.argv[1]))), Path(sys.argv[2])).sha256)
"""


def build(folder: Path, names: list[str], *, mode: int = 0o644) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(CONTENT[name])
        path.chmod(mode | 0o111 if name == "run.sh" else mode)
    return folder


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return build(tmp_path / "project", list(CONTENT))


def newer_interpreters() -> list[str]:
    found = {}
    for path in sorted(Path.home().glob(".pyenv/versions/3.1[1-9].*/bin/python")):
        found[path.parts[-3].rsplit(".", 1)[0]] = str(path)
    found.pop(f"{sys.version_info.major}.{sys.version_info.minor}", None)
    return list(found.values())


def made_by(interpreter: str, project: Path, *, umask: str = "022", **variables: str) -> str:
    paths = [SHARED, str(Path(pathspec.__file__).parents[1])]
    done = subprocess.run(
        [interpreter, "-c", MAKE, str(project), str(project.parent / "out.zip"), umask],
        env={"PYTHONPATH": os.pathsep.join(paths), "PATH": os.environ["PATH"], **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_golden_tree_has_its_digest(project: Path, tmp_path: Path) -> None:
    made = make_snapshot(project, tmp_path / "s.zip")
    data = (tmp_path / "s.zip").read_bytes()
    assert hashlib.sha256(data).hexdigest() == made.sha256
    assert made.size == len(data)
    assert made.sha256 == GOLDEN


def test_neither_order_nor_times_nor_modes_nor_links_matter(project: Path, tmp_path: Path) -> None:
    first = make_snapshot(project, io.BytesIO())
    other = build(tmp_path / "other", list(CONTENT)[::-1], mode=0o600)
    for path in other.rglob("*"):
        os.utime(path, (1, 1))
    (other / "data-x").unlink()
    (other / "data-x").hardlink_to(project / "data-x")
    (other / "train.py").unlink()
    (other / "outputs" / "kept.py").write_bytes(CONTENT["train.py"])
    (other / "train.py").symlink_to("outputs/kept.py")
    assert make_snapshot(other, io.BytesIO()) == first


@pytest.mark.parametrize(
    "variables",
    [
        {"PYTHONHASHSEED": "1"},
        {"PYTHONHASHSEED": "2", "LC_ALL": "C", "TZ": "Pacific/Kiritimati"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"LC_ALL": "C.UTF-8", "SOURCE_DATE_EPOCH": "1000000000"},
    ],
)
def test_the_environment_does_not_matter(project: Path, variables: dict[str, str]) -> None:
    assert made_by(sys.executable, project, umask="077", **variables) == make_snapshot(project, io.BytesIO()).sha256


def test_newer_interpreters_make_the_same(project: Path) -> None:
    interpreters = newer_interpreters()
    if not interpreters:
        pytest.skip("no other Python from 3.11 on is installed")
    mine = make_snapshot(project, io.BytesIO()).sha256
    assert {made_by(each, project) for each in interpreters} == {mine}


def test_the_bytes_are_those_of_the_zipfile_module(project: Path) -> None:
    ours, theirs = io.BytesIO(), io.BytesIO()
    make_snapshot(project, ours)
    with zipfile.ZipFile(io.BytesIO(ours.getvalue())) as read, zipfile.ZipFile(theirs, "w") as write:
        for info in read.infolist():
            again = zipfile.ZipInfo(info.filename, (1980, 1, 1, 0, 0, 0))
            again.create_system, again.external_attr = 3, info.external_attr
            with write.open(again, "w") as into:
                into.write(read.read(info))
        names = read.namelist()
    assert names == sorted(names)
    assert {name for name in names if not name.endswith("/")} == set(CONTENT) - {"outputs/old"}
    assert ours.getvalue() == theirs.getvalue()


def test_what_is_made_is_what_the_reader_reads(project: Path) -> None:
    out = io.BytesIO()
    made = make_snapshot(project, out)
    data = out.getvalue()
    archive = open_archive(lambda offset, length: data[offset : offset + length], len(data), name="s")
    for name, content in CONTENT.items():
        if name != "outputs/old":
            assert archive.read(archive.entries[name], 2 * PIECE) == content
    assert (archive.files, archive.uncompressed) == (made.files, made.bytes)


@pytest.mark.parametrize("count", [65_534, 65_535])
def test_more_entries_than_the_format_first_had_are_counted_in_zip64(count: int) -> None:
    out = io.BytesIO()
    with ZipWriter(out) as writer:
        for index in range(count - 1):
            writer.add_folder(f"{index:x}/")
        writer.add_file(Source("z", os.devnull, 0, is_folder=False, is_executable=False), lambda _: None)
        written = writer.finish()
    data = out.getvalue()
    assert (written.size, written.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert size_of((*(f"{index:x}/" for index in range(count - 1)), "z"), 0)[0] == len(data)
    assert (b"PK\6\6" in data[-98:]) == (count >= 65_535)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert len(archive.infolist()) == count
    open_archive(lambda offset, length: data[offset : offset + length], len(data), name="s", keep=lambda _: False)


def test_the_size_is_known_before_it_is_written(project: Path) -> None:
    out = io.BytesIO()
    made = make_snapshot(project, out)
    with zipfile.ZipFile(out) as archive:
        names = archive.namelist()
        directory = made.size - 22 - archive.start_dir
    assert size_of(names, made.bytes) == (made.size, directory)


def test_a_zip_that_would_need_wide_offsets_is_not_made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("runyard.snapshot.writer.LIMIT", 100)
    (tmp_path / "a").write_bytes(b"x" * 101)
    with ZipWriter(io.BytesIO()) as writer, pytest.raises(OverflowError):
        writer.add_file(Source("a", str(tmp_path / "a"), 101, is_folder=False, is_executable=False), lambda _: None)


def folder_of_links(folder: Path) -> Iterator[str]:
    for index in range(3):
        (folder / f"link{index}").symlink_to("train.py")
        yield f"link{index}"


def test_a_link_inside_is_the_content_that_it_names(project: Path) -> None:
    names = list(folder_of_links(project))
    (project / "linked").symlink_to("deep")
    out = io.BytesIO()
    make_snapshot(project, out)
    with zipfile.ZipFile(out) as archive:
        assert {archive.read(name) for name in names} == {CONTENT["train.py"]}
        assert archive.read("linked/er/st") == CONTENT["deep/er/st"]
        assert {info.external_attr >> 28 for info in archive.infolist()} == {0o4, 0o10}  # folders and files, no links
