"""What a stranger may write into a run configuration: each a sentence, soon, and in little memory."""

import subprocess
import sys
import textwrap
from typing import Any

import pytest

from runyard.errors import RunconfigError
from runyard.runconfig.fields import keys_of
from runyard.runconfig.model import RunConfiguration
from runyard.runconfig.read import from_document, parse
from runyard.runconfig.tables import table_of

WRONG: tuple[Any, ...] = (
    None, True, 0, -1, 10**30, 1.5, float("nan"), float("inf"), "", "x", "a\0b", "ü" * 9_000, [], [[]], [{}], [None],
    ["x", 1, None, True], {}, {"": ""}, {"a": []}, {"a": {"a": {"a": 1}}}, {"<<": 1}, {"<<": [{}]}, {"nodeCount": {}},
)  # fmt: skip


def paths(cls: type, before: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Every key of every section; ``[]`` and ``*`` stand for an item of a list and of a user's map."""
    found = []
    for _, key, _ in keys_of(cls):
        known = table_of(cls)[key]
        path = (*before, key)
        found.append(path)
        if known.section is not None:
            step = {"list": ("[]",), "dict": ("*",)}.get(known.many, ())
            found += [(*path, *step)] if step else []
            found += paths(known.section, (*path, *step))
    return found


def document(path: tuple[str, ...], value: Any) -> Any:
    for step in reversed(path):
        value = [value] if step == "[]" else {"a": value} if step == "*" else {step: value}
    return value


def fault(value: Any) -> str:
    try:
        from_document(value, "some.runconfig")
    except RunconfigError as error:
        return error.message
    return ""


def test_a_wrong_type_at_any_key_is_one_sentence_that_names_the_key() -> None:
    refused = 0
    every = paths(RunConfiguration)
    assert len(every) > 200
    for path in every:
        for value in WRONG:
            message = fault(document(path, value))
            refused += bool(message)
            assert "\n" not in message
            assert len(message) < 700
            assert not message or message.startswith("some.runconfig"), message
            assert not message or path[0] in message, message
    assert refused > 2_000


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"a\0b: 1", "line 1: a NUL byte"),
        ("script: tr\u00e4in.py".encode("latin-1"), "UTF-8"),
        ("script: train.py".encode("utf-32"), "UTF-8"),
        ("script: train.py".encode("utf-16-le"), "NUL"),
        (b"\x89PNG\r\n\x1a\n\0\0", "NUL"),
        (b"\xff\xfe\x00", "some.runconfig"),
        (b"script: [\n", "line"),
        (b"script: a\n\ttarget: b\n", "line 2"),
        (b"<html><body>404</body></html>", "holds a text"),
        (b"%PDF-1.4\n", "line"),
        (b"script: a\n---\nscript: b\n", "second document"),
        (b"script: !!python/object/apply:os.system [ls]\n", "tag"),
        (b"? [a]\n: b\n", "key must be a text"),
        (b"nodeCount: " + b"1" * 5_000, "digits"),
        (b'{"nodeCount": ' + b"1" * 5_000 + b"}", "digits"),
        (b"- " * 3_000, "nested more than"),
        (b"[" * 3_000 + b"]" * 3_000, "nested more than"),
        (b"[" * 3_000, "nested more than"),
        (b'{"a":' * 3_000 + b"1" + b"}" * 3_000, "nested more than"),
    ],
)
def test_what_is_no_run_configuration_is_named_in_a_sentence(data: bytes, says: str) -> None:
    with pytest.raises(RunconfigError) as caught:
        parse(data, "some.runconfig")
    assert says in caught.value.message
    assert caught.value.message.startswith("some.runconfig")
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_the_encodings_of_common_editors_are_read(encoding: str, ends: str) -> None:
    assert parse(f"script: träin.py{ends}target: vm{ends}".encode(encoding), "f").script == "träin.py"


HOSTILE = """
import resource, time, sys
from runyard.errors import RunconfigError
from runyard.runconfig.read import parse
parse(b"script: a", "f")
bombs = {
    "aliases": b"a: &a [x]\\n" + b"b: [" + b"*a," * 250_000 + b"]",
    "laughs": b"a0: &a0 [x,x,x,x,x,x,x,x,x]\\n"
    + b"".join(b"a%d: &a%d [%s]\\n" % (n, n, b",".join([b"*a%d" % (n - 1)] * 9)) for n in range(1, 40)),
    "merges": b"a0: &a0 {x: 1}\\n"
    + b"".join(b"a%d: &a%d {<<: [%s], k%d: 1}\\n" % (n, n, b",".join([b"*a%d" % (n - 1)] * 9), n) for n in range(1, 40)),
    "keys": b"".join(b"k%d: 1\\n" % n for n in range(80_000)),
    "unknown keys": b"".join(b"taret%d: 1\\n" % n for n in range(49_000)),
    "one text": b"script: " + b"x" * 1_000_000,
    "many lines": b"\\n" * 1_000_000,
    "deep": b"- " * 400_000,
    "deep flow": b"[" * 900_000,
    "digits": b"nodeCount: " + b"9" * 900_000,
    "json digits": b'{"nodeCount": ' + b"9" * 900_000 + b"}",
    "anchors": b"".join(b"- &a%d x\\n" % n for n in range(80_000)),
    "quotes": b'script: "' + b"\\\\u0041" * 160_000,
    "comments": b"#" * 1_000_000,
    "too large": b"a" * 3_000_000,
}
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for name, data in bombs.items():
    began = time.process_time()
    try:
        parse(data, "f")
        outcome = "read"
    except RunconfigError as error:
        outcome = error.message
        assert len(outcome) < 700, outcome[:1000]
    took = time.process_time() - began
    assert took < 1, (name, took)
    assert name in {"one text", "unknown keys"} or outcome != "read", name
grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
assert grown < 64, grown
print("survived", round(grown))
"""


def test_bombs_are_refused_within_a_second_and_64_mb() -> None:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(HOSTILE)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stdout.startswith("survived"), done.stderr[-2_000:]
