"""What one pip entry names: a requirement, an archive or repository by URL, a folder, or an option.

Requirements follow PEP 508 (https://packaging.python.org/en/latest/specifications/dependency-specifiers/) and are read
by the ``packaging`` library; what older releases of pip took as well (``>=1.0.*``) is still recognised by its name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from runyard.environment.conda_options import canonical_options, fault_of_option
from runyard.environment.conda_secrets import shown

if TYPE_CHECKING:
    from packaging.requirements import Requirement

_EDITABLE: Final = re.compile(r"(?:-e|--editable)(?:[\s=]|(?<=-e)(?=[^\s-]))\s*")
_OWN_OPTIONS: Final = re.compile(r" (?=--(?:hash|config-settings|global-option|install-option)\b|-C )")
_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|(?:git|hg|bzr|svn)\+|file:")
_PATH: Final = re.compile(r"[./~\\]|[A-Za-z]:[\\/]")
_FOLDER: Final = re.compile(r"\w[^:<>=!]*/")
_ARCHIVE: Final = (".whl", ".zip", ".tar.gz", ".tar.bz2", ".tar.xz", ".tgz", ".egg")
_NAMED: Final = re.compile(
    r"(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?:\[(?P<extras>[^\]]*)\])?\s*(?P<rest>.*)"
)
_EGG: Final = re.compile(r"egg=([A-Za-z0-9._-]+)")
_REVISION: Final = re.compile(r"(?<=[^/])@[^@/]+$")
_NUMBER: Final = re.compile(r"(?:[0-9]*\.)?[0-9]+")
_CLAUSE: Final = re.compile(r"(?:===?|[<>!~]=|[<>])\s*[^\s,;()]+")
_LONGEST: Final = 4096
"""Characters of a requirement that is parsed; hashes do not count."""


@dataclass(frozen=True, slots=True)
class PipEntry:
    """One entry of a ``pip`` list, understood."""

    key: str
    """Identifies the package: its normalised name (PEP 503), or, where a link or a folder tells none, where it comes from."""
    name: str
    """The normalised name; ``""`` where the entry tells none."""
    canonical: str
    """The same entry, written in one way."""
    marker: str
    """The environment marker, ``""`` for none."""
    fault: str | None
    """Why pip would not understand it."""


def is_option(text: str) -> bool:
    """Whether an entry is an option and not a package; ``-e`` names a package."""
    return text.lstrip().startswith("-") and not _EDITABLE.match(text.lstrip())


def canonical_pip(text: str) -> str:
    """An entry, package or option, written in one way."""
    return canonical_options(text) if is_option(text) else parse_entry(text).canonical


def fault_of_pip(text: str) -> str | None:
    """Why pip would not understand an entry, as the end of a sentence; ``None`` if it would."""
    return fault_of_option(text) if is_option(text) else parse_entry(text).fault


@lru_cache(maxsize=4096)  # adding looks at every entry, and a list may have a thousand
def parse_entry(text: str) -> PipEntry:
    """Understand an entry that is not an option. Never fails: what is wrong stands in ``fault``."""
    head, *options = _OWN_OPTIONS.split(" ".join(text.split()))
    editable = _EDITABLE.match(head)
    if editable:
        head = head[editable.end() :]
    tail = "".join(f" {each}" for each in sorted(map(canonical_options, options)))
    if _NUMBER.fullmatch(head):
        fault = f"{head} is a number, not a package; a version follows its name, as in 'name=={head}'"
        return PipEntry(head, "", head + tail, "", fault)
    if editable or _is_place(head):
        return _placed(head, "-e " if editable else "", tail)
    return _required(head, tail) or _recognised(head, tail)


def _is_place(head: str) -> bool:
    before = head.partition(";")[0].partition(" ")[0]
    if _URL.match(head) or _PATH.match(head) or before.partition("#")[0].endswith(_ARCHIVE):
        return True
    return bool(_FOLDER.match(before.partition("@")[0].partition("[")[0]))


def _placed(head: str, prefix: str, tail: str) -> PipEntry:
    """A link, a repository or a folder."""
    from packaging.utils import canonicalize_name  # noqa: PLC0415 - only where there are packages

    place, _, marker = head.partition(" ;") if " ;" in head else head.partition("; ")
    place, marker = place.strip(), marker.strip()
    canonical = prefix + place + (f"; {marker}" if marker else "") + tail
    name = canonicalize_name(_name_of_place(place))
    source = place.partition("#")[0].partition("?")[0]
    source = source.rpartition("[")[0] if source.endswith("]") else source
    if re.match(r"(?:git|hg|bzr|svn)\+", source):
        source = _REVISION.sub("", source)
    key = name or f"{source.rstrip('/') or '/'}"
    return PipEntry(key, name, canonical, marker, None if place else "'-e' needs a folder or a repository's URL")


def _name_of_place(place: str) -> str:
    """The name that a link tells: its egg fragment, or the file name of a wheel or a source archive."""
    for part in place.partition("#")[2].split("&"):
        egg = _EGG.match(part)
        if egg:
            return egg[1]
    file = re.split(r"[/\\]", place.partition("#")[0].partition("?")[0])[-1].partition("[")[0]
    if file.endswith(".whl"):
        return file.partition("-")[0]
    for ending in _ARCHIVE:
        stem = file.removesuffix(ending)
        if stem != file and re.fullmatch(r"[A-Za-z][A-Za-z0-9._-]*-[0-9][^-]*", stem):
            return stem.rpartition("-")[0]
    return ""


def _requirement(head: str) -> Requirement | None:
    from packaging.requirements import InvalidRequirement, Requirement  # noqa: PLC0415 - only where there are packages

    if len(head) > _LONGEST:
        return None
    try:
        return Requirement(head)
    except (InvalidRequirement, RecursionError):  # a thousand brackets in a marker
        return None


def _required(head: str, tail: str) -> PipEntry | None:
    from packaging.utils import canonicalize_name  # noqa: PLC0415 - only where there are packages

    found = _requirement(head)
    if found is None:
        return None
    name = canonicalize_name(found.name)
    extras = ",".join(sorted({canonicalize_name(extra) for extra in found.extras}))
    wanted = f" @ {found.url}" if found.url else ",".join(sorted(str(each) for each in found.specifier))
    marker = str(found.marker) if found.marker else ""
    end = f"{' ' if found.url else ''}; {marker}" if marker else ""
    return PipEntry(name, name, f"{name}{f'[{extras}]' if extras else ''}{wanted}{end}{tail}", marker, None)


def _recognised(head: str, tail: str) -> PipEntry:
    """What PEP 508 does not allow: forms that old releases of pip took, and mistakes."""
    from packaging.utils import canonicalize_name  # noqa: PLC0415 - only where there are packages

    found = _NAMED.fullmatch(head)
    if not found:
        return PipEntry(head, "", head + tail, "", f"{shown(head)} is no requirement that pip understands")
    name = canonicalize_name(found["name"])
    spec, _, marker = (part.strip() for part in found["rest"].partition(";"))
    clauses = sorted(clause.strip().replace(" ", "") for clause in spec.removeprefix("(").removesuffix(")").split(","))
    fault = _fault(head, found["name"], spec, clauses) or _fault_of_marker(marker)
    if fault:
        return PipEntry(name, name, head + tail, marker, fault)
    extras = ",".join(sorted(extra.strip().lower() for extra in (found["extras"] or "").split(",") if extra.strip()))
    end = f"; {marker}" if marker else ""
    return PipEntry(name, name, f"{name}{f'[{extras}]' if extras else ''}{','.join(clauses)}{end}{tail}", marker, None)


def _fault(head: str, name: str, spec: str, clauses: list[str]) -> str | None:
    single = re.fullmatch(r"=\s*([^=\s]+)(?:=\S*)?", spec)
    if single:
        return f"{shown(head)} is written as for conda; pip wants '{name}=={shown(single[1])[1:-1]}'"
    if spec and not all(map(_CLAUSE.fullmatch, clauses)):
        return f"{shown(head)} is no requirement that pip understands; write one a line, as in 'name==1.0'"
    return None


def _fault_of_marker(marker: str) -> str | None:
    from packaging.markers import InvalidMarker, Marker  # noqa: PLC0415 - only where there are packages

    if not marker:
        return None
    try:
        Marker(marker[:_LONGEST])
    except (InvalidMarker, RecursionError):
        return f"the marker {shown(marker)} is not one that pip understands, such as python_version < '3.8'"
    return None
