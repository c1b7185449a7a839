"""A conda file's content as plain values: read from YAML, JSON or a value, checked, its keys in lower case.

The keys are those of conda's environment file
(https://docs.conda.io/projects/conda/en/latest/user-guide/tasks/manage-environments.html): ``name``, ``channels``,
``dependencies``, ``variables`` and ``prefix``.
"""

from __future__ import annotations

import difflib
from typing import Any, Final, cast

import yaml

from runyard.environment.conda_secrets import mask_url_credentials, shown
from runyard.errors import RunconfigError
from runyard.runconfig.yaml12 import MAX_BYTES, Map, Seq, load, scalar_text

Document = dict[str, Any]
"""``name``, ``prefix``: text; ``channels``: list of texts; ``dependencies``: list of texts and ``{"pip": [...]}``;
``variables``: texts by name. A key may be missing; other keys hold what the author wrote."""

KEYS: Final = ("name", "channels", "dependencies", "variables", "prefix")
LISTS: Final = ("channels", "dependencies")
MAX_ENTRIES: Final = 10_000
MAX_ENTRY: Final = 32_768
"""Characters of one entry; a requirement with 200 hashes has half of it."""


def read_text(data: bytes, name: str) -> Document:
    """The document of a conda file.

    Raises:
        RunconfigError: naming the file, the line and the key, what was found and what is allowed.
    """
    if len(data) > MAX_BYTES:
        raise RunconfigError(f"{name} has more than {MAX_BYTES:,} bytes; a conda file has at most as many")
    try:
        value = load(data, name)
    except RunconfigError as error:  # it may quote a key, and a key may be a URL
        raise RunconfigError(mask_url_credentials(error.message)) from None
    return _Reader(name, data).document(value)


def read_value(value: object, name: str) -> Document:
    """The document of a value, such as ``condaDependencies`` inside a run configuration; the value is copied.

    Raises:
        RunconfigError: as for :func:`read_text`.
    """
    return _Reader(name, None).document(value)


def compose(text: str | bytes) -> yaml.Node | None:
    """The tree of nodes with their places in the text."""
    return yaml.compose(text, Loader=getattr(yaml, "CBaseLoader", yaml.BaseLoader))


def pip_lists(document: Document) -> list[list[str]]:
    """The document's own ``pip`` lists: usually one, but a file may have several."""
    return [item["pip"] for item in document.get("dependencies", []) if isinstance(item, dict)]


class _Reader:
    """Checks one document and copies it."""

    def __init__(self, name: str, data: bytes | None) -> None:
        self.name = name
        self.data = data
        self.entries = 0

    def document(self, value: object) -> Document:
        if value is None:
            return {}
        if not isinstance(value, dict):
            hint = "; a requirements.txt is read by CondaDependencies.from_requirements"
            raise self.error((), f"a conda file is a mapping with 'dependencies:', not {_kind(value)}{hint}")
        document: Document = {}
        for key in value:
            known = self.known_key(value, str(key))
            if known in document:
                raise self.error((key,), f"the key {shown(str(key))} is there twice, in another casing")
            document[known] = self.value_of(known, value, key)
        return document

    def known_key(self, value: dict[str, object], key: str) -> str:
        """The key in the spelling that is used here; an unknown one as it is, unless it looks like a slip."""
        low = key.lower()
        if low in KEYS:
            return low
        near = difflib.get_close_matches(low[:40], KEYS, 1, 0.75)
        if near:
            raise self.error((key,), f"the key {shown(key)} is unknown; did you mean {near[0]!r}?", value)
        return key

    def value_of(self, known: str, holder: dict[str, object], key: str) -> object:
        value = holder[key]
        if known == "channels":
            return [self.text(each, (key, at)) for at, each in enumerate(self.items(value, (key,), holder))]
        if known == "dependencies":
            items = self.items(value, (key,), holder)
            return [self.dependency(items, at, (key, at)) for at in range(len(items))]
        if known == "variables":
            return self.variables(value, key, holder)
        if known in {"name", "prefix"}:
            if value is None or isinstance(value, str):
                return value
            if isinstance(value, (dict, list)):
                raise self.error((key,), f"{known!r} must be a text, not {_kind(value)}", holder)
            return _written(holder, key)
        return _copied(value)

    def items(self, value: object, path: tuple[object, ...], holder: dict[str, object]) -> list[object]:
        if value is None:
            return []
        if not isinstance(value, list):
            raise self.error(path, f"{path[-1]!r} must be a list ('- …' on each line), not {_kind(value)}", holder)
        self.entries += len(value)
        if self.entries > MAX_ENTRIES:
            raise self.error(path, f"{path[-1]!r} has too many entries; at most {MAX_ENTRIES:,} are allowed", holder)
        return value

    def text(self, value: object, path: tuple[object, ...]) -> str:
        where = str(next(part for part in reversed(path) if isinstance(part, str)))
        if not isinstance(value, str):
            raise self.error(path, f"{where!r} has {_kind(value)} where a text belongs")
        if not value.strip():
            raise self.error(path, f"{where!r} has an empty text")
        if len(value.strip().splitlines()) > 1:  # pip would take the second line for an entry of its own
            raise self.error(path, f"{where!r} has an entry of several lines; write one a line")
        if len(value) > MAX_ENTRY:
            raise self.error(path, f"{where!r} has an entry of {len(value):,} characters; at most {MAX_ENTRY:,}")
        return str(value)

    def dependency(self, items: list[object], at: int, path: tuple[object, ...]) -> object:
        item = items[at]
        if isinstance(item, dict):
            return {"pip": self.pip(cast("dict[str, object]", item), path)}
        return self.package(items, at, path, "a package is a text such as 'python=3.6.2'")

    def package(self, items: list[object], at: int, path: tuple[object, ...], hint: str) -> str:
        item = items[at]
        if isinstance(item, (bool, int, float)):
            written = shown(_written(items, at), 40)[1:-1]
            raise self.error(path, f"{written} is {_kind(item)}, not a package; {hint}")
        if item is None or isinstance(item, (list, dict)):
            raise self.error(path, f"{_kind(item)} is no package; {hint}")
        return self.text(item, path)

    def pip(self, item: dict[str, object], path: tuple[object, ...]) -> list[str]:
        folded = {str(key).lower(): key for key in item}
        other = next((key for low, key in folded.items() if low != "pip"), None)
        if other is not None or len(folded) < len(item):
            near = difflib.get_close_matches(str(other).lower()[:40], ["pip"], 1)
            hint = "did you mean 'pip'?" if near else "only 'pip:' with a list of packages is"
            if other is not None and not near and isinstance(item[other], (str, int, float)):
                hint += f"; a package is a text, such as '- {shown(str(other))[1:-1]}=1.0'"
            raise self.error(
                (*path, other), f"the key {shown(str(other))} is not allowed among the dependencies; {hint}", item
            )
        if not folded:
            raise self.error(path, "an empty mapping is no package; write '- name' or '- pip:' with a list")
        key = folded["pip"]
        entries = self.items(item[key], (*path, key), item)
        hint = "an entry is a text such as 'numpy==1.15'"
        return [self.package(entries, at, (*path, key, at), hint) for at in range(len(entries))]

    def variables(self, value: object, key: str, holder: dict[str, object]) -> dict[str, str]:
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise self.error((key,), f"'variables' must be a mapping of names to texts, not {_kind(value)}", holder)
        for name, each in value.items():
            if each is None or isinstance(each, (dict, list)):
                raise self.error(
                    (key, name), f"the variable {shown(str(name))} must be a text, not {_kind(each)}", value
                )
        return {str(name): _written(value, name) for name in value}

    def error(self, path: tuple[object, ...], what: str, holder: dict[str, object] | None = None) -> RunconfigError:
        line = self.line(path)
        if line is None and isinstance(holder, Map):
            line = holder.lines.get(str(path[-1]))
        return RunconfigError(f"{self.name}{f', line {line}' if line else ''}: {what}")

    def line(self, path: tuple[object, ...]) -> int | None:
        """Where a value stands; ``None`` where the document did not come from a file."""
        if self.data is None:
            return None
        try:
            node = compose(self.data)
        except yaml.YAMLError:  # JSON that is not YAML: a tab too many
            return None
        line = 1
        for part in path:
            if isinstance(node, yaml.MappingNode):
                pair = next((pair for pair in node.value if pair[0].value == part), None)
                if pair is None:
                    break
                line, node = pair[0].start_mark.line + 1, pair[1]
            elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
                node = node.value[part]
                line = node.start_mark.line + 1
        return line


def _kind(value: object) -> str:
    """What a value is, in words."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "a truth value"
    if isinstance(value, (int, float)):
        return "a number"
    words = {str: "a text", list: "a list", dict: "a mapping"}
    return next((word for kind, word in words.items() if isinstance(value, kind)), value.__class__.__name__)


def _written(holder: object, at: Any) -> str:
    """A value as the author wrote it: ``1.10`` and not ``1.1``."""
    if isinstance(holder, (Map, Seq)) and at in holder.written:
        return cast("dict[Any, str]", holder.written)[at]
    return scalar_text(cast("Any", holder)[at])


def _copied(value: object) -> object:
    if isinstance(value, dict):
        return {str(key): _copied(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_copied(each) for each in value]
    kind = next((kind for kind in (bool, int, float, str) if isinstance(value, kind)), None)
    return value if value is None or kind is bool else (kind or str)(value)  # type: ignore[arg-type, call-overload]
