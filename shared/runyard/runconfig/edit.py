"""Changes a YAML or JSON file in place: what is not changed keeps its bytes.

Comments, unknown keys, quotes, indentation, line breaks and the order of keys stay; setting one value changes its line. Every
result is read again before it is returned, and compared with the document that it must be.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from runyard.errors import RunconfigError
from runyard.runconfig.editing.changes import (
    REMOVED,
    Path,
    Removed,
    apply,
    differences,
    path_of_nan,
    plain_value,
    same,
    spell,
)
from runyard.runconfig.editing.editor import Editor
from runyard.runconfig.editing.jsontree import parse_json
from runyard.runconfig.editing.nodes import parse
from runyard.runconfig.editing.render import SDK, Renderer, Style, style_of
from runyard.runconfig.editing.scalars import NoJsonError
from runyard.runconfig.editing.source import OverlapError, Source
from runyard.runconfig.yaml12 import load

__all__ = ["REMOVED", "Path", "Removed", "differences", "fresh", "rewrite"]


def rewrite(data: bytes, changes: Mapping[Path, object], name: str) -> bytes:
    """The same file with other values in it.

    Args:
        data: The file, YAML 1.2 or JSON; JSON stays JSON.
        changes: New values by their path, keys spelled as in the file; :data:`REMOVED` takes a key or list item away. Missing
            mappings on the way are made. An index counts the items of the list in the file; one behind its end appends. A
            list or mapping as a value is compared with the one in the file, and only what differs is written.
        name: How errors call the file.

    Returns:
        The new file: same encoding, byte order mark and line breaks. A value that other places repeat by an alias changes only
        where the path says.

    Raises:
        RunconfigError: if the file cannot be read, a path leads nowhere, or the file's form is one in which this value cannot
            be changed in place. A wrong file is never returned.
        TypeError: if a value is of a type that YAML has not.
    """
    old = load(data, name)
    new = apply(old, changes, name)
    if same(old, new):
        return data
    problem: RunconfigError | None = None
    for result in _attempts(Source(data, name), old, new, name):
        try:
            found = load(result, name)
        except RunconfigError as error:
            problem = error
            continue
        if same(found, new):
            return result
        problem = None
    raise _refusal(old, new, problem, name)


def _attempts(source: Source, old: object, new: object, name: str) -> Iterator[bytes]:
    """Files that should hold the new document; the first that does is right."""
    for literals in (True, False):
        tree = parse_json(source)
        is_json = tree is not None
        if tree is None:
            tree = parse(source)
        style = style_of(source, tree.root, is_json=is_json, literals=literals) if tree.root else SDK
        if not isinstance(new, (dict, list)):
            style = replace(style, only_ascii=False)  # read as YAML, which has no pairs of escapes
        try:
            text = Editor(source, tree, style).run(old, new)
        except OverlapError:
            continue
        except NoJsonError:
            where = spell(path_of_nan(differences(old, new)))
            raise RunconfigError(
                f"{name}: {where} cannot be NaN, which JSON has no way to write; give another number, or null"
            ) from None
        yield source.encode(text)
        if source.ends_without_break:
            yield source.encode(text + source.eol)


def _refusal(old: object, new: object, problem: RunconfigError | None, name: str) -> RunconfigError:
    path = next(iter(differences(old, new)), ())
    why = "the file writes it in a form that cannot be edited safely"
    if problem is not None:
        why = f"the result could not be read ({problem})"
    return RunconfigError(
        f"{name}: {spell(path)} cannot be changed in place: {why}; "
        "change it by hand, or save the run configuration as a new file"
    )


def fresh(document: Mapping[str, object], *, comments: Mapping[Path, str] | None = None) -> bytes:
    """A new YAML 1.2 file in the SDK's style.

    Args:
        document: Its content, written in the order of its keys.
        comments: Comments by the path of the key that they are put above, at its indentation.

    Raises:
        RunconfigError: if a value can be written in no file.
        TypeError: if a value is of a type that YAML has not.
    """
    value = plain_value(document, "the document")
    for style in (SDK, Style(literals=False)):
        lines = Renderer(style, comments=comments).block(value, 0) or ["{}"]
        data = "".join(f"{line}\n" for line in lines).encode()
        if same(load(data, "the new file"), value):
            return data
    raise RunconfigError("the new file cannot be written: it would not be read as what it must be")
