"""Which file of a snapshot is the run configuration that counts.

The order inside a zip: the file that was asked for; ``definition.json`` or ``azureml-setup/runconfig.json``, which the SDK
and the service write for one submission; the only candidate in ``aml_config/`` or ``.azureml/``.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from runyard.errors import RunconfigError

FOLDERS: Final = ("aml_config", ".azureml")
SUFFIX: Final = ".runconfig"
BODIES: Final = ("definition.json", "azureml-setup/runconfig.json")

_NEIGHBOURS: Final = re.compile(
    r"""
      \..* | .*~ | \#.*\#                                                          # hidden, and left by editors
    | .*conda.*\.(ya?ml|json|txt|lock) | env(ironment)?s?([._-].*)?\.(ya?ml|json)  # what a run configuration names
    | azureml_environment\.json | (.*[._-])?spark_dependencies\.(ya?ml|json) | .*requirements.*\.(txt|in)
    | project\.json | config\.json | history\.json | .*\.amlproj | .*\.compute     # the SDK's and Workbench's own
    | .*\.(pkl|pickle|py|pyc|ipynb|sh|bat|ps1|md|rst|txt|log|csv|tsv|zip|gz|tar|whl|egg|jar|pem|key|pub|cer|pfx|lock)
    | .*\.(bak|orig|old|rej|swp|tmp|part|dataprep|dprep|dsource|amlignore|gitignore|html|png|jpe?g|pdf|r|toml|ini|cfg|env)
    | readme | license | licence | notice | dockerfile(\..*)? | makefile | jenkinsfile | vagrantfile | codeowners
    """,
    re.IGNORECASE | re.VERBOSE,
)
"""Files of the two folders that are something else, by their whole name."""

_NAMED_FILES: Final = re.compile(
    r".*conda.*\.ya?ml|environment.*\.ya?ml|spark_dependencies\.ya?ml|.*\.compute", re.IGNORECASE
)
"""Files beside a run configuration that it may name."""

_LONGEST: Final = 255
"""Characters of a name that a usual file system takes."""
_LISTED: Final = 12
_HOW_TO_NAME: Final = "name one with `--runconfig NAME`, or `runconfig` in the event"
_WEAK: Final = "its name is not *.runconfig and has an extension, so it counts only where nothing else does"


@dataclass(frozen=True, slots=True)
class Other:
    """A candidate that does not count."""

    name: str
    why: str
    """Why not, as the end of a sentence."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The run configuration that counts, and why."""

    name: str
    why: str
    """As the end of a sentence."""
    others: tuple[Other, ...] = ()


def is_candidate(name: str) -> bool:
    """Whether a file may be a run configuration by its name: any file of the two folders that is not known as another.

    From 1.0.43 on the SDK saves a run configuration under exactly the name it is given, with any extension or none.
    """
    folder, slash, base = name.partition("/")
    if not slash or folder not in FOLDERS or "/" in base or not base:
        return False
    return len(base) <= _LONGEST and (base.lower().endswith(SUFFIX) or not _NEIGHBOURS.fullmatch(base))


def is_setting(name: str) -> bool:
    """Whether a snapshot needs this name to be run: run configurations, what they name beside them, and their folders.

    The SDK's own ``.amlignore`` leaves ``.azureml/`` out of the zip, as it sent the run configuration beside it.
    """
    if name.rstrip("/") in FOLDERS:
        return True
    folder, _, base = name.partition("/")
    return is_candidate(name) or (folder in FOLDERS and _NAMED_FILES.fullmatch(base) is not None)


def keeper(wanted: str | None = None) -> Callable[[str], bool]:
    """Which names of a zip :func:`choose` needs to see; also every file of the two folders, for what it refers to."""
    exact = frozenset(BODIES) | frozenset(_spellings(wanted) if wanted else ())
    begins = tuple(f"{folder}/" for folder in FOLDERS)
    within = tuple(f"/{folder}/" for folder in FOLDERS)

    def keep(name: str) -> bool:
        return name.startswith(begins) or name in exact or any(folder in name for folder in within)

    return keep


def choose(names: Iterable[str], wanted: str | None = None) -> str:
    """The name of the run configuration that counts; see :func:`weigh`.

    Raises:
        RunconfigError: as for :func:`weigh`.
    """
    return weigh(names, wanted).name


def weigh(names: Iterable[str], wanted: str | None = None) -> Choice:
    """Which run configuration counts, why, and why the others do not.

    Args:
        names: The files of the zip, at least those that :func:`keeper` wants.
        wanted: What the event or the caller asked for: a path, or a name with or without ``.runconfig``.

    Raises:
        RunconfigError: if there is none, or there are several; it lists them and says how to name one.
    """
    present = sorted(set(names))
    candidates = [name for name in present if is_candidate(name)]
    bodies = [body for body in BODIES if body in present]
    if wanted:
        name = _wanted(wanted, present, candidates)
        others = tuple(Other(each, "another one is named") for each in (*bodies, *candidates) if each != name)
        return Choice(name, "it was named", others)
    if bodies:
        reason = f"{bodies[0]} comes first, as it was written for one submission"
        others = tuple(Other(each, reason) for each in (*bodies[1:], *candidates))
        return Choice(bodies[0], "it was written for one submission, and so comes first", others)
    strong = [name for name in candidates if _is_strong(name)]
    alike = strong or candidates
    if len(alike) == 1:
        others = tuple(Other(each, _WEAK) for each in candidates if each != alike[0])
        kind = "the only candidate" if not others else "the only candidate of its rank"
        return Choice(alike[0], f"it is {kind} in aml_config/ and .azureml/", others)
    if alike:
        raise RunconfigError(f"the snapshot holds several run configurations: {_list(alike)}; {_HOW_TO_NAME}")
    raise _none(present)


def _is_strong(name: str) -> bool:
    """Whether nearly every file of this kind of name is a run configuration."""
    base = name.rpartition("/")[2]
    return base.lower().endswith(SUFFIX) or "." not in base


def _none(present: list[str]) -> RunconfigError:
    deeper = [name for name in present if is_candidate("/".join(name.split("/")[-2:]))]
    if deeper:
        return RunconfigError(
            f"the snapshot holds no run configuration at its top, but {_list(deeper)}; zip what is in the folder, not the "
            "folder itself"
        )
    return RunconfigError(
        "the snapshot holds no run configuration: put one into `aml_config/` or `.azureml/`, drop it beside the zip as "
        "`<name>.runconfig` first, or give it in the event"
    )


def _spellings(wanted: str) -> tuple[str, ...]:
    """Where a wanted name may be, in the SDK's order."""
    wanted = wanted.replace("\\", "/").removeprefix("./")
    folders = [f"{folder}/{wanted}" for folder in FOLDERS]
    return (wanted, *folders, *(f"{name}{SUFFIX}" for name in folders), f"{wanted}{SUFFIX}")


def _wanted(wanted: str, present: list[str], candidates: list[str]) -> str:
    """The file that a name means: the very path, else a name in one of the two folders, where its extension may be missing."""
    if wanted in present:
        return wanted
    first, *others = _spellings(wanted)
    if first in present:
        return first
    found = [name for name in others if name in present]
    if not found:
        stem = _stem(first)
        found = [name for name in candidates if _stem(name) == stem or _stem(name.partition("/")[2]) == stem]
    inner = [name for name in found if name.endswith(f"/{first}") and f"{name}{SUFFIX}" in found]
    if len(found) == 2 and inner:
        return inner[0]  # the SDK's order: the name as it is, then with its extension
    if len(found) == 1:
        return found[0]
    if found:
        raise RunconfigError(f"{wanted[:120]!r} may be {_list(found)} of the snapshot; give the path of one")
    there = f"those there are: {_list(candidates)}" if candidates else "there is none in `aml_config/` or `.azureml/`"
    raise RunconfigError(f"the snapshot holds no run configuration {wanted[:120]!r}; {there}{_near(first, candidates)}")


def _stem(name: str) -> str:
    """A name without ``.runconfig``, in lower case."""
    return name.lower().removesuffix(SUFFIX)


def _near(wanted: str, candidates: list[str]) -> str:
    known = {_stem(name.rpartition("/")[2]): name for name in candidates}
    near = difflib.get_close_matches(_stem(wanted.rpartition("/")[2])[:80], known, n=1, cutoff=0.7)
    return f"; did you mean {known[near[0]]!r}?" if near else ""


def _list(names: list[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(name[:120] for name in names[:_LISTED]) + more
