"""The key of a wish: what counts for it, and what does not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from runyard.environment.conda_document import read_text
from runyard.environment.conda_normal import normalised
from runyard.runner.environments import Wish, check_allowed, read_wish
from runyard.runner.problems import Problem

CONDA: dict[str, Any] = {
    "channels": ["conda-forge", "defaults"],
    "dependencies": ["numpy=1.16", "python=3.6.2", {"pip": ["--index-url https://a.example/s", "--pre", "six"]}],
    "variables": {"OMP_NUM_THREADS": "4"},
}


def record(**more: Any) -> dict[str, Any]:
    return {"conda": CONDA, "cache": "/cache", **more}


def conda(**more: Any) -> dict[str, Any]:
    return {"conda": {**CONDA, **more}, "cache": "/cache"}


def key(changed: dict[str, Any]) -> str:
    return read_wish(changed).key


def test_a_key_is_64_hexadecimal_digits_and_the_same_each_time() -> None:
    assert 64 == len(key(record()))
    assert set(key(record())) <= set("0123456789abcdef")
    assert key(record()) == key(json.loads(json.dumps(record())))


@pytest.mark.parametrize(
    "changed",
    [
        record(cache="/other"),
        record(source="another"),
        record(auto_prepare=False),
        record(policy="nearest"),
        record(resolver="auto"),
        record(python="/another/python"),
        conda(
            dependencies=["python=3.6.2", "numpy=1.16", {"pip": ["--index-url https://a.example/s", "--pre", "six"]}]
        ),
    ],
)
def test_what_does_not_decide_the_content_does_not_count(changed: dict[str, Any]) -> None:
    assert key(record()) == key(changed)


@pytest.mark.parametrize(
    "changed",
    [
        record(policy="exact"),
        record(resolver="pip"),
        record(base="myenv"),
        conda(channels=["defaults", "conda-forge"]),
        conda(variables={"OMP_NUM_THREADS": "2"}),
        conda(variables={}),
        conda(dependencies=["numpy=1.17", *CONDA["dependencies"][1:]]),
        conda(dependencies=[*CONDA["dependencies"][:2], {"pip": ["--pre", "--index-url https://a.example/s", "six"]}]),
        conda(
            dependencies=[*CONDA["dependencies"][:2], {"pip": ["--index-url https://u:p@a.example/s", "--pre", "six"]}]
        ),
        conda(dependencies=CONDA["dependencies"][:2]),
    ],
)
def test_what_decides_the_content_counts(changed: dict[str, Any]) -> None:
    assert key(record()) != key(changed)


@pytest.mark.parametrize(
    ("package", "counts"),
    [("python", True), ("numpy", True), ("python=3.6", False), ("python>=3", False), ("main::python 3.7.*", False)],
)
def test_the_computes_interpreter_counts_only_when_no_version_is_asked_for(package: str, counts: bool) -> None:
    keys = [
        key({"conda": {"dependencies": [package]}, "python": path, "cache": "/c"})
        for path in ("/a/python", "/b/python")
    ]
    assert counts == (keys[0] != keys[1])


def test_comments_order_and_spelling_do_not_count_after_normalisation() -> None:
    one = b"# a\nname: x\nchannels: [c]\ndependencies: [python=3.6.2, numpy, {pip: [Six, '-i https://a.example']}]\n"
    two = b"channels: [c]\ndependencies:\n- pip:\n  - --index-url=https://a.example\n  - six\n- NumPy\n- python=3.6.2\n"
    keys = [key({"conda": normalised(read_text(each, "a")), "cache": "/c"}) for each in (one, two)]
    assert keys[0] == keys[1]


def test_files_that_are_named_count_by_their_content(tmp_path: Path) -> None:
    (tmp_path / "more.txt").write_text("-c limits.txt\nsix\n")
    (tmp_path / "limits.txt").write_text("six<2\n")
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "setup.py").write_text("setup()\n")

    def now() -> str:
        entries = ["--requirement more.txt", "-e ./package"]
        asked = {"conda": {"dependencies": [{"pip": entries}]}, "cache": "/c", "folder": str(tmp_path)}
        return key(asked)

    keys = [now()]
    (tmp_path / "unnamed.txt").write_text("x")
    assert keys[0] == now()
    for name in ("more.txt", "limits.txt", "package/setup.py"):
        with (tmp_path / name).open("a") as stream:
            stream.write("# more\n")
        keys.append(now())
    assert 4 == len(set(keys))


def test_where_the_snapshot_lies_does_not_count(tmp_path: Path) -> None:
    keys = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "more.txt").write_text("six\n")
        asked = {"conda": {"dependencies": [{"pip": ["-r more.txt"]}]}, "cache": "/c", "folder": str(tmp_path / name)}
        keys.append(key(asked))
    assert keys[0] == keys[1]


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    asked = {"conda": {"dependencies": [{"pip": ["-r more.txt"]}]}, "cache": "/c", "folder": str(tmp_path)}
    with pytest.raises(Problem, match=r"^--requirement more\.txt cannot be read: No such file or directory$"):
        key(asked)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ([], "the wish for an environment must be a JSON object"),
        ({"conda": []} | {"cache": "/c", "conda": [1]}, "conda must be an object"),
        ({"cache": "/c", "conda": {"channels": "a"}}, "conda.channels must be a list"),
        ({"cache": "/c", "conda": {"dependencies": [3]}}, "conda.dependencies may hold texts of one line only"),
        ({"cache": "/c", "conda": {"dependencies": [{"npm": []}]}}, "one object with a list under 'pip'"),
        ({"cache": "/c", "conda": {"dependencies": [{"pip": ["a\nb"]}]}}, "texts of one line only"),
        ({"cache": "/c", "conda": {"variables": {"A": 1}}}, "conda.variables may hold texts"),
        ({"cache": "/c", "policy": "newest"}, "policy of the environment is 'newest'; allowed are nearest, exact"),
        ({"cache": "/c", "resolver": "npm"}, "resolver of the environment is 'npm'; allowed are auto, uv, pip"),
        ({"cache": "/c", "auto_prepare": "no"}, "auto_prepare of the environment must be true or false"),
        ({"cache": "/c", "python": 3}, "python of the environment must be a text"),
        ({"cache": "relative"}, "cache must be the full path"),
        ({}, "cache must be the full path"),
    ],
)
def test_a_wrong_record_is_named(wrong: Any, sentence: str) -> None:
    with pytest.raises(Problem) as caught:
        read_wish(wrong)
    assert sentence in caught.value.message
    assert "config" == caught.value.error_class


def test_what_may_not_be_built_says_what_to_do() -> None:
    check_allowed(Wish(record()))
    with pytest.raises(
        Problem, match=r"is not built yet and auto_prepare_environment is false; run 'runyard env build'"
    ):
        check_allowed(Wish(record(auto_prepare=False)))


@pytest.mark.parametrize("entry", ["-r /etc/hostname", "-c ../other.txt", "-r linked.txt", "-r inner/more.txt"])
def test_a_requirements_file_outside_of_the_snapshot_is_not_read(tmp_path: Path, entry: str) -> None:
    folder = tmp_path / "snapshot"
    (folder / "inner").mkdir(parents=True)
    (tmp_path / "other.txt").write_text("secret\n")
    (folder / "linked.txt").symlink_to(tmp_path / "other.txt")
    (folder / "inner" / "more.txt").write_text("-r ../../other.txt\n")
    asked = read_wish({"cache": "/c", "folder": str(folder), "conda": {"dependencies": [{"pip": [entry]}]}})
    with pytest.raises(Problem, match=r"leads out of the snapshot; put the file into it"):
        _ = asked.key
