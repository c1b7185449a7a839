"""YAML 1.2 is read as the oracle reads it, and nothing that a stranger writes does harm."""

import contextlib
import json
import math
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from runyard.errors import RunconfigError
from runyard.runconfig import yaml12
from runyard.runconfig.yaml12 import Map, Seq, load, scalar_text

_REFERENCE = Path(os.environ.get("RUNYARD_REFERENCE", Path(__file__).parents[3] / "shared")) / "runconfigs"


def reference() -> Path:
    """The folder of real files with their oracle; needed in CI, skipped elsewhere."""
    if not (_REFERENCE / "GOLDEN-yaml12.json").is_file():
        reason = f"no reference files at {_REFERENCE}; RUNYARD_REFERENCE names the folder that holds them"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return _REFERENCE


def test_every_real_file_is_read_as_the_oracle_reads_it() -> None:
    folder = reference()
    golden: dict[str, Any] = json.loads((folder / "GOLDEN-yaml12.json").read_text())
    assert len(golden) > 100
    for name, expected in golden.items():
        assert expected == load((folder / name).read_bytes(), name), name


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("on", "on"),
        ("yes", "yes"),
        ("No", "No"),
        ("12:30:45", "12:30:45"),
        ("2018-09-24", "2018-09-24"),
        ("2018-09-24T10:00:00Z", "2018-09-24T10:00:00Z"),
        ("=", "="),
        ("<<", "<<"),
        ("1_000", "1_000"),
        ("0b11", "0b11"),
        ("010", 10),
        ("0o10", 8),
        ("0xFF", 255),
        ("-7", -7),
        ("+7", 7),
        ("1.", 1.0),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("-1.5E-2", -0.015),
        ("1.2.3", "1.2.3"),
        ("-", "-"),
        (".", "."),
        ("-.inf", -math.inf),
        (".Inf", math.inf),
        ("true", True),
        ("FALSE", False),
        ("tRue", "tRue"),
        ("~", None),
        ("Null", None),
        ("", None),
        ("None", "None"),
        ("'5'", "5"),
        ('"true"', "true"),
        ("!!str 5", "5"),
        ("! 5", "5"),
        ("!!int '5'", 5),
        ("!!float 5", 5.0),
        ("!!bool 'true'", True),
        ("!!null ''", None),
        ("|\n  a\n  b\n", "a\nb\n"),
    ],
)
def test_a_scalar_means_what_the_core_schema_says(written: str, expected: object) -> None:
    if written == "-":
        written = "'-'"
    document = load(f"key: {written}".encode(), "f")
    assert {"key": expected} == document
    assert isinstance(document, dict)
    assert type(expected) is type(document["key"])


def test_nan_is_a_number() -> None:
    document = load(b"[.nan]", "f")
    assert isinstance(document, list)
    assert math.isnan(document[0])


def test_merge_keys_are_plain_keys() -> None:
    assert load(b"a: &a {x: 1}\nb:\n  <<: *a\n  =: 2", "f") == {"a": {"x": 1}, "b": {"<<": {"x": 1}, "=": 2}}


def test_keys_are_texts_as_written() -> None:
    assert load(b"1: a\ntrue: b\n1.10: c\non: d", "f") == {"1": "a", "true": "b", "1.10": "c", "on": "d"}


def test_scalars_keep_how_they_were_written_and_keys_their_line() -> None:
    document = load(b"a: 1.10\nb:\n- 0x10\n- True\n-\n- 'x'\nc: yes\n", "f")
    assert isinstance(document, Map)
    assert document.written == {"a": "1.10"}
    assert document.lines == {"a": 1, "b": 2, "c": 7}
    items = document["b"]
    assert isinstance(items, Seq)
    assert items.written == {0: "0x10", 1: "True", 2: ""}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_unicode_is_read_by_its_byte_order_mark(encoding: str) -> None:
    assert load("name: caf\u00e9 \u4e2d\n".encode(encoding), "f") == {"name": "caf\u00e9 \u4e2d"}


def test_json_is_read_as_json() -> None:
    assert load(b'\n {"a": [1, 1.5, null, true, "\\ud83d\\ude00\\/"], "b": {}}', "f") == {
        "a": [1, 1.5, None, True, "\U0001f600/"],
        "b": {},
    }
    assert load(b"{a: yes, b: [x, 'y']}", "f") == {"a": "yes", "b": ["x", "y"]}


def test_an_empty_file_is_null() -> None:
    assert load(b"", "f") is None
    assert load(b"# only a comment\n", "f") is None


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"a: 1\nb: [", "line 2"),
        (b"a: 1\nb: 2\na: 3", "line 3: the key 'a' is there twice (first in line 1)"),
        (b'{"a": 1, "a": 2}', "the key 'a' is there twice"),
        (b'{"a": "\\ud800"}', "line 1"),
        (b"a: \xe9\n", "must be text in UTF-8"),
        (b"a: 1\nb: \0", "line 2: a NUL byte"),
        (b"a: 1\n---\nb: 2", "a second document"),
        (b"? [a]\n: 1", "a key must be a text"),
        (b"? {a: 1}\n: 1", "a key must be a text"),
        (b"&a 1: x\nb: *a\n", None),
        (b"x: &a [1]\n*a : 2", "a key must be a text"),
        (b"a: &a [*a]", "names nothing that is complete"),
        (b"a: *nothing", "line 1"),
        (b"a: !!python/object/apply:os.system [ls]", "is not allowed"),
        (b"a: !!binary aGVsbG8=", "is not allowed"),
        (b"a: !mine {}", "is not allowed"),
        (b"a: !!set [1]", "is not allowed"),
        (b"a: !!int x", "is not of the type !!int"),
        (b"a: " + b"9" * 5000, "an integer of 5,000 digits"),
        (b'{"a": ' + b"9" * 5000 + b"}", "an integer of 5,000 digits"),
    ],
)
def test_a_fault_is_one_sentence_with_file_and_line(data: bytes, says: str | None) -> None:
    if says is None:
        load(data, "my.runconfig")
        return
    with pytest.raises(RunconfigError) as caught:
        load(data, "my.runconfig")
    assert caught.value.message.startswith("my.runconfig")
    assert says in caught.value.message
    assert "\n" not in caught.value.message


def _laughs() -> bytes:
    lines = [b"a: &a [1,1,1,1,1,1,1,1,1,1]"]
    lines += [b"%c: &%c [%s]" % (c + 1, c + 1, b",".join([b"*%c" % c] * 10)) for c in range(97, 108)]
    return b"\n".join(lines)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"[" * 3000, "nested more than 64 deep"),
        (b"- " * 100_000, "nested more than 64 deep"),
        (b"{a: " * 100_000, "nested more than 64 deep"),
        (b'{"a":' * 3000 + b"1" + b"}" * 3000, "nested more than 64 deep"),
        (_laughs(), "more than 50,000 values"),
        (b"a: &x 1\nb: [" + b"*x," * 250_000 + b"]", "more than 1,000 aliases"),
        (b"- a\n" * 260_000, "more than 50,000 values"),
        (b"a" * (yaml12.MAX_BYTES + 1), "has at most 1,048,576"),
        (b"{" + b"a" * 1_000_000, "line"),
        (b"'" + b"a\n" * 500_000, "line"),
    ],
)
def test_a_hostile_file_is_refused_within_a_second(data: bytes, says: str) -> None:
    started = time.process_time()
    with pytest.raises(RunconfigError, match=says):
        load(data, "f")
    assert time.process_time() - started < 1


def test_a_long_scalar_is_no_fault() -> None:
    assert load(b"a: |\n" + b" x\n" * 300_000, "f") == {"a": "x\n" * 300_000}


def test_the_pure_parser_reads_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    data = b"a: [1, yes, 'x', &q 2.5, *q]\nb: {c: ~}\n"
    expected = load(data, "f")
    monkeypatch.setattr(yaml12, "_Parser", yaml.BaseLoader)
    assert expected == load(data, "f")
    with pytest.raises(RunconfigError, match="line 1"):
        load(b"a: [", "f")


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.binary(max_size=200), st.text(alphabet=":-[]{}&*!|>'\"#?,\n ab1~.%@`\\u\t\0", max_size=60)))
def test_any_bytes_are_a_value_or_a_runconfig_error(data: bytes | str) -> None:
    with contextlib.suppress(RunconfigError):
        load(data if isinstance(data, bytes) else data.encode(), "f")


def _values() -> Iterator[st.SearchStrategy[Any]]:
    yield st.recursive(
        st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats(allow_nan=False) | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
        max_leaves=10,
    )


@settings(max_examples=200, deadline=None)
@given(st.one_of(*_values()))
def test_json_comes_back_as_it_was(value: object) -> None:
    if isinstance(value, float) and math.isinf(value):
        return
    try:
        data = json.dumps({"value": value}, allow_nan=False)
    except ValueError:
        return
    assert {"value": value} == load(data.encode(), "f")


def test_scalars_without_a_writing_are_written_as_json_does() -> None:
    assert [scalar_text(value) for value in (True, None, 5, 0.5, "x")] == ["true", "null", "5", "0.5", "x"]
