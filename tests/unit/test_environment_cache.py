"""The cache: found, held, listed, pruned and explained without any tool."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from runyard.runner.environments import cache as caches
from runyard.runner.environments import describe, explain, find, hold, list_environments, prune, read_wish, release
from runyard.runner.environments.making import Made, manifest_of, masker_of
from runyard.runner.environments.wish import Wish
from runyard.runner.problems import Problem


class Shelf:
    """A cache with environments that are only folders."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def wish(self, *packages: str, pip: list[str] | None = None, **more: Any) -> Wish:
        dependencies: list[Any] = [*packages, {"pip": pip}] if pip else [*packages]
        conda = {"channels": ["c"], "dependencies": dependencies, "variables": more.pop("variables", {})}
        return read_wish({"conda": conda, "cache": str(self.folder), **more})

    def put(self, wish: Wish, used: float = 1e9, size: int = 100) -> Path:
        caches.make_cache(wish.cache)
        prefix = self.folder / wish.key
        (prefix / "bin").mkdir(parents=True)
        (prefix / "bin" / "python").write_text("#!/bin/sh\n")
        (prefix / "bin" / "python").chmod(0o755)
        made = Made(
            str(prefix), str(prefix / "bin" / "python"), "3.6.15", "uv", {"VIRTUAL_ENV": str(prefix)}, ["a note"]
        )
        caches.publish(wish.cache, wish.key, manifest_of(wish, made, masker_of(wish, {}), 1.0, size))
        os.utime(caches.manifest_path(wish.cache, wish.key), (used, used))
        return prefix

    def keys(self) -> list[str]:
        return [each["key"] for each in list_environments(str(self.folder))]


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "environments")


def test_an_environment_is_found_with_its_variables(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    wish = shelf.wish("python=3.6", variables={"OMP_NUM_THREADS": "4"})
    assert find(wish) is None
    prefix = shelf.put(wish)
    monkeypatch.setenv("PATH", "/usr/bin")
    ready = find(wish)
    assert ready is not None
    assert (wish.key, str(prefix), f"{prefix}/bin/python") == (ready.key, ready.prefix, ready.interpreter)
    expected = {"OMP_NUM_THREADS": "4", "VIRTUAL_ENV": str(prefix), "PATH": f"{prefix}/bin:/usr/bin"}
    assert (expected, ["a note"], "uv") == (ready.variables, ready.notes, ready.tool)
    given = ready.environment({"PATH": "/opt/bin", "PYTHONHOME": "/x", "OMP_NUM_THREADS": "1", "MINE": "1"})
    assert {**expected, "PATH": f"{prefix}/bin:/opt/bin", "MINE": "1"} == given


def test_finding_notes_the_use(shelf: Shelf) -> None:
    wish = shelf.wish("python=3.6")
    shelf.put(wish, used=1000.0)
    assert 1000.0 == list_environments(wish.cache)[0]["last_use"]
    find(wish)
    assert list_environments(wish.cache)[0]["last_use"] > 1e9


def test_an_environment_without_its_interpreter_is_not_found(shelf: Shelf) -> None:
    wish = shelf.wish("python=3.6")
    python = shelf.put(wish) / "bin" / "python"
    python.unlink()
    python.symlink_to("/no/such/python3.6")
    assert find(wish) is None
    assert "broken" == describe(wish.cache, wish.key)["state"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 99}', "\0" * 100])
def test_a_manifest_that_is_not_whole_is_none(shelf: Shelf, text: str) -> None:
    wish = shelf.wish("python=3.6")
    shelf.put(wish)
    Path(caches.manifest_path(wish.cache, wish.key)).write_text(text)
    assert find(wish) is None


def test_what_the_builder_sends_holds_no_variables_of_the_conda_file(shelf: Shelf) -> None:
    wish = shelf.wish("python=3.6", variables={"API_TOKEN": "canary-value"})
    shelf.put(wish)
    ready = find(wish)
    assert ready is not None
    record = ready.as_record(wish)
    assert "canary-value" not in json.dumps(record)
    assert ready.variables == caches.Ready.from_record(json.loads(json.dumps(record)), wish).variables


def test_what_is_kept_holds_no_secret(shelf: Shelf) -> None:
    wish = shelf.wish(
        "python=3.6",
        pip=["--index-url https://user:canary-one@h.example/s", "six"],
        variables={"API_TOKEN": "canary-two"},
        source="https://me:canary-six@h.example/",
    )
    shelf.put(wish)
    shown = json.dumps([list_environments(wish.cache), explain(wish, "")])
    kept = Path(caches.manifest_path(wish.cache, wish.key)).read_text()
    assert "canary" not in shown + kept
    assert "https://********@h.example/s" in kept


def test_a_cache_that_others_may_write_to_is_refused(shelf: Shelf) -> None:
    wish = shelf.wish("python=3.6")
    shelf.put(wish)
    shelf.folder.chmod(0o770)
    for act in (lambda: find(wish), lambda: list_environments(wish.cache), lambda: caches.make_cache(wish.cache)):
        with pytest.raises(Problem, match=r"others may write to the cache of environments"):
            act()


def test_a_cache_of_another_user_is_refused(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    wish = shelf.wish("python=3.6")
    shelf.put(wish)
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(Problem, match=r"is the user [0-9]+'s and not yours"):
        find(wish)


def test_a_cache_is_made_for_its_user_alone(shelf: Shelf) -> None:
    caches.make_cache(str(shelf.folder))
    assert 0o700 == shelf.folder.stat().st_mode & 0o777


def test_a_cache_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Problem, match=r"^the cache of environments .* cannot be written: .*; set RUNYARD_ENVIRONMENTS"):
        caches.make_cache(str(tmp_path / "file" / "cache"))


def test_an_environment_that_is_held_is_not_pruned(shelf: Shelf) -> None:
    wish = shelf.wish("python=3.6")
    shelf.put(wish)
    ready = find(wish)
    assert ready is not None
    held = hold(ready)
    assert held is not None
    assert describe(wish.cache, wish.key)["in_use"] is True
    (kept,) = prune(wish.cache, keys=[wish.key])
    assert (False, "it is in use") == (kept["removed"], kept["reason"])
    release(held)
    (gone,) = prune(wish.cache, keys=[wish.key])
    assert (True, "it was asked for") == (gone["removed"], gone["reason"])
    assert ([], None) == (shelf.keys(), find(wish))
    assert hold(ready) is None


def test_a_script_holds_its_environment_when_we_are_gone(shelf: Shelf) -> None:
    wish = shelf.wish("python=3.6")
    shelf.put(wish)
    ready = find(wish)
    assert ready is not None
    held = hold(ready, inheritable=True)
    assert held is not None
    script = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=[held])
    release(held)
    assert [False] == [each["removed"] for each in prune(wish.cache, keys=[wish.key])]
    script.communicate(b"\n")
    assert [True] == [each["removed"] for each in prune(wish.cache, keys=[wish.key])]


def test_what_is_being_built_is_not_pruned(shelf: Shelf) -> None:
    wish = shelf.wish("python=3.6")
    caches.make_cache(wish.cache)
    (shelf.folder / wish.key).mkdir()
    lock = caches.open_lock(wish.cache, wish.key, "build")
    fcntl.flock(lock, fcntl.LOCK_EX)
    assert "building" == describe(wish.cache, wish.key[:12])["state"]
    assert [] == prune(wish.cache)
    assert ["it is being built"] == [each["reason"] for each in prune(wish.cache, keys=[wish.key])]
    os.close(lock)
    assert "broken" == describe(wish.cache, wish.key[:12])["state"]
    assert [(wish.key, "it is broken")] == [(each["key"], each["reason"]) for each in prune(wish.cache)]
    assert [] == shelf.keys()


def test_the_longest_unused_go_first(shelf: Shelf) -> None:
    wishes = [shelf.wish(f"python=3.{minor}") for minor in range(6, 10)]
    for number, wish in enumerate(wishes):
        shelf.put(wish, used=1e9 + number, size=100)
    cache = str(shelf.folder)
    assert [each.key for each in reversed(wishes)] == shelf.keys()
    planned = prune(cache, most_bytes=250, dry_run=True)
    assert {wishes[0].key, wishes[1].key} == {each["key"] for each in planned if each["removed"]}
    assert 4 == len(shelf.keys())
    assert {each["key"] for each in planned} == {each["key"] for each in prune(cache, most_bytes=250)}
    assert [wishes[3].key, wishes[2].key] == shelf.keys()
    os.utime(caches.manifest_path(cache, wishes[3].key))
    assert [wishes[2].key] == [each["key"] for each in prune(cache, older_than=3600)]
    assert [wishes[3].key] == shelf.keys()


def test_the_log_of_a_build_that_failed_goes_when_it_is_old(shelf: Shelf) -> None:
    wish = shelf.wish("python=3.6")
    caches.make_cache(wish.cache)
    log = shelf.folder / f"{wish.key}.log"
    log.write_text("no such package\n")
    assert ([], True) == (prune(wish.cache), log.exists())
    os.utime(log, (1e9, 1e9))
    assert ([], True) == (prune(wish.cache, dry_run=True), log.exists())
    assert ([], False) == (prune(wish.cache), log.exists())


def test_prune_leaves_a_base_environment_alone(shelf: Shelf, tmp_path: Path) -> None:
    base = tmp_path / "base"
    (base / "bin").mkdir(parents=True)
    wish = shelf.wish("python=3.6", base=str(base))
    caches.make_cache(wish.cache)
    made = Made(str(base), sys.executable, "3.6.8", "base", {"CONDA_PREFIX": str(base)}, [])
    caches.publish(wish.cache, wish.key, manifest_of(wish, made, masker_of(wish, {}), 1.0, 0))
    assert find(wish) is not None
    assert [True] == [each["removed"] for each in prune(wish.cache, keys=[wish.key])]
    assert base.is_dir()


def test_a_folder_that_may_not_be_written_is_removed_too(shelf: Shelf) -> None:
    wish = shelf.wish("python=3.6")
    inner = shelf.put(wish) / "lib" / "deep"
    inner.mkdir(parents=True)
    (inner / "file").write_text("x")
    inner.chmod(0o500)
    inner.parent.chmod(0o500)
    assert [True] == [each["removed"] for each in prune(wish.cache, keys=[wish.key])]


def test_a_key_that_begins_none_or_several_is_said(shelf: Shelf) -> None:
    wish = shelf.wish("python=3.6")
    shelf.put(wish)
    other = wish.key[:3] + ("0" if wish.key[3] != "0" else "1") * 61
    (shelf.folder / other).mkdir()
    with pytest.raises(Problem, match=r"there is no environment zzz in .*'runyard env list'"):
        describe(wish.cache, "zzz")
    with pytest.raises(Problem, match=r"begins the keys of 2 environments .*give more of it"):
        describe(wish.cache, wish.key[:3])
    assert wish.key == describe(wish.cache, wish.key[:4])["key"]


def test_nothing_is_listed_where_there_is_no_cache(tmp_path: Path) -> None:
    assert [] == list_environments(str(tmp_path / "none"))


def test_explain_names_the_package_that_changed_since_the_last_of_the_same_source(shelf: Shelf) -> None:
    before = shelf.wish("python=3.6.2", "numpy=1.16", pip=["six==1.11.0", "idna"], source="here")
    shelf.put(before)
    shelf.put(shelf.wish("python=3.6.2", "numpy=1.17", source="elsewhere"), used=2e9)
    after = shelf.wish("python=3.6.2", "numpy=1.16", pip=["six==1.12.0", "idna", "attrs"], source="here")
    told = explain(after, "")
    assert (before.key, "source", "absent") == (told["compared_with"], told["because"], told["state"])
    assert [
        {"what": "pip package attrs", "change": "added", "before": None, "after": "attrs"},
        {"what": "pip package six", "change": "changed", "before": "six==1.11.0", "after": "six==1.12.0"},
    ] == told["changes"]
    assert [
        "pip package attrs: added (attrs)",
        "pip package six: six==1.12.0, before it was six==1.11.0",
    ] == told["sentences"]


def test_explain_compares_with_the_most_similar_where_the_source_is_new(shelf: Shelf) -> None:
    near = shelf.wish("python=3.6.2", "numpy=1.16", policy="exact")
    shelf.put(near)
    shelf.put(shelf.wish("python=2.7", "pandas", pip=["--pre", "six"]), used=2e9)
    told = explain(shelf.wish("python=3.6.2", "numpy=1.16", source="new"), "")
    assert (near.key, "similar") == (told["compared_with"], told["because"])
    assert ["policy: nearest, before it was exact"] == told["sentences"]


def test_a_new_credential_makes_no_other_environment(shelf: Shelf) -> None:
    before = shelf.wish(
        "python=3", "https://u:canary-one@h.example/c::x", pip=["--index-url https://u:canary-one@h.example/s"]
    )
    after = shelf.wish(
        "python=3", "https://u:canary-two@h.example/c::x", pip=["--index-url https://u:canary-two@h.example/s"]
    )
    assert before.key == after.key
    assert before.key != shelf.wish("python=3", pip=["--index-url https://u:canary-one@other.example/s"]).key


def test_explain_has_nothing_to_compare_with_in_an_empty_cache(shelf: Shelf) -> None:
    told = explain(shelf.wish("python=3"), "")
    assert (None, [], "absent") == (told["compared_with"], told["changes"], told["state"])
    assert ["python=3"] == told["ingredients"]["conda_packages"]
