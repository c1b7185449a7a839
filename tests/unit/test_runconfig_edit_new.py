"""The least set of changes between two documents, and new files in the SDK's style."""

import math
from typing import Any

import pytest
import yaml
from hypothesis import given, settings

from runyard.errors import RunconfigError
from runyard.runconfig.edit import REMOVED, Path, Removed, differences, fresh, rewrite
from runyard.runconfig.editing.changes import apply, same
from runyard.runconfig.yaml12 import load
from tests.unit.test_runconfig_edit_random import documents
from tests.unit.test_runconfig_yaml12 import reference


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({"a": 1, "b": {"c": 2}}, {"a": 1, "b": {"c": 3}}, {("b", "c"): 3}),
        ({"a": 1}, {"a": 1, "b": {"c": [1]}}, {("b",): {"c": [1]}}),
        ({"a": 1, "b": 2}, {"b": 2}, {("a",): REMOVED}),
        ({"a": 1}, {"a": True}, {("a",): True}),
        ({"a": 1}, {"a": 1.0}, {("a",): 1.0}),
        ({"a": math.nan}, {"a": math.nan}, {}),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, {}),
        ({"a": {"b": 1}}, {"a": None}, {("a",): None}),
        ({"l": ["a", "b", "c"]}, {"l": ["a", "x", "c"]}, {("l", 1): "x"}),
        ({"l": ["a", "b", "c"]}, {"l": ["a", "c"]}, {("l", 1): REMOVED}),
        ({"l": ["a"]}, {"l": ["a", "b", "c"]}, {("l", 1): "b", ("l", 2): "c"}),
        ({"l": ["a", "b", "c", "d"]}, {"l": ["b", "c", "d", "e"]}, {("l", 0): REMOVED, ("l", 4): "e"}),
        ({"l": [{"a": 1, "b": 2}]}, {"l": [{"a": 1, "b": 3}]}, {("l", 0, "b"): 3}),
        ({"l": ["a", "b"]}, {"l": ["a", "x", "b"]}, {("l",): ["a", "x", "b"]}),
        ({"l": ["a"]}, {"l": []}, {("l",): []}),
        (None, {"a": 1}, {("a",): 1}),
        ({"a": 1}, [1], {(): [1]}),
    ],
)
def test_only_what_differs_is_a_change(old: object, new: object, expected: dict[Path, object]) -> None:
    found = differences(old, new)
    assert expected == found
    assert same(new, apply(old, found, "f"))


@settings(max_examples=200, deadline=None)
@given(documents, documents)
def test_the_differences_make_the_new_document_of_the_old_one(old: Any, new: Any) -> None:
    assert same(new, apply(old, differences(old, new), "f"))
    assert {} == differences(new, new)


def test_the_sentinel_says_what_it_is() -> None:
    assert isinstance(REMOVED, Removed)
    assert repr(REMOVED) == "REMOVED"


def test_an_item_put_into_a_list_is_one_new_line() -> None:
    old = b"arguments:\n- --alpha # c\n- 0.5\ntarget: local\n"
    document: Any = load(old, "f")
    document["arguments"].insert(1, "--beta")
    assert old.replace(b"- 0.5", b"- --beta\n- 0.5") == rewrite(old, differences(load(old, "f"), document), "f")


def test_a_removal_inside_what_is_not_there_changes_nothing() -> None:
    assert {"a": None} == apply({"a": None}, {("a", "b"): REMOVED, ("c", "d"): REMOVED}, "f")


def test_a_new_file_is_written_as_the_sdk_does() -> None:
    document = {
        "script": "train.py",
        "arguments": ["--alpha", 0.5, "0.5", True, None, {"a": 1, "b": [2]}],
        "target": None,
        "history": {"outputCollection": True, "directoriesToWatch": [], "more": {}},
        "max": 1e16,
    }
    comments: dict[Path, str] = {
        ("target",): "where\n\nit runs",
        ("history", "more"): "what else",
        ("arguments", 5, "a"): "x",
    }
    expected = """\
script: train.py
arguments:
- --alpha
- 0.5
- '0.5'
- true
-
- # x
  a: 1
  b:
  - 2
# where
#
# it runs
target:
history:
  outputCollection: true
  directoriesToWatch: []
  # what else
  more: {}
max: 1.0e+16
"""
    assert expected == fresh(document, comments=comments).decode()
    assert b"{}\n" == fresh({})


def test_a_real_file_is_written_anew_as_it_was() -> None:
    file = reference() / "1.0.85/11-env-args-datarefs/.azureml/full_io"
    lines = [line for line in file.read_text().splitlines() if line != "# note"]
    document: Any = load(file.read_bytes(), "f")
    assert lines == fresh(document).decode().splitlines()


@pytest.mark.parametrize(
    "text",
    [
        "on",
        "No",
        "y",
        "12:30:45",
        "2018-09-24",
        "0o17",
        "1e3",
        "1_000",
        "=",
        "<<",
        "~",
        "",
        " x",
        "x ",
        "# x",
        "a: b",
        "a #b",
        "- a",
        "-",
        "---",
    ],
)
def test_a_text_that_some_reader_takes_for_something_else_is_quoted(text: str) -> None:
    data = fresh({"key": text, text: "value"})
    assert f"key: '{text}'\n'{text}': value\n" == data.decode()
    assert {"key": text, text: "value"} == load(data, "f") == yaml.safe_load(data)


@pytest.mark.parametrize(
    "text", ["a.b", "--x", "-x", "$VAR", "a:b", "a#b", "1.2.3", "x y", "caf\u00e9", "/tmp", "*.py"[1:]]
)
def test_a_text_that_needs_no_quotes_has_none(text: str) -> None:
    assert f"key: {text}\n" == fresh({"key": text}).decode()


def test_a_text_of_several_lines_is_written_in_lines() -> None:
    document = {"file": "FROM x\n\nRUN y\n", "more": "a\n\n", "tab": "a\n\tb", "odd": "a\n\x07", "list": ["x\ny"]}
    data = fresh(document)
    assert data.decode().startswith('file: |\n  FROM x\n\n  RUN y\nmore: "a\\n\\n"\n')
    assert document == load(data, "f") == yaml.safe_load(data)


@settings(max_examples=200, deadline=None)
@given(documents)
def test_a_new_file_means_the_same_in_both_versions_of_yaml(document: Any) -> None:
    if not isinstance(document, dict):
        return
    data = fresh(document)
    assert same(document, load(data, "f"))
    assert same(document, yaml.safe_load(data))


def test_what_no_file_can_hold_is_refused() -> None:
    deep: Any = "x"
    for _ in range(70):
        deep = [deep]
    with pytest.raises(RunconfigError, match="nested more than 64 deep"):
        fresh({"a": deep})
    with pytest.raises(RunconfigError, match="half a surrogate pair"):
        fresh({"a": "\udc00"})
    with pytest.raises(TypeError, match="keys of a mapping must be texts"):
        fresh({"a": {1: 2}})
