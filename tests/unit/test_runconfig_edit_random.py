"""Any document in any style takes any change: the result is right, and comments and other lines stay."""

import io
import json
from collections.abc import Iterator
from typing import Any

import yaml
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from runyard.errors import RunconfigError
from runyard.runconfig.edit import REMOVED, Path, differences, fresh, rewrite
from runyard.runconfig.editing.changes import same
from runyard.runconfig.yaml12 import load

ODD_TEXTS = (
    *(
        "",
        " ",
        "on",
        "No",
        "y",
        "12:30:45",
        "0o17",
        "017",
        "1e3",
        "1_000",
        "=",
        "<<",
        "~",
        "null",
        "# x",
        "a # b",
        "a: b",
    ),
    *(
        "a:",
        ":a",
        "- a",
        "-",
        "?",
        "? a",
        "|",
        ">",
        "%a",
        "@a",
        "`",
        "&a",
        "*a",
        "!a",
        "[a",
        "{a",
        "a, b",
        "]",
        "}",
        "---",
    ),
    *(
        "...",
        "a\nb",
        "a\nb\n",
        "\na",
        "a\n\n",
        " a\nb",
        "a\n b\n",
        "\ta",
        "a\tb",
        "a ",
        " a",
        "'",
        '"',
        "it's",
        'a "b"',
        "\\",
    ),
    *(
        "caf\u00e9",
        "\U0001f600",
        "\x07",
        "\x7f",
        "\x85",
        "\u2028",
        "\ufeff",
        "\r",
        "a\r\nb",
        "2018-09-24",
        ".5",
        "0x1F",
        "x" * 90,
    ),
)
texts = st.sampled_from(ODD_TEXTS) | st.text(max_size=6) | st.text(alphabet="ab :#-\n'\"", max_size=8)
keys = st.sampled_from(("a", "b", "Target", "nodeCount", "1", "c d", "on")) | texts
scalars = st.none() | st.booleans() | st.integers(-999, 10**20) | st.floats() | texts | texts
values: st.SearchStrategy[Any] = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4), max_leaves=12
)
documents = st.dictionaries(keys, values, min_size=1, max_size=5) | values


def with_ruamel(document: Any, mapping: int, sequence: int) -> str:
    writer = YAML()
    writer.version = (1, 2)
    writer.indent(mapping=mapping, sequence=sequence, offset=sequence - 2)
    into = io.StringIO()
    writer.dump(document, into)
    return into.getvalue()


@st.composite
def written(draw: st.DrawFn) -> str:
    document = draw(documents)
    if draw(st.booleans()) and isinstance(document, dict):
        shared = draw(values)
        document = {"shared": shared, **document, "again": shared, "deep": [{"er": shared}]}
    kind = draw(st.sampled_from(("pyyaml", "ruamel", "json", "fresh")))
    if kind == "json":
        indent = draw(st.sampled_from((None, 1, 4, "\t")))
        separators = draw(st.sampled_from((None, (",", ":"), (", ", ": "))))
        return json.dumps(document, indent=indent, separators=separators, ensure_ascii=draw(st.booleans()))
    if kind == "fresh" and isinstance(document, dict):
        return fresh(document).decode()
    try:
        if kind == "ruamel":
            return with_ruamel(document, draw(st.integers(2, 4)), draw(st.integers(2, 4)))
        return yaml.dump(
            document,
            Dumper=yaml.SafeDumper,
            default_flow_style=draw(st.sampled_from((True, False, None))),
            default_style=draw(st.sampled_from((None, None, "'", '"', "|", ">"))),
            indent=draw(st.sampled_from((2, 4))),
            width=draw(st.sampled_from((10, 1000))),
            allow_unicode=draw(st.booleans()),
            explicit_start=draw(st.booleans()),
            explicit_end=draw(st.booleans()),
            sort_keys=False,
        )
    except (yaml.YAMLError, ValueError):
        assume(False)
        raise


def read(text: str) -> object:
    try:
        return load(text.encode(), "f")
    except (RunconfigError, UnicodeEncodeError):
        assume(False)
        raise


@st.composite
def commented(draw: st.DrawFn) -> tuple[str, object]:
    """A file, with a comment wherever one may stand and chance wants it, and what it holds."""
    text = draw(written())
    document = read(text)
    is_json = text.lstrip()[:1] in {"{", "["} and is_json_text(text)
    for number in range(0 if is_json else draw(st.integers(0, 4))):
        lines = text.split("\n")
        at = draw(st.integers(0, len(lines) - 1))
        if draw(st.booleans()):
            lines.insert(at, " " * draw(st.sampled_from((0, 0, 2, 4))) + draw(st.sampled_from((f"# c{number}", ""))))
        else:
            lines[at] += f"  # t{number}"
        try:
            if same(document, load("\n".join(lines).encode(), "f")):
                text = "\n".join(lines)
        except RunconfigError:
            continue
    if draw(st.integers(0, 3)) == 0:
        text = text.removesuffix("\n")
        document = read(text)
    if draw(st.integers(0, 4)) == 0 and "\r" not in text:
        crlf = text.replace("\n", "\r\n")
        document = read(crlf)
        text = crlf
    return text, document


def is_json_text(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def places(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    yield path, value
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from places(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from places(inner, (*path, index))


def with_change(document: Any, path: Path, new: Any) -> Any:
    """The document with one change, made the simple way."""
    if not path:
        return new
    step: Any = path[0]
    copy = dict(document) if isinstance(document, dict) else list(document)
    if new is REMOVED and len(path) == 1:
        del copy[step]
    elif isinstance(copy, list) and step == len(copy):
        copy.append(new)
    else:
        inner = copy[step] if isinstance(copy, list) or step in copy else None
        copy[step] = with_change(inner, path[1:], new)
    return copy


@st.composite
def change(draw: st.DrawFn, document: Any) -> tuple[Path, Any]:
    path, value = draw(st.sampled_from(list(places(document))))
    kind = draw(st.sampled_from(("set", "set", "add", "remove")))
    if kind == "remove" and path:
        return path, REMOVED
    if kind == "add" and isinstance(value, dict):
        return (*path, draw(keys)), draw(values)
    if kind == "add" and isinstance(value, list):
        new = list(value)
        new.insert(draw(st.integers(0, len(value))), draw(values))
        return path, new
    return path, draw(values)


SETTINGS = settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)


@SETTINGS
@given(st.data())
def test_any_change_to_any_file_is_made_in_place(data: st.DataObject) -> None:
    text, document = data.draw(commented())
    expected = document
    for _ in range(data.draw(st.integers(1, 3))):
        path, new = data.draw(change(expected))
        expected = with_change(expected, path, new)
    if is_json_text(text) and "NaN" in json.dumps(expected):
        return
    result = rewrite(text.encode(), differences(document, expected), "f")
    assert same(expected, load(result, "f"))
    if is_json_text(text) and text.lstrip()[0] in "{[":
        assert is_json_text(result.decode())
