"""How a scalar is written: plain where every reader takes it for what it is, else in quotes."""

from __future__ import annotations

import functools
import io
import json
import math
import re
from typing import Final

from yaml.emitter import Emitter
from yaml.resolver import Resolver

from runyard.runconfig.yaml12 import plain

_ANALYSE: Final = Emitter(io.StringIO(), allow_unicode=True).analyze_scalar
_BOOLEANS_OF_1_1: Final = frozenset("yYnN")
_ESCAPED: Final = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
"""What JSON would write as it is and a YAML reader refuses or takes for a line break."""
_NO_LITERAL: Final = re.compile(
    "[^\t\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
_LONGEST_KEY: Final = 1_000
"""libyaml looks 1,024 characters ahead for the ``:`` of a key that has no ``?``."""


class NoJsonError(Exception):
    """A number that is none has no form in JSON."""


def number(value: int | float) -> str:  # noqa: PYI041 - the two are written differently
    """A number as both versions of YAML read it."""
    if not isinstance(value, float):
        return str(value)
    if math.isnan(value):
        return ".nan"
    if math.isinf(value):
        return ".inf" if value > 0 else "-.inf"
    text = repr(value)
    return text if "." in text or "e" not in text else text.replace("e", ".0e")


def scalar(value: object, quote: str = "", *, in_flow: bool = False) -> str:
    """A scalar on one line.

    Args:
        value: ``None``, bool, number or text.
        quote: The quote to keep if the value is a text: ``'`` or ``"``, or nothing.
        in_flow: Whether it stands in brackets.
    """
    match value:
        case None:
            return "null" if in_flow else ""
        case bool():
            return "true" if value else "false"
        case str():
            return _text(value, quote, in_flow)
        case int() | float():
            return number(value)
    raise TypeError(f"{type(value).__name__} is no scalar")


def _text(text: str, quote: str, in_flow: bool) -> str:
    if not quote and is_plain(text, in_flow):
        return text
    if quote != '"':
        analysis = _ANALYSE(text)
        if analysis.allow_single_quoted and not analysis.multiline:
            return "'" + text.replace("'", "''") + "'"
    return json_text(text, only_ascii=False)


@functools.lru_cache(maxsize=512)
def is_plain(text: str, in_flow: bool) -> bool:
    """Whether a text needs no quotes: YAML 1.2 and 1.1 both read it as this text."""
    if not text or text in _BOOLEANS_OF_1_1:
        return False
    analysis = _ANALYSE(text)
    if not (analysis.allow_flow_plain if in_flow else analysis.allow_block_plain):
        return False
    if any(pattern.match(text) for _, pattern in Resolver.yaml_implicit_resolvers.get(text[0], ())):
        return False
    try:
        return plain(text) is text
    except ValueError:
        return False


def json_text(text: str, *, only_ascii: bool) -> str:
    """A text in double quotes, as JSON and YAML both read it."""
    written = json.dumps(text, ensure_ascii=only_ascii)
    return _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", written)


def json_scalar(value: object, *, only_ascii: bool) -> str:
    """A scalar in JSON.

    Raises:
        NoJsonError: for NaN.
    """
    if isinstance(value, str):
        return json_text(value, only_ascii=only_ascii)
    if isinstance(value, float) and math.isnan(value):
        raise NoJsonError
    if isinstance(value, float) and math.isinf(value):
        return "1e999" if value > 0 else "-1e999"  # the grammar has no infinity, but every reader takes this for it
    return json.dumps(value)


def is_long_key(written: str) -> bool:
    """Whether a key needs a ``?`` before it."""
    return len(written) > _LONGEST_KEY


def literal(text: str, indent: str) -> tuple[str, list[str]] | None:
    """A text of several lines as a block scalar: its header, and its lines; nothing if it cannot be written so."""
    if "\n" not in text or text[0] in " \t\n" or text.endswith("\n\n") or _NO_LITERAL.search(text):
        return None
    body = text.removesuffix("\n")
    lines = [indent + line if line else "" for line in body.split("\n")]
    return ("|" if text.endswith("\n") else "|-"), lines


def boolean_like(value: bool, written: str) -> str:
    """A bool in the casing of the one that stood there."""
    word = "true" if value else "false"
    if written.istitle():
        return word.title()
    return word.upper() if written.isupper() else word
