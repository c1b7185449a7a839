"""A snapshot holds what the ignore file leaves, in the same bytes on any machine."""

import hashlib
import io
import os
import zipfile
from pathlib import Path

import pytest

from runyard.errors import SnapshotError
from runyard.runconfig.locate import is_setting
from runyard.snapshot.archive import open_archive
from runyard.snapshot.make import make_snapshot


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    write(
        folder, "train.py", "src/lib.py", "aml_config/local.runconfig", "outputs/old.pkl", ".git/config", "data/a.csv"
    )
    return folder


def write(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)


def names(folder: Path, out: Path) -> list[str]:
    make_snapshot(folder, out)
    with zipfile.ZipFile(out) as archive:
        assert archive.testzip() is None
        return archive.namelist()


def test_files_and_folders_go_in_by_name_without_a_top_folder(project: Path, tmp_path: Path) -> None:
    found = names(project, tmp_path / "s.zip")
    assert found == [
        "aml_config/", "aml_config/local.runconfig", "data/", "data/a.csv", "src/", "src/lib.py", "train.py",
    ]  # fmt: skip
    assert sorted(path.name for path in tmp_path.iterdir()) == ["project", "s.zip"]


def test_amlignore_counts_and_gitignore_only_without_it(project: Path, tmp_path: Path) -> None:
    (project / ".gitignore").write_text("*.py\n")
    assert "train.py" not in names(project, tmp_path / "s.zip")
    (project / ".amlignore").write_text("outputs\ndata/\n")
    found = names(project, tmp_path / "s.zip")
    assert "train.py" in found
    assert "outputs/" not in found
    assert [name for name in found if name.startswith("data")] == ["data/"]
    assert not any(name.startswith(".git/") for name in found)


def test_a_pattern_may_take_back_an_earlier_one(project: Path, tmp_path: Path) -> None:
    write(project, "data/keep/b.csv")
    (project / ".amlignore").write_text("data/**\n!data/keep/\n!data/keep/b.csv\n")
    assert [name for name in names(project, tmp_path / "s.zip") if name.endswith(".csv")] == ["data/keep/b.csv"]


def test_the_same_content_gives_the_same_bytes(project: Path, tmp_path: Path) -> None:
    first = make_snapshot(project, tmp_path / "1.zip")
    for path in project.rglob("*"):
        os.utime(path, (1, 1))
    (project / "src/lib.py").chmod(0o600)
    second = make_snapshot(project, tmp_path / "2.zip")
    data = (tmp_path / "1.zip").read_bytes()
    assert data == (tmp_path / "2.zip").read_bytes()
    assert first == second
    assert hashlib.sha256(data).hexdigest() == first.sha256
    assert (len(data), 4) == (first.size, first.files)
    assert first.bytes == sum(
        len(name) for name in ("train.py", "src/lib.py", "aml_config/local.runconfig", "data/a.csv")
    )
    assert first.largest[0] == ("aml_config/local.runconfig", 26)


def test_the_executable_bit_is_kept(project: Path, tmp_path: Path) -> None:
    (project / "train.py").chmod(0o755)
    make_snapshot(project, tmp_path / "s.zip")
    with zipfile.ZipFile(tmp_path / "s.zip") as archive:
        modes = {info.filename: info.external_attr >> 16 for info in archive.infolist()}
    assert (modes["train.py"], modes["src/lib.py"], modes["src/"]) == (0o100755, 0o100644, 0o040755)


def test_an_open_file_may_be_given(project: Path) -> None:
    out = io.BytesIO()
    steps: list[tuple[int, int]] = []
    summary = make_snapshot(project, out, progress=lambda done, total: steps.append((done, total)))
    data = out.getvalue()
    archive = open_archive(lambda offset, length: data[offset : offset + length], len(data), name="s")
    assert archive.read(archive.entries["src/lib.py"], 100) == b"src/lib.py"
    assert steps[-1] == (summary.bytes, summary.bytes)


def test_a_snapshot_into_its_own_folder_leaves_itself_out(project: Path) -> None:
    out = project / "s.zip"
    first = make_snapshot(project, out)
    assert first == make_snapshot(project, out)


def test_a_link_inside_is_followed_and_one_that_leaves_is_refused(project: Path, tmp_path: Path) -> None:
    (project / "link.py").symlink_to("train.py")
    (project / "linked").symlink_to("src")
    found = names(project, tmp_path / "s.zip")
    assert {"link.py", "linked/", "linked/lib.py"} <= set(found)
    (project / "away").symlink_to(tmp_path)
    with pytest.raises(SnapshotError, match="away is a link that leads out"):
        make_snapshot(project, tmp_path / "s.zip")
    (project / ".amlignore").write_text("away\n")
    assert "away/" not in names(project, tmp_path / "s.zip")


def test_links_that_go_nowhere_or_in_circles_are_named(project: Path, tmp_path: Path) -> None:
    (project / "src" / "circle").symlink_to(project)
    with pytest.raises(SnapshotError, match="src/circle is a link to a folder around itself"):
        make_snapshot(project, tmp_path / "s.zip")
    (project / "src" / "circle").unlink()
    (project / "gone").symlink_to("nothing")
    with pytest.raises(SnapshotError, match="gone is a link to something that is not there"):
        make_snapshot(project, tmp_path / "s.zip")


def test_what_a_run_needs_is_kept_whatever_the_ignore_file_says(tmp_path: Path) -> None:
    (tmp_path / ".azureml").mkdir()
    (tmp_path / ".azureml" / "local").write_text("script: train.py")
    (tmp_path / ".azureml" / "config.json").write_text("{}")
    (tmp_path / "train.py").write_text("")
    (tmp_path / ".amlignore").write_text(".azureml\n.git\noutputs\n")
    make_snapshot(tmp_path, tmp_path.parent / "out.zip", keep=is_setting)
    with zipfile.ZipFile(tmp_path.parent / "out.zip") as archive:
        names = set(archive.namelist())
    assert names >= {".azureml/local", "train.py"}
    assert ".azureml/config.json" not in names
