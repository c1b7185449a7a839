"""One value is set in every form that YAML and JSON can have it in; the file's other bytes stay."""

import math
from typing import Any

import pytest

from runyard.errors import RunconfigError
from runyard.runconfig.edit import REMOVED, Path, rewrite
from runyard.runconfig.yaml12 import load


def changed(text: str, changes: dict[Path, object]) -> str:
    return rewrite(text.encode(), changes, "my.runconfig").decode()


@pytest.mark.parametrize(
    ("text", "path", "value", "expected"),
    [
        ("a: 1\nb: 2\n", ("a",), 3, "a: 3\nb: 2\n"),
        ("a: 1 # c\n", ("a",), "x y", "a: x y # c\n"),
        ("a:    1\n", ("a",), 2, "a:    2\n"),
        ("a:\nb: 2\n", ("a",), 3, "a: 3\nb: 2\n"),
        ("a:   # c\n", ("a",), 3, "a: 3   # c\n"),
        ("a:\t# c\n", ("a",), "x", "a: x\t# c\n"),
        ("a: ~\n", ("a",), "x", "a: x\n"),
        ("a: null # c\n", ("a",), "x", "a: x # c\n"),
        ("a: 5 # c\n", ("a",), None, "a: # c\n"),
        ("a: 5\n", ("a",), None, "a:\n"),
        ("a: 'x'\n", ("a",), "it's", "a: 'it''s'\n"),
        ('a: "x"\n', ("a",), "y", 'a: "y"\n'),
        ("a: 'x'\n", ("a",), "tab\t", 'a: "tab\\t"\n'),
        ("a: 'x'\n", ("a",), 5, "a: 5\n"),
        ("a: x\n", ("a",), "5", "a: '5'\n"),
        ("a: x\n", ("a",), "on", "a: 'on'\n"),
        ("a: x\n", ("a",), "1\n2", 'a: "1\\n2"\n'),
        ("a: True\n", ("a",), False, "a: False\n"),
        ("a: FALSE\n", ("a",), True, "a: TRUE\n"),
        ("a: some\n  words # c\nb: 1\n", ("a",), "x", "a: x # c\nb: 1\n"),
        ('a: "some\n\n  words"\nb: 1\n', ("a",), "x", 'a: "x"\nb: 1\n'),
        ("a:\n  # c\n  x\n", ("a",), "z", "a:\n  # c\n  z\n"),
        ("a:\n  x\nb: 1\n", ("a",), None, "a:\nb: 1\n"),
        ("a: |  # c\n   x\n   y\n\nb: 1\n", ("a",), "p\nx\n", "a: |  # c\n   p\n   x\n\nb: 1\n"),
        ("a: >-\n  x\n\nb: 1\n", ("a",), "p\nq", "a: |-\n  p\n  q\n\nb: 1\n"),
        ("a: |+  # c\n  x\n\nb: 1\n", ("a",), "one", "a: one  # c\nb: 1\n"),
        ("a: |2\n   x\nb: 1\n", ("a",), None, "a:\nb: 1\n"),
        ("[a, 'b' , c]\n# c\n", (1,), "x", "[a, 'x' , c]\n# c\n"),
        ("a: {b: 1, c: , d}\n", ("a", "c"), "x, y", "a: {b: 1, c: 'x, y' , d}\n"),
        ("a: {b: 1, c: , d}\n", ("a", "d"), [], "a: {b: 1, c: , d: []}\n"),
        ("a: {b: 1}\n", ("a", "b"), None, "a: {b: null}\n"),
        ("a: {b: 1}\n", ("a", "b"), {"x": [1, "y"]}, "a: {b: {x: [1, 'y']}}\n"),
        ('a: {"b":1}\n', ("a", "b"), {"x": ["z"]}, 'a: {"b":{"x": ["z"]}}\n'),
        ("1: x\n", ("1",), "y", "1: 'y'\n"),
        ("'a b': x\n\"c\\td\": x\n", ("c\td",), 1, "'a b': x\n\"c\\td\": 1\n"),
        ("? a\n: 1\n? b\n", ("a",), 2, "? a\n: 2\n? b\n"),
        ("? a\n? b\n", ("a",), 2, "? a\n: 2\n? b\n"),
        ("a: !!int '5' # c\n", ("a",), "x", "a: x # c\n"),
        ("a: !!str 5\n", ("a",), "6", "a: '6'\n"),
        ("a: !!null\nb: 1\n", ("a",), 1, "a: 1\nb: 1\n"),
        ("%YAML 1.2\n--- # c\na: 1\n...\n# d\n", ("a",), 2, "%YAML 1.2\n--- # c\na: 2\n...\n# d\n"),
        ("a: 1", ("a",), 2, "a: 2"),
        ("a: 1\r\nb: 2\r\n", ("b",), "x", "a: 1\r\nb: x\r\n"),
        ("Target: 1\ntarget: 2\n", ("target",), 3, "Target: 1\ntarget: 3\n"),
    ],
)
def test_a_value_is_set_in_its_place(text: str, path: Path, value: object, expected: str) -> None:
    assert expected == changed(text, {path: value})


@pytest.mark.parametrize(
    ("text", "changes", "expected"),
    [
        ("m:\n# n\n  a: 1\n# n\nz: 1\n", {("m", "b"): 2}, "m:\n# n\n  a: 1\n  b: 2\n# n\nz: 1\n"),
        ("m:\n    a: 1", {("m", "b", "c"): 2}, "m:\n    a: 1\n    b:\n        c: 2"),
        ("m:\n    a:\n        - 1\n", {("m", "b"): [1]}, "m:\n    a:\n        - 1\n    b:\n        - 1\n"),
        ("m:\n", {("m", "a"): 1}, "m:\n  a: 1\n"),
        ("m: {} # c\n", {("m", "a"): 1}, "m: # c\n  a: 1\n"),
        ("l: []\nz: 1\n", {("l", 0): "x", ("l", 1): {"a": 1, "b": [2]}}, "l:\n- x\n- a: 1\n  b:\n  - 2\nz: 1\n"),
        ("l:\n- a # 1\n# c\n- c # 2\n", {("l",): ["a", "b", "c"]}, "l:\n- a # 1\n- b\n# c\n- c # 2\n"),
        ("l:\n  - a\n", {("l", 1): "b", ("l", 2): "c"}, "l:\n  - a\n  - b\n  - c\n"),
        ("l:\n- b\n", {("l",): ["a", "b"]}, "l:\n- a\n- b\n"),
        ("- - b\n  - c\n", {(0,): ["a", "b", "c"]}, "- - a\n  - b\n  - c\n"),
        ("- a: 1 # c\n", {(0, "b"): 2}, "- a: 1 # c\n  b: 2\n"),
        ("", {("a", "b"): 1}, "a:\n  b: 1\n"),
        ("# only\n", {("a",): 1}, "# only\na: 1\n"),
        ("# only", {("a",): [1]}, "# only\na:\n- 1"),
        ("---\n# c\n...\n", {("a",): 1}, "---\n# c\na: 1\n...\n"),
        ("a: |\n  x", {("b",): 1}, "a: |-\n  x\nb: 1"),
        ("a: |+\n  x\n\n", {("b",): 1}, "a: |+\n  x\n\nb: 1\n"),
        ("l: [a,b]\n", {("l", 2): "c"}, "l: [a,b,c]\n"),
        ("l: [a, b,]\n", {("l", 2): "c"}, "l: [a, b, c,]\n"),
        ("l: [\n  a, # 1\n  b  # 2\n]\n", {("l", 2): "c"}, "l: [\n  a, # 1\n  b,  # 2\n  c\n]\n"),
        ("l: [\n  a, # 1\n  b, # 2\n]\n", {("l",): ["a", "x", "b"]}, "l: [\n  a, # 1\n  x,\n  b, # 2\n]\n"),
        ("l: [a: 1]\n", {("l", 0, "b"): 2}, "l: [{a: 1, b: 2}]\n"),
        ('{"a": {}}\n', {("a", "b"): "on"}, '{"a": {"b": "on"}}\n'),
    ],
)
def test_keys_and_items_are_added_in_the_file_s_own_style(
    text: str, changes: dict[Path, object], expected: str
) -> None:
    assert expected == changed(text, changes)


@pytest.mark.parametrize(
    ("text", "path", "expected"),
    [
        ("a: 1\n# c\nb: 2 # d\nc: 3\n", ("b",), "a: 1\n# c\nc: 3\n"),
        ("m:\n# c\n  a: 1\n# d\nb: 1\n", ("m", "a"), "m: {}\n# c\n# d\nb: 1\n"),
        ("a: 1\n", ("a",), "{}\n"),
        ("# c\na: 1 # d\n", ("a",), "# c\n{} # d\n"),
        ("l:\n- a\n", ("l", 0), "l: []\n"),
        ("l: # c\n- a\n- b\n", ("l", 0), "l: # c\n- b\n"),
        ("- a: 1\n  b: 2\n", (0, "a"), "- b: 2\n"),
        ("- a: 1\n  # c\n  b: 2\n", (0, "a"), "-\n  # c\n  b: 2\n"),
        ("- - 1\n  - 2\n", (0, 0), "- - 2\n"),
        ("- a: 1\n", (0, "a"), "- {}\n"),
        ("m: &x\n  a: 1\n", ("m", "a"), "m: &x {}\n"),
        ("a:\n  b:\n    c: 1\n  d: 2\n", ("a", "b"), "a:\n  d: 2\n"),
        ("a: [1, 2, 3]\n", ("a", 1), "a: [1, 3]\n"),
        ("a: [1, 2, 3]\n", ("a", 2), "a: [1, 2]\n"),
        ("a: [1]\n", ("a", 0), "a: []\n"),
        ("a: [\n  1, # x\n  2, # y\n  3 # z\n]\n", ("a", 2), "a: [\n  1, # x\n  2 # y\n]\n"),
        ('{\n\t"a": 1,\n\t"b": 2\n}', ("b",), '{\n\t"a": 1\n}'),
        ('{"a":1,"b":2}', ("a",), '{"b":2}'),
        ("a: |\n  x\nb: 1\n    # deep\nc: 1\n", ("b",), "a: |\n  x\nc: 1\n"),
        ("a: 1\n", ("b",), "a: 1\n"),
    ],
)
def test_what_is_removed_goes_with_its_own_lines(text: str, path: Path, expected: str) -> None:
    assert expected == changed(text, {path: REMOVED})


@pytest.mark.parametrize(
    ("text", "changes", "expected"),
    [
        ("a: &x 1\nb: *x # c\n", {("a",): 2}, "a: 2\nb: 1 # c\n"),
        ("a: &x 1\nb: *x\n", {("b",): 2}, "a: &x 1\nb: 2\n"),
        ("a: &x {p: 1}\nb: *x\n", {("b", "q"): 2}, "a: &x {p: 1}\nb:\n  p: 1\n  q: 2\n"),
        ("a: &x\n  p: 1\nb:\n  <<: *x\n", {("b", "<<", "p"): 2}, "a: &x\n  p: 1\nb:\n  <<:\n    p: 2\n"),
        ("a: &x [1]\nb: [*x, *x]\n", {("a", 0): 2}, "a: &x [2]\nb: [[1], [1]]\n"),
        ("a: &x v\nb: *x\n", {("a",): REMOVED}, "b: v\n"),
        ("a: &x k\nb: {*x : 1}\n", {("a",): "z"}, "a: z\nb: {k : 1}\n"),
    ],
)
def test_an_alias_keeps_its_value_when_the_anchor_s_changes_and_the_other_way_round(
    text: str, changes: dict[Path, object], expected: str
) -> None:
    assert expected == changed(text, changes)


@pytest.mark.parametrize(
    ("text", "changes", "expected"),
    [
        ('{"a":1,"b":[1,2]}', {("b", 2): 3, ("c",): {"d": []}}, '{"a":1,"b":[1,2,3],"c":{"d":[]}}'),
        (
            '{\n\t"a": {\n\t\t"b": 1\n\t}\n}',
            {("a", "c"): [1]},
            '{\n\t"a": {\n\t\t"b": 1,\n\t\t"c": [\n\t\t\t1\n\t\t]\n\t}\n}',
        ),
        ('{\n    "a": []\n}\n', {("a", 0): "x"}, '{\n    "a": [\n        "x"\n    ]\n}\n'),
        ('{"a": 1, "b": 2}', {("a",): None, ("b",): True}, '{"a": null, "b": true}'),
        ('{"a": "\\u00e9"}', {("a",): "\u00ea\U0001f600"}, '{"a": "\\u00ea\\ud83d\\ude00"}'),
        ('{"a": "\u00e9"}', {("a",): "\u00ea"}, '{"a": "\u00ea"}'),
        ('{"a": 1}', {("a",): math.inf}, '{"a": 1e999}'),
        ('{"a": "x\u2028# y", "b": 1}', {("b",): 2}, '{"a": "x\u2028# y", "b": 2}'),
        ('{"a": 1}', {("k" * 2000,): 1}, '{"a": 1, "' + "k" * 2000 + '": 1}'),
    ],
)
def test_json_stays_json(text: str, changes: dict[Path, object], expected: str) -> None:
    assert expected == changed(text, changes)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize("text", ["name: caf\u00e9\r\nother: 1\r\n", '{"name": "caf\u00e9", "other": 1}'])
def test_the_encoding_and_its_mark_stay(encoding: str, text: str) -> None:
    result = rewrite(text.encode(encoding), {("other",): "\u4e2d\U0001f600"}, "f")
    assert result.decode(encoding).startswith(text[:-8])
    assert {"name": "caf\u00e9", "other": "\u4e2d\U0001f600"} == load(result, "f")
    assert result[:2] == text.encode(encoding)[:2]


def test_a_very_long_key_is_written_so_that_it_can_be_read() -> None:
    key = "k" * 1500
    assert f"a: 1\n? {key}\n: [1]\n" == changed("a: 1\n", {(key,): [1]}).replace("\n- 1", " [1]")
    assert {"a": {"b": 1, key: 2}} == load(rewrite(b"a: {b: 1}\n", {("a", key): 2}, "f"), "f")


@pytest.mark.parametrize(
    ("text", "changes", "says"),
    [
        ("a: x\n", {("a", "b"): 1}, "a is neither a mapping nor a list; nothing inside it can be set"),
        ("a: [1]\n", {("a", 3): 1}, "a is a list of 1; it has no item 3"),
        ("a: [1]\n", {("a", 1): REMOVED}, "a is a list of 1; it has no item 1"),
        ("a: [1]\n", {("a", "b"): 1}, "a is a list of 1; 'b' of it cannot be set, name an index from 0"),
        ("a: {b: 1}\n", {("a", 0): 1}, "a is a mapping; item 0 of it cannot be set, name a key"),
        ("a: 1\n", {("a",): "\ud800"}, "half a surrogate pair"),
        ("a: 1\n", {("a",): 10**1000}, "an integer of more than 1,000 digits"),
        ('{"a": 1, "b": [2]}', {("b",): [{"c": math.nan}]}, "b[0] cannot be NaN, which JSON has no way to write"),
        ("a: [\n", {("a",): 1}, "my.runconfig, line 2"),
        ("a: 1\n", {("a",): "x" * (1 << 20)}, "a cannot be changed in place"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_sentence(text: str, changes: dict[Path, object], says: str) -> None:
    with pytest.raises(RunconfigError) as caught:
        changed(text, changes)
    assert caught.value.message.startswith("my.runconfig")
    assert says in caught.value.message
    assert "\n" not in caught.value.message


def test_a_file_that_would_not_be_right_is_never_returned(monkeypatch: pytest.MonkeyPatch) -> None:
    from runyard.runconfig.editing import editor

    monkeypatch.setattr(editor.Editor, "run", lambda *_: "a: 3\n")
    with pytest.raises(RunconfigError, match=r"a cannot be changed in place.*save the run configuration as a new file"):
        changed("a: 1\n", {("a",): 2})


@pytest.mark.parametrize("value", [object(), b"x", {1: 2}, [{None: 1}], {1, 2}])
def test_a_value_of_a_type_that_yaml_has_not_is_the_caller_s_fault(value: Any) -> None:
    with pytest.raises(TypeError, match=r"my\.runconfig: a"):
        changed("a: 1\n", {("a",): value})


def test_many_changes_of_a_large_file_take_no_longer_than_reading_it_some_times() -> None:
    data = "".join(f"key{number}: &a{number} value  # c\n" for number in range(10_000)).encode()
    document: Any = load(data, "f")
    result = rewrite(data, {(key,): REMOVED if number % 3 else number for number, key in enumerate(document)}, "f")
    assert 3334 == len(result.splitlines())
