"""The entries of a pip part: options, packages, and the local files that they name."""

import hashlib
import os
import re
from typing import Dict, Iterator, List, Optional, Set, Tuple
from urllib.parse import unquote

from ..problems import Problem

Option = Tuple[str, str]
"""An option's long name, and its value (``""`` for none)."""

_NEXT = re.compile(r" (?=--?[A-Za-z])")
_EDITABLE = re.compile(r"(?:-e|--editable)(?:[\s=]|(?<=-e)(?=[^\s-]))\s*")
_OWN_OPTIONS = re.compile(r" (?=--(?:hash|config-settings|global-option|install-option)\b)")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|(?:git|hg|bzr|svn)\+")
_PATH = re.compile(r"[./~]|\w[^:<>=!@;]*/")
_SHORT = {
    "-i": "--index-url",
    "-f": "--find-links",
    "-r": "--requirement",
    "-c": "--constraint",
    "-U": "--upgrade",
    "-q": "--quiet",
    "-v": "--verbose",
}
_DIRECT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\s*(?:\[[^\]]*\])?\s*@\s")
"""``name @ URL`` (PEP 508)."""
_FILE_URL = re.compile(r"\bfile://(/[^\s#;]+)")
_ARCHIVES = (".whl", ".zip", ".tar.gz", ".tar.bz2", ".tar.xz", ".tgz")
_SKIPPED = ("__pycache__", ".git", ".hg", ".svn", "build", "dist")
"""Folders of a local package whose content decides nothing."""
FILES = ("--requirement", "--constraint")
"""Options that name a file of further entries."""


def split(entries: List[str]) -> Tuple[List[Option], List[str]]:
    """(the options in their order, the packages) of a list of entries, or of the lines of a requirements file."""
    options: List[Option] = []
    packages = []
    for entry in entries:
        text = " ".join(entry.split())
        if text.startswith("-") and not _EDITABLE.match(text):
            options += _options(text)
        elif text:
            packages.append(text)
    return options, packages


def _options(line: str) -> Iterator[Option]:
    for part in _NEXT.split(line):
        if part.startswith("--"):
            name, _, value = part.partition("=" if "=" in part.partition(" ")[0] else " ")
        else:
            name, value = part[:2], part[2:]
        yield _SHORT.get(name, name.lower() if name.startswith("--") else name), value.strip()


def name_of(entry: str) -> str:
    """A package entry's name, normalised (PEP 503); ``""`` for a place."""
    found = re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", entry)
    if found is None or (place_of(entry) is not None and " @ " not in entry):
        return ""
    return normalised(found.group())


def normalised(name: str) -> str:
    """A name as PEP 503 has it."""
    return re.sub(r"[-_.]+", "-", name).lower()


class Place:
    """A package that is named by where it is: a URL, a file or a folder."""

    def __init__(self, editable: bool, place: str, rest: str) -> None:
        self.editable = editable
        self.place = place
        """A URL or a path, without extras."""
        self.rest = rest
        """What follows: extras, a marker, hashes."""

    @property
    def is_local(self) -> bool:
        """Whether it is a path."""
        return not _URL.match(self.place)


def place_of(entry: str) -> Optional[Place]:
    """Where a package entry says that the package is; ``None`` if it only names it."""
    editable = _EDITABLE.match(entry)
    if not editable and _DIRECT.match(entry):
        return None
    text = entry[editable.end() :] if editable else entry
    head = _OWN_OPTIONS.split(text)[0].partition(" ;")[0].partition("; ")[0].strip()
    if not editable and not _URL.match(head) and not _PATH.match(head) and not head.lower().endswith(_ARCHIVES):
        return None
    bare = re.match(r"(.*?)(\[[^\]]*\])?$", head)
    path = bare.group(1) if bare and not _URL.match(head) else head
    return Place(bool(editable), path, text[len(path) :])


def absolute(path: str, folder: str, what: str) -> str:
    """A path of an entry, in full.

    Raises:
        Problem: if it is relative and there is no folder that it starts from.
    """
    path = os.path.expanduser(path)
    if os.path.isabs(path):
        return path
    if not folder:
        raise Problem("%s is relative to the snapshot, and there is none here; build it by a run" % what)
    return os.path.normpath(os.path.join(folder, path))


def lines_of(text: str) -> List[str]:
    """The entries of a requirements file: joined lines, without comments."""
    joined = re.sub(r"\\\r?\n", " ", text)
    return [line for line in (re.sub(r"(^|\s)#.*$", "", each).strip() for each in joined.splitlines()) if line]


def named_files(options: List[Option], folder: str) -> Dict[str, bytes]:
    """The files that ``-r`` and ``-c`` name, and those that these name, by their full paths.

    Raises:
        Problem: names a file that cannot be read, or that lies outside of the folder: what is not in the snapshot is none of
            its author's, and its lines would be told in the log.
    """
    found: Dict[str, bytes] = {}
    pending = [(name, value, folder) for name, value in options if name in FILES]
    while pending:
        name, value, start = pending.pop()
        if _URL.match(value):
            continue
        path = absolute(value, start, "%s %s" % (name, value))
        if path in found:
            continue
        if not folder or not _is_below(path, folder):
            raise Problem("%s %s leads out of the snapshot; put the file into it" % (name, value))
        try:
            with open(path, "rb") as stream:
                found[path] = stream.read()
        except OSError as error:
            raise Problem("%s %s cannot be read: %s" % (name, value, error.strerror)) from error
        inner, _ = split(lines_of(found[path].decode("utf-8", "replace")))
        pending += [(name, value, os.path.dirname(path)) for name, value in inner if name in FILES]
    return found


def _is_below(path: str, folder: str) -> bool:
    """Whether a file is in a folder, all links followed."""
    return os.path.realpath(path).startswith(os.path.realpath(folder) + os.sep)


def digests(options: List[Option], packages: List[str], folder: str) -> Dict[str, str]:
    """The SHA-256 of the files that entries name, and of the local packages, by the names under which they stand there.

    Raises:
        Problem: names what cannot be read.
    """
    found = {}
    for path, data in named_files(options, folder).items():
        found[os.path.relpath(path, folder) if folder else path] = hashlib.sha256(data).hexdigest()
    for entry in packages:
        place = place_of(entry)
        if place is not None and place.is_local:
            found[place.place] = _digest(absolute(place.place, folder, entry), entry)
        for path in _FILE_URL.findall(entry):
            found[path] = _digest(unquote(path), entry)
    return found


def _digest(path: str, entry: str) -> str:
    """Of a file, or of a folder with all that is in it."""
    total = hashlib.sha256()
    try:
        for name, full in sorted(_below(path)):
            with open(full, "rb") as stream:
                data = hashlib.sha256(stream.read()).hexdigest()
            total.update(("%s\0%s\n" % (name, data)).encode("utf-8", "surrogateescape"))
    except OSError as error:
        raise Problem("the package %s cannot be read: %s" % (entry, error.strerror)) from error
    return total.hexdigest()


def _below(path: str) -> Iterator[Tuple[str, str]]:
    if not os.path.isdir(path):
        yield "", path
        return
    seen: Set[str] = set()
    for folder, names, files in os.walk(path):
        seen.add(folder)
        names[:] = [name for name in names if name not in _SKIPPED and not name.endswith(".egg-info")]
        for name in files:
            full = os.path.join(folder, name)
            if os.path.isfile(full):
                yield os.path.relpath(full, path), full
