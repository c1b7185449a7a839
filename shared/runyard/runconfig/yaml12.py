"""YAML 1.2 (and JSON) into plain values, for files that strangers wrote.

PyYAML's C parser does the parsing; what a plain scalar means is decided here by the core schema of YAML 1.2
(https://yaml.org/spec/1.2.2/#103-core-schema), because the Azure ML SDK writes 1.2: ``on``, ``yes``, ``12:30:45``,
``2018-09-24``, ``=`` and ``<<`` are texts. Values are built from the parser's events as they come, so that a
hostile file is refused while it is read, and not after it has been expanded.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, Final

import yaml
from yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
    StreamStartEvent,
)

from runyard.errors import RunconfigError

try:
    from yaml._yaml import CParser as _Parser
except ImportError:  # PyYAML without libyaml: the same events, some ten times slower
    from yaml import BaseLoader as _Parser  # type: ignore[assignment]

MAX_BYTES: Final = 1 << 20
MAX_DEPTH: Final = 64
MAX_NODES: Final = 50_000
"""Values in a file, each counted as often as an alias repeats it."""
MAX_ALIASES: Final = 1_000
MAX_DIGITS: Final = 1_000

_WORDS: Final[dict[str, bool | None]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INTEGER: Final = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_SPECIAL: Final = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_NUMBER_BEGINS: Final = frozenset("+-.0123456789")
_CORE: Final = "tag:yaml.org,2002:"


class Map(dict[str, object]):
    """A mapping that remembers where its keys stand and how its values were written."""

    __slots__ = ("lines", "written")

    def __init__(self) -> None:
        super().__init__()
        self.lines: dict[str, int] = {}
        self.written: dict[str, str] = {}
        """Text of each value that is not a text itself: ``1.10`` or ``True``, as the author wrote it."""


class Seq(list[object]):
    """A list that remembers how its items were written."""

    __slots__ = ("written",)

    def __init__(self) -> None:
        super().__init__()
        self.written: dict[int, str] = {}


def load(data: bytes, name: str) -> object:
    """Read one YAML 1.2 or JSON document.

    Args:
        data: The file: UTF-8, or UTF-16 with a byte order mark.
        name: How errors call it.

    Returns:
        ``None``, ``bool``, ``int``, ``float``, ``str``, lists, and mappings whose keys are texts.

    Raises:
        RunconfigError: naming the file, and the line where there is one.
    """
    if len(data) > MAX_BYTES:
        raise RunconfigError(f"{name} has {len(data):,} bytes; a run configuration has at most {MAX_BYTES:,}")
    if data[:2] not in {b"\xff\xfe", b"\xfe\xff"} and b"\0" in data:
        line = data.count(b"\n", 0, data.index(b"\0")) + 1
        raise RunconfigError(f"{name}, line {line}: a NUL byte; the file must be text in UTF-8")
    if data.lstrip()[:1] in {b"{", b"["}:
        found, value = _load_json(data, name)
        if found:
            return value
    return _Builder(name).build(data)


def _problem(error: yaml.MarkedYAMLError) -> str:
    """What the parser says. Newer releases of libyaml have a bound on nesting of their own, and meet it before ours."""
    if "nesting depth" in (error.problem or ""):
        return f"nested more than {MAX_DEPTH} deep"
    return error.problem or "not YAML"


def scalar_text(value: object) -> str:
    """How a scalar that was not written in YAML stands on a command line: as JSON writes it, texts without quotes."""
    return value if isinstance(value, str) else json.dumps(value)


def plain(text: str) -> object:
    """What a plain (unquoted) scalar means by the core schema.

    Raises:
        ValueError: for an integer of more than :data:`MAX_DIGITS` digits.
    """
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _NUMBER_BEGINS:
        return text
    if _INTEGER.fullmatch(text):
        return _integer(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _SPECIAL.fullmatch(text):
        return float(text.replace(".", "", 1))
    return text


def _integer(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise ValueError(f"an integer of {len(text):,} digits; at most {MAX_DIGITS:,} are allowed")
    base = {"0x": 16, "0o": 8}.get(text[:2], 10)
    return int(text[2:] if base != 10 else text, base)


def _load_json(data: bytes, name: str) -> tuple[bool, object]:
    """The value if ``data`` is JSON; else it may still be YAML in flow style, whose parser then tells the fault."""

    def pairs(items: list[tuple[str, object]]) -> dict[str, object]:
        value = dict(items)
        if len(value) < len(items):
            keys = [key for key, _ in items]
            double = next(key for key in keys if keys.count(key) > 1)
            raise RunconfigError(f"{name}: the key {double[:60]!r} is there twice")
        return value

    try:
        value = json.loads(data, object_pairs_hook=pairs, parse_int=_integer, parse_constant=_no_constant)
        _check_depth(value, MAX_DEPTH)
        if b"\\ud" in data.lower():
            json.dumps(value, ensure_ascii=False).encode()  # half a surrogate pair is no text
    except (ValueError, RecursionError):
        return False, None
    return True, value


def _no_constant(text: str) -> object:
    raise ValueError(f"{text} is not JSON")


def _check_depth(value: object, left: int) -> None:
    if left == 0:
        raise RecursionError
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            _check_depth(item, left - 1)


class _Frame:
    """A list or mapping that is being read."""

    __slots__ = ("anchor", "before", "key", "value")

    def __init__(self, value: Map | Seq, anchor: str | None, before: int) -> None:
        self.value = value
        self.anchor = anchor
        self.before = before
        """How many values had been counted when it began."""
        self.key: str | None = None


class _Builder:
    """Builds the value of one document from the parser's events."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.stack: list[_Frame] = []
        self.anchors: dict[str, tuple[object, int]] = {}
        self.result: object = None
        self.documents = self.aliases = self.nodes = 0
        self.handlers: dict[type, Callable[[Any], None]] = {
            ScalarEvent: self._scalar,
            MappingStartEvent: self._start,
            SequenceStartEvent: self._start,
            MappingEndEvent: self._end,
            SequenceEndEvent: self._end,
            AliasEvent: self._alias,
            DocumentStartEvent: self._document,
            DocumentEndEvent: self._nothing,
            StreamStartEvent: self._nothing,
        }

    def build(self, data: bytes) -> object:
        handlers = self.handlers
        try:
            next_event = _Parser(data).get_event
            while (event := next_event()) is not None and event.__class__ is not StreamEndEvent:
                handlers[event.__class__](event)
        except yaml.reader.ReaderError as error:
            raise self._unreadable(error, data) from None
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line = min(mark.line, data.count(b"\n")) + 1 if mark else 1  # the end is reported one line behind it
            raise RunconfigError(f"{self.name}, line {line}: {_problem(error)}") from None
        except yaml.YAMLError:
            raise RunconfigError(f"{self.name} is not YAML") from None
        return self.result

    def _error(self, what: str, mark: Any) -> RunconfigError:
        return RunconfigError(f"{self.name}, line {mark.line + 1}: {what}")

    def _unreadable(self, error: yaml.reader.ReaderError, data: bytes) -> RunconfigError:
        line = data.count(b"\n", 0, error.position) + 1
        return RunconfigError(f"{self.name}, line {line}: {error.reason}; the file must be text in UTF-8")

    def _nothing(self, event: yaml.Event) -> None:
        pass

    def _document(self, event: yaml.Event) -> None:
        self.documents += 1
        if self.documents > 1:
            raise self._error("a second document ('---'); a file holds one", event.start_mark)

    def _count(self, nodes: int, event: yaml.Event) -> None:
        self.nodes += nodes
        if self.nodes > MAX_NODES:
            raise self._error(f"more than {MAX_NODES:,} values (those repeated by aliases included)", event.start_mark)

    def _start(self, event: yaml.CollectionStartEvent) -> None:
        if len(self.stack) >= MAX_DEPTH:
            raise self._error(f"nested more than {MAX_DEPTH} deep", event.start_mark)
        is_map = event.__class__ is MappingStartEvent
        if event.tag is not None and event.tag not in {"!", _CORE + ("map" if is_map else "seq")}:
            raise self._error(f"the tag {event.tag[:60]!r} is not allowed", event.start_mark)
        if self.stack and isinstance(self.stack[-1].value, Map) and self.stack[-1].key is None:
            raise self._error("a key must be a text, not a list or a mapping", event.start_mark)
        self.stack.append(_Frame(Map() if is_map else Seq(), event.anchor, self.nodes))
        self._count(1, event)

    def _end(self, event: yaml.Event) -> None:
        frame = self.stack.pop()
        if frame.anchor is not None:
            self.anchors[frame.anchor] = frame.value, self.nodes - frame.before
        self._add(frame.value, None, event)

    def _alias(self, event: yaml.NodeEvent) -> None:
        self.aliases += 1
        if self.aliases > MAX_ALIASES:
            raise self._error(f"more than {MAX_ALIASES:,} aliases", event.start_mark)
        anchor = event.anchor or ""
        if anchor not in self.anchors:
            raise self._error(f"the alias *{anchor[:60]} names nothing that is complete before it", event.start_mark)
        value, nodes = self.anchors[anchor]
        self._count(nodes, event)
        self._add(value, None, event)

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            self._count(0, event)
        text: str = event.value
        value: object = text
        if event.tag is not None:
            value = self._meaning(_tagged, event)
        elif event.implicit[0]:
            if text in _WORDS:
                value = _WORDS[text]
            elif text[0] in _NUMBER_BEGINS:
                value = self._meaning(plain, event)
        if event.anchor is not None:
            self.anchors[event.anchor] = value, 1
        self._add(value, text, event)

    def _meaning(self, read: Callable[..., object], event: yaml.ScalarEvent) -> object:
        try:
            return read(event.value) if read is plain else read(event.value, event.tag)
        except ValueError as error:
            raise self._error(str(error), event.start_mark) from None

    def _add(self, value: object, text: str | None, event: Any) -> None:
        """Put a value where it belongs: the document, a list, or as key or value of a mapping."""
        if not self.stack:
            self.result = value
            return
        frame = self.stack[-1]
        into, key = frame.value, frame.key
        if isinstance(into, Seq):
            if text is not None and value is not text:
                into.written[len(into)] = text
            into.append(value)
        elif key is not None:
            if text is not None and value is not text:
                into.written[key] = text
            into[key] = value
            frame.key = None
        else:
            key = value if isinstance(value, str) else text
            if key is None:
                raise self._error("a key must be a text, not an alias of something else", event.start_mark)
            if key in into:
                first = into.lines[key]
                raise self._error(f"the key {key[:60]!r} is there twice (first in line {first})", event.start_mark)
            into.lines[key] = event.start_mark.line + 1
            frame.key = key


def _tagged(text: str, tag: str) -> object:
    """A scalar with an explicit tag of the core schema."""
    if tag in {"!", _CORE + "str"}:
        return text
    value = plain(text)
    allowed: dict[str, tuple[type, ...]] = {
        "int": (int,),
        "float": (int, float),
        "bool": (bool,),
        "null": (type(None),),
    }
    kind = tag.removeprefix(_CORE)
    if kind not in allowed or tag == kind:
        raise ValueError(f"the tag {tag[:60]!r} is not allowed")
    if not isinstance(value, allowed[kind]) or (kind != "bool" and isinstance(value, bool)):
        raise ValueError(f"{text[:60]!r} is not of the type !!{kind}")
    return float(value) if kind == "float" and isinstance(value, int) else value
