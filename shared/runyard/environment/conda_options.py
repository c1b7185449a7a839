"""pip's options as they stand in a requirements file or among the ``pip`` entries of a conda file.

Source of the list: https://pip.pypa.io/en/stable/reference/requirements-file-format/#supported-options and, for old
files, the options that pip had before release 20.
"""

from __future__ import annotations

import difflib
import re
from typing import Final, NamedTuple

from runyard.environment.conda_secrets import shown

_FLAGS: Final = (
    "--no-index --prefer-binary --require-hashes --pre --process-dependency-links --allow-all-external --use-wheel "
    "--no-use-wheel --always-unzip --no-deps --upgrade --user --no-cache-dir --no-build-isolation --quiet --verbose "
    "--ignore-installed --force-reinstall --no-clean --disable-pip-version-check --isolated --use-pep517 --no-use-pep517"
)
_ONCE: Final = "--index-url --proxy --timeout --retries --cert --client-cert --cache-dir --log --progress-bar"
_MANY: Final = (
    "--extra-index-url --find-links --requirement --constraint --editable --no-binary --only-binary --trusted-host "
    "--use-feature --use-deprecated --allow-external --allow-unverified --global-option --install-option --hash "
    "--config-settings"
)
_SHORT: Final = {
    "-i": "--index-url",
    "-f": "--find-links",
    "-r": "--requirement",
    "-c": "--constraint",
    "-e": "--editable",
    "-Z": "--always-unzip",
    "-U": "--upgrade",
    "-q": "--quiet",
    "-v": "--verbose",
    "-C": "--config-settings",
}
_ALIASES: Final = {"--pypi-url": "--index-url", "--allow-insecure": "--allow-unverified"}
_FLAG_NAMES: Final = frozenset(_FLAGS.split())
REPEATABLE: Final = frozenset(_MANY.split())
"""Options that may be given several times, each adding to the others."""
_KNOWN: Final = frozenset({*_FLAG_NAMES, *_ONCE.split(), *REPEATABLE, *_ALIASES})
_NEXT: Final = re.compile(r" (?=--?[A-Za-z])")


class Option(NamedTuple):
    """One option: its long name, and its value (``""`` for none)."""

    name: str
    value: str

    def __str__(self) -> str:
        return f"{self.name} {self.value}" if self.value else self.name


def options_of(line: str) -> list[Option]:
    """The options on one line: usually one, but pip allows several."""
    found = []
    for part in _NEXT.split(" ".join(line.split())):
        if part.startswith("--"):
            name, _, value = part.partition("=" if "=" in part.partition(" ")[0] else " ")
        else:
            name, value = part[:2], part[2:]
        long = _SHORT.get(name, _ALIASES.get(name.lower(), name.lower() if name.startswith("--") else name))
        found.append(Option(long, value.strip()))
    return found


def canonical_options(line: str) -> str:
    """The line in one way of writing: long names, a blank before the value."""
    return " ".join(map(str, options_of(line)))


def fault_of_option(line: str) -> str | None:
    """Why pip would not understand an option line, as the end of a sentence; ``None`` if it would."""
    for name, value in options_of(line):
        if name not in _KNOWN:  # a newer pip may know it, unless it looks like a slip
            near = difflib.get_close_matches(name, sorted(_KNOWN), 1, 0.8)
            if near:
                return f"{shown(name, 40)} is no option of pip; did you mean {near[0]}?"
        elif not value and name not in _FLAG_NAMES:
            return f"the option {name} needs a value, as in '{name} VALUE'"
    return None


def with_option(lines: list[str], line: str) -> list[str | None]:
    """The option lines after ``line`` was set, each in its place (``None`` where it goes), and what is new behind them.

    An option that may stand once takes the place of its namesake; one that may be repeated is added, unless it is there.
    """
    asked = options_of(line)
    once = {option.name for option in asked if option.name not in REPEATABLE}
    known = {option for each in lines for option in options_of(each)}
    result: list[str | None] = []
    is_placed = not once and all(option in known for option in asked)
    for each in lines:
        parts = options_of(each)
        left = [part for part in parts if part.name not in once]
        if left == parts:
            result.append(each)
            continue
        texts = [*map(str, left), *([] if is_placed else [line])]
        result.append(" ".join(texts) or None)
        is_placed = True
    return result if is_placed else [*result, line]


def without_option(lines: list[str], line: str) -> list[str | None]:
    """The option lines without those that ``line`` names, each in its place (``None`` where it goes).

    A name alone takes all of that name; with a value, an option that may be repeated goes only where the value is the same.
    """
    asked = options_of(line)
    result: list[str | None] = []
    for each in lines:
        parts = options_of(each)
        left = [part for part in parts if not any(_names(wish, part) for wish in asked)]
        result.append(each if left == parts else " ".join(map(str, left)) or None)
    return result


def _names(wish: Option, part: Option) -> bool:
    if wish.name != part.name:
        return False
    return not wish.value or wish.name not in REPEATABLE or wish.value == part.value
