"""What stays out of a snapshot: the SDK's rules."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from runyard.errors import SnapshotError
from runyard.snapshot.make import make_snapshot


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


def write(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)


def packed(project: Path) -> set[str]:
    """What goes in, but for the ignore files themselves."""
    out = project.parent / "s.zip"
    make_snapshot(project, out)
    with zipfile.ZipFile(out) as archive:
        assert archive.testzip() is None
        return set(archive.namelist()) - {".amlignore", ".gitignore"}


FILES = (
    "a.py", "data/keep.csv", "data/x.csv", "data/sub/keep.csv", "foo/bar/deep.c", "foo/top.c", "q/data/x", "src/lib/m.py",
    "Data.txt", "with space ", "#hash", "!bang", "x[1]", "x1",
)  # fmt: skip

CASES = [
    ("data", {"data/", "data/keep.csv", "data/x.csv", "data/sub/", "data/sub/keep.csv", "q/data/", "q/data/x"}),
    ("data/", {"data/keep.csv", "data/x.csv", "data/sub/", "data/sub/keep.csv", "q/data/x"}),
    ("/data/", {"data/keep.csv", "data/x.csv", "data/sub/", "data/sub/keep.csv"}),
    ("data/*", {"data/keep.csv", "data/x.csv", "data/sub/", "data/sub/keep.csv"}),
    ("data/**", {"data/keep.csv", "data/x.csv", "data/sub/", "data/sub/keep.csv"}),
    ("**/x", {"q/data/x"}),
    ("data/**/keep.csv", {"data/keep.csv", "data/sub/keep.csv"}),
    ("foo/*.c", {"foo/top.c"}),
    ("*.c", {"foo/top.c", "foo/bar/deep.c"}),
    ("data/\n!data/keep.csv", {"data/x.csv", "data/sub/", "data/sub/keep.csv", "q/data/x"}),
    ("data\n!data/keep.csv", {"data/", "data/x.csv", "data/sub/", "data/sub/keep.csv", "q/data/", "q/data/x"}),
    ("data/\n!keep.csv", {"data/x.csv", "data/sub/", "q/data/x"}),
    ("!data/keep.csv\n/data/", {"data/keep.csv", "data/x.csv", "data/sub/", "data/sub/keep.csv"}),
    ("/*\n!/src", {name for name in FILES if not name.startswith("src/")}
        | {"data/", "data/sub/", "foo/", "foo/bar/", "q/", "q/data/"}),
    ("DATA/\n*.PY\ndata.txt", set()),
    ("a.py   ", {"a.py"}),
    ("with space\\ ", {"with space "}),
    ("with space ", set()),
    ("#hash", set()),
    ("\\#hash", {"#hash"}),
    ("\\!bang", {"!bang"}),
    ("x[0-9]", {"x1"}),
    ("x\\[1\\]", {"x[1]"}),
    ("\n\n# nothing\n   \n", set()),
    ("a.py\r\nx1\r\n", {"a.py", "x1"}),
    ("a.py\rx1", {"a.py", "x1"}),
    ("\ufeffa.py\nx1", {"a.py", "x1"}),
    ("x[[:alpha:]", set()),
]  # fmt: skip


@pytest.mark.parametrize(("patterns", "gone"), CASES, ids=[ascii(case[0]) for case in CASES])
def test_a_path_stays_out_if_the_last_pattern_that_matches_it_says_so(
    project: Path, patterns: str, gone: set[str]
) -> None:
    write(project, *FILES)
    everything = packed(project)
    (project / ".amlignore").write_bytes(patterns.encode())
    assert everything - packed(project) == gone
    (project / ".amlignore").rename(project / ".gitignore")
    assert everything - packed(project) == gone


def test_amlignore_wins_over_gitignore_even_when_it_is_empty(project: Path) -> None:
    write(project, "a.py", "b.py", "outputs/old.pkl", "__pycache__/a.pyc")
    (project / ".gitignore").write_text("b.py\noutputs/\n")
    assert packed(project) == {"a.py", "__pycache__/", "__pycache__/a.pyc", "outputs/"}
    (project / ".amlignore").touch()
    assert packed(project) == {"a.py", "b.py", "outputs/", "outputs/old.pkl", "__pycache__/", "__pycache__/a.pyc"}


def test_without_an_ignore_file_what_runs_leave_behind_stays_out(project: Path) -> None:
    write(
        project, "a.py", "outputs/old.pkl", "src/__pycache__/a.pyc", ".ipynb_checkpoints/x", "azureml-logs/70", "docs/x"
    )
    assert packed(project) == {"a.py", "src/", "docs/", "docs/x"}


def test_only_the_ignore_file_at_the_top_counts(project: Path) -> None:
    write(project, "src/a.py", "src/b.py")
    for name in (".gitignore", ".amlignore"):
        (project / "src" / name).write_text("*\n")
    assert packed(project) == {"src/", "src/a.py", "src/b.py", "src/.gitignore", "src/.amlignore"}


def test_the_history_of_git_never_goes_in(project: Path) -> None:
    write(project, "a.py", ".git/config", "vendored/.git/config", "worktree/.git", ".github/ci.yml", "x.git/a")
    (project / ".amlignore").write_text("!.git\n!.git/config\n")
    assert packed(project) == {
        "a.py", "vendored/", "worktree/", ".github/", ".github/ci.yml", "x.git/", "x.git/a",
    }  # fmt: skip


def test_a_name_may_hold_what_only_python_takes_for_the_end_of_a_line(project: Path) -> None:
    write(project, "a\x0cb", "b", "a\u2028b", "b\x85")
    (project / ".amlignore").write_text("a\x0cb\na\u2028b\n")
    assert packed(project) == {"b", "b\x85"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"ok\n\xff\xfeq\n", r"\.amlignore, line 2: this is not UTF-8"),
        ("outputs\n".encode("utf-16"), "UTF-16; save it as UTF-8"),
        (b"ok\n!\n", "line 2: '!' is not a pattern"),
        (b"x" * ((1 << 20) + 1), "larger than 1 MiB"),
    ],
)
def test_an_ignore_file_that_means_nothing_is_told_by_its_line(project: Path, content: bytes, said: str) -> None:
    write(project, "a.py")
    (project / ".amlignore").write_bytes(content)
    with pytest.raises(SnapshotError, match=said):
        make_snapshot(project, project.parent / "s.zip")
    assert not (project.parent / "s.zip").exists()


def test_an_ignore_file_that_cannot_be_read_is_not_overlooked(project: Path) -> None:
    write(project, "a.py", "secret")
    (project / ".gitignore").write_text("secret\n")
    (project / ".amlignore").symlink_to("gone")
    with pytest.raises(SnapshotError, match="amlignore cannot be read: No such file"):
        make_snapshot(project, project.parent / "s.zip")
    (project / ".amlignore").unlink()
    (project / ".amlignore").mkdir()
    with pytest.raises(SnapshotError, match="amlignore cannot be read: Is a directory"):
        make_snapshot(project, project.parent / "s.zip")


def test_what_cannot_go_in_may_be_left_out(project: Path) -> None:
    write(project, "a.py", "keep/b")
    os.mkfifo(project / "pipe")
    (project / "away").symlink_to("/etc")
    (project / "loop").symlink_to(".")
    (project / "back\\slash").touch()
    (project / os.fsdecode(b"caf\xe9")).touch()
    (project / ".amlignore").write_text("*\n!/a.py\n!/keep\n")
    assert packed(project) == {"a.py", "keep/", "keep/b"}


def test_a_parent_folder_with_an_ignored_name_hides_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "outputs" / "project"
    write(folder, "a.py")
    (folder / ".amlignore").write_text("outputs\n")
    assert packed(folder) == {"a.py"}
