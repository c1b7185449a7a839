"""pip's options in a conda file: which index, which files, and what else pip and uv are to do."""

from typing import Dict, List, NamedTuple, Tuple

from . import pip_entries
from .pip_entries import Option

_GONE = frozenset(
    "--process-dependency-links --allow-all-external --allow-external --allow-unverified --use-wheel --no-use-wheel "
    "--always-unzip --install-option".split()
)
"""What pip had once."""
_OF_THE_BUILD = frozenset(
    "--user --quiet --verbose --log --progress-bar --no-clean --disable-pip-version-check --cache-dir --isolated "
    "--ignore-installed --force-reinstall --upgrade".split()
)
"""What decides nothing in an environment that is new, and is the build's own matter."""


class Indexes(NamedTuple):
    """Where packages come from."""

    main: str = ""
    """The main one; ``""``: the tool's own."""
    extra: Tuple[str, ...] = ()
    links: Tuple[str, ...] = ()
    """Folders or pages that list files (``--find-links``)."""
    trusted: Tuple[str, ...] = ()
    """Hosts whose certificates are not looked at."""
    no_index: bool = False


class Options:
    """Options, understood.

    Attributes:
        indexes: Where packages come from.
        files: (``--requirement`` or ``--constraint``, full path or URL) in their order.
        lines: Others that a requirements file may hold, as its lines.
        settings: Others that only a command line or a variable may hold: name without dashes → value (``""``: a flag).
        notes: What is left out.
    """

    def __init__(self) -> None:
        self.indexes = Indexes()
        self.files: List[Option] = []
        self.lines: List[str] = []
        self.settings: Dict[str, str] = {}
        self.notes: List[str] = []


_IN_FILES = ("--pre", "--require-hashes", "--no-binary", "--only-binary")
FOR_UV = frozenset(
    "no-deps no-build-isolation no-cache-dir timeout retries proxy cert client-cert config-settings use-pep517".split()
)
"""Settings that uv has too, under its own names."""


def read_options(options: List[Option], folder: str) -> Options:
    """The options of a pip part; relative paths start from ``folder``.

    Raises:
        Problem: if there is a relative path and no folder.
    """
    result = Options()
    main, no_index = "", False
    named: Dict[str, List[str]] = {name: [] for name in ("--extra-index-url", "--find-links", "--trusted-host")}
    for name, value in options:
        line = ("%s %s" % (name, value)).strip()
        is_path = name in (*pip_entries.FILES, "--find-links") and "://" not in value
        place = pip_entries.absolute(value, folder, line) if is_path else value
        if name in ("--index-url", "--pypi-url"):
            main = value
        elif name in named:
            named[name].append(place)
        elif name == "--no-index":
            no_index = True
        elif name in pip_entries.FILES:
            result.files.append((name, place))
        else:
            _take_other(result, name, value, line)
    extra, links, trusted = (tuple(each) for each in named.values())
    result.indexes = Indexes(main, extra, links, trusted, no_index)
    return result


def _take_other(result: Options, name: str, value: str, line: str) -> None:
    if name in _GONE:
        result.notes.append("%s: left out, pip has no such option any more" % line)
    elif name in _IN_FILES:
        result.lines.append(line)
    elif name not in _OF_THE_BUILD:
        result.settings[name[2:]] = value
