"""What one line of conda's ``dependencies`` names: ``numpy``, ``python=3.6.2``, ``conda-forge::numpy[version='>=1.2']``.

The forms are those of conda's match specification
(https://docs.conda.io/projects/conda-build/en/stable/resources/package-spec.html#package-match-specifications).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from runyard.environment.conda_secrets import shown

_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*|\*")
_SPACED: Final = re.compile(r" ?([=<>!~,|]+) ?")
_ARCHIVE: Final = re.compile(r"(?P<name>[^/]+)-[^/-]+-[^/-]+\.(?:tar\.bz2|conda)(?:#[0-9a-f]*)?")
_BRACKET_VERSION: Final = re.compile(r"""\bversion=(?:'([^']*)'|"([^"]*)"|([^,\]]+))""")
_NUMBER: Final = re.compile(r"[-+]?(?:[0-9]*\.)?[0-9]+")


@lru_cache(maxsize=4096)  # adding looks at every package
def conda_name(text: str) -> str:
    """The package's name: lower case, without channel, version and build; that is what identifies it.

    What has no name is identified by its whole text.
    """
    return _split(text)[1]


def canonical_conda(text: str) -> str:
    """The same package wish, written in one way: name in lower case, no needless blanks."""
    if _archive(text):
        return text.strip()
    channel, name, rest = _split(text)
    between = " " if rest[:1] not in {"", "=", "<", ">", "!", "~", "["} else ""
    return f"{channel}::{name}{between}{rest}" if channel else f"{name}{between}{rest}"


def conda_version(text: str) -> str | None:
    """The version that is asked for: ``3.6.2`` of ``python=3.6.2``, ``>=3.6,<3.8`` of a range, ``None`` of a bare name."""
    rest = _split(text)[2]
    plain, _, bracket = rest.partition("[")
    if not plain:
        found = _BRACKET_VERSION.search(bracket)
        plain = next((group for group in found.groups() if group), "") if found else ""
        return plain.lstrip("=") or None
    if plain.startswith("="):
        return plain.lstrip("=").split("=")[0].split(" ")[0] or None
    return plain.split(" ")[0] or None


def fault_of_conda(text: str) -> str | None:
    """Why conda would not understand ``text``, as the end of a sentence; ``None`` if it does."""
    _, name, rest = _split(text)
    if _archive(text):
        return None
    if _NUMBER.fullmatch(text.strip()):
        return f"{text.strip()} is a number, not a package; a version follows its name, as in 'python={text.strip()}'"
    if not _NAME.match(text.rpartition("::")[2].strip()):
        return f"{shown(text)} does not begin with a package's name"
    if rest[:1] == "[" and "=" not in rest:
        return f"{shown(text)} has extras, which conda does not know; list it under 'pip:'"
    after = text.rpartition("::")[2].strip()[len(name) :][:1]
    if after not in {"", " ", "\t", "=", "<", ">", "!", "~", "["}:
        return f"{shown(text)} is not one package; write 'name', 'name=version' or 'name=version=build', one a line"
    return None


def _archive(text: str) -> re.Match[str] | None:
    """A package's file, named by its URL or path, which conda takes as well."""
    return _ARCHIVE.fullmatch(text.strip().rpartition("/")[2]) if "/" in text else None


def _split(text: str) -> tuple[str, str, str]:
    """Channel, name and the rest without needless blanks."""
    text = " ".join(text.split())
    channel, _, wish = text.rpartition("::")
    wish = wish.strip()
    archive = _archive(text)
    if archive:
        return "", archive["name"].lower(), ""
    found = _NAME.match(wish)
    if not found:
        return channel.strip(), wish.lower(), ""
    return channel.strip(), found[0].lower(), _SPACED.sub(r"\1", wish[found.end() :]).strip()
