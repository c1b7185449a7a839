"""From a wish and what is there to a recipe: which tool makes the environment of which packages, and what is substituted.

Pure functions; :mod:`.tools` finds out what is there.
"""

import os
from typing import Dict, List, NamedTuple, Optional, Tuple

from ..problems import Problem
from . import pip_entries
from .names import CONDA_ALONE, OTHER_NAMES, is_stood_in
from .options import FOR_UV, Options, read_options
from .specs import Spec, Version, for_pip, matches, numbers, target
from .wish import Wish

CONDA_TOOLS = ("micromamba", "mamba", "conda", "rattler")
"""Those that take packages from conda's channels, in the order in which they are chosen."""
DEFAULT_CHANNELS = ["defaults"]
INSTALLS = "install micromamba, or 'runyard[environments]', which brings py-rattler"


class Interpreter(NamedTuple):
    """A Python that is installed here."""

    path: str
    version: Version
    """Three numbers."""
    has_venv: bool = True
    """Whether it can make virtual environments with pip by itself."""
    has_virtualenv: bool = False
    bundled: Tuple[str, ...] = ()
    """Wheels of pip and setuptools that came with it."""

    @property
    def shown(self) -> str:
        """Its version as people write it."""
        return ".".join(map(str, self.version))


class Facts(NamedTuple):
    """What is there."""

    default: Optional[Interpreter]
    """The compute's interpreter; ``None`` if it cannot be started."""
    interpreters: List[Interpreter]
    conda_tool: str = ""
    """One of :data:`CONDA_TOOLS`, the one to be used; ``""`` if there is none."""
    unreachable: Tuple[str, str] = ("", "")
    """A channel that the tool cannot reach and why; empty if it reaches all."""
    has_uv: bool = False


class Recipe:
    """How to make an environment.

    Attributes:
        kind: ``conda`` (a prefix), ``venv``.
        tool: The conda tool, or what installs pip packages: ``uv`` or ``pip``.
        channels: Of a prefix.
        conda: Packages of a prefix, as texts.
        interpreter: Of a venv.
        packages: For pip.
        renamed: Those of them that stand for a conda package.
        options: For pip.
        notes: The substitutions, a sentence each.
    """

    def __init__(self) -> None:
        self.kind = "venv"
        self.tool = ""
        self.channels: List[str] = []
        self.conda: List[str] = []
        self.interpreter: Optional[Interpreter] = None
        self.packages: List[str] = []
        self.renamed: List[str] = []
        self.options = Options()
        self.notes: List[str] = []


def resolve(wish: Wish, facts: Facts) -> Recipe:
    """The recipe for a wish.

    Raises:
        Problem: ``config`` if the policy or a chosen tool does not allow what would be needed; ``user`` if it cannot be
            done at all.
    """
    recipe = Recipe()
    specs = [Spec(text) for text in wish.packages]
    take_pip_part(wish, recipe)
    if _is_by_conda(wish, facts, specs, recipe):
        recipe.kind, recipe.tool = "conda", facts.conda_tool
        recipe.channels = wish.channels or DEFAULT_CHANNELS
        recipe.conda = [spec.text for spec in specs if not _is_left_out(spec.name, spec.text, recipe)]
        if not any(spec.name == "python" for spec in specs):
            recipe.conda.insert(0, "python")
    else:
        _take_conda_part(wish, facts, specs, recipe)
        recipe.tool = _installer(wish, facts, recipe)
    if wish.policy == "exact" and recipe.notes:
        raise Problem(_refusal(recipe.notes, bool(facts.conda_tool)))
    return recipe


def _refusal(notes: List[str], has_tool: bool) -> str:
    advice = "change these lines, or set runyard.legacy to nearest" + ("" if has_tool else ", or " + INSTALLS)
    return "the policy is exact, and this cannot be had as written: %s. Way out: %s" % ("; ".join(notes), advice)


def _is_by_conda(wish: Wish, facts: Facts, specs: List[Spec], recipe: Recipe) -> bool:
    if wish.resolver in ("uv", "pip"):
        return False
    if wish.resolver not in ("auto", facts.conda_tool):
        raise Problem(
            "the resolver %s is asked for, and it is not installed here; %s" % (wish.resolver, _advice(wish.resolver))
        )
    if not facts.conda_tool:
        return False
    channel, reason = facts.unreachable
    if not channel:
        return True
    needed = [spec.text for spec in specs if spec.name not in ("python", "pip") and not is_stood_in(spec.name)]
    if wish.policy == "exact":
        if needed or not _is_served(specs, facts):
            raise Problem(
                "the policy is exact, and the channel %s cannot be reached (%s); %s comes from it"
                % (channel, reason, ", ".join(needed) or "python")
            )
    elif needed:
        recipe.notes.append("channel %s: cannot be reached (%s); PyPI is used" % (channel, reason))
    return False


def _advice(tool: str) -> str:
    if tool == "rattler":
        return "install 'runyard[environments]', or 'pip install py-rattler' for the compute's interpreter"
    return "put %s on the PATH" % tool


def _is_served(specs: List[Spec], facts: Facts) -> bool:
    """Whether an installed interpreter is exactly what is asked for."""
    asked = [spec.version for spec in specs if spec.name == "python" and spec.version]
    return not asked or any(all(matches(version, each.version) for version in asked) for each in facts.interpreters)


def take_pip_part(wish: Wish, recipe: Recipe) -> None:
    """Put what pip is to install into a recipe.

    Raises:
        Problem: if a path is relative to a snapshot that is not there.
    """
    options, packages = pip_entries.split(wish.pip)
    recipe.options = read_options(options, wish.folder)
    recipe.notes += recipe.options.notes
    for entry in packages:
        if not _is_left_out(pip_entries.name_of(entry), entry, recipe):
            recipe.packages.append(_located(entry, wish.folder, recipe))


def _is_left_out(name: str, entry: str, recipe: Recipe) -> bool:
    if not is_stood_in(pip_entries.normalised(name)):
        return False
    recipe.notes.append("%s: left out, Runyard's own stand-in supplies azureml.core" % entry)
    return True


def _located(entry: str, folder: str, recipe: Recipe) -> str:
    """A package entry with a full path; editable ones become copies, as the environment outlives the snapshot."""
    place = pip_entries.place_of(entry)
    if place is None or not place.is_local:
        return entry
    path = pip_entries.absolute(place.place, folder, entry)
    if not place.editable:
        return path + place.rest
    if os.path.isabs(os.path.expanduser(place.place)):
        return "-e " + path + place.rest
    recipe.notes.append("%s: installed as a copy, as the environment outlives the snapshot" % entry)
    return path + place.rest


def _take_conda_part(wish: Wish, facts: Facts, specs: List[Spec], recipe: Recipe) -> None:
    """Python from an installed interpreter, and the packages from PyPI."""
    python = [spec for spec in specs if spec.name == "python"]
    recipe.interpreter = choose_interpreter(python, wish, facts, recipe.notes)
    have = {pip_entries.name_of(entry) for entry in recipe.packages}
    for spec in specs:
        if spec.name == "python" or _is_left_out(spec.name, spec.text, recipe):
            continue
        if pip_entries.normalised(OTHER_NAMES.get(spec.name, spec.name)) in have:
            recipe.notes.append("%s: left to the pip part, which names it too" % spec)
            continue
        wanted = _from_pypi(spec, recipe.notes)
        if wanted:
            recipe.packages.append(wanted)
            recipe.renamed.append(wanted)


def _from_pypi(spec: Spec, notes: List[str]) -> str:
    """The requirement that stands for a conda package, ``""`` if none is needed."""
    if spec.name == "pip" and not spec.version:
        return ""  # every environment has it
    name = OTHER_NAMES.get(spec.name, spec.name)
    if not name or spec.name in CONDA_ALONE:
        notes.append("%s: left out, it means nothing without conda" % spec)
        return ""
    constraint, lost = for_pip(spec)
    if spec.channel:
        lost.insert(0, "not from %s" % spec.channel.rpartition("/")[2])
    ending = " (%s)" % ", ".join(lost) if lost else ""
    notes.append("%s: taken from PyPI as %s%s" % (spec, name + constraint, ending))
    return name + constraint


def choose_interpreter(python: List[Spec], wish: Wish, facts: Facts, notes: List[str]) -> Interpreter:
    """The interpreter that is asked for, or the nearest to it; what differs is added to ``notes``.

    Raises:
        Problem: if there is none.
    """
    asked = [spec for spec in python if spec.version]
    if not asked:
        if facts.default is None:
            raise Problem(
                "no version of Python is asked for and the compute's interpreter %s cannot be started; add python=3.11 to "
                "the conda file, or set the compute's option interpreter" % (wish.python or "is not set: it")
            )
        return facts.default
    fitting = [each for each in facts.interpreters if all(matches(spec.version, each.version) for spec in asked)]
    notes += ["%s: the build %s is dropped" % (spec, spec.build) for spec in asked if spec.build]
    if fitting:
        return max(fitting, key=lambda each: each.version)
    wanted = target(asked[0].version) or (3,)
    found = nearest(wanted, facts.interpreters)
    if found is None:
        raise Problem(
            "%s: no Python %s is installed here (found: %s); install one, or %s"
            % (asked[0], wanted[0], ", ".join(each.shown for each in facts.interpreters) or "none", INSTALLS)
        )
    notes.append("%s: %s is used, the nearest that is installed" % (asked[0], found.shown))
    return found


def nearest(wanted: Version, interpreters: List[Interpreter]) -> Optional[Interpreter]:
    """The interpreter nearest to a version; ``None`` if there is none.

    Of the same minor version the nearest patch, else the next higher minor, else the next lower; never of another major.
    """
    major, minor, patch = (tuple(wanted) + (0, 0))[:3]
    if len(wanted) == 1:
        minor = max([each.version[1] for each in interpreters if each.version[0] == major] or [0])

    def distance(each: Interpreter) -> Tuple[int, int, int, int]:
        away = each.version[1] - minor
        by_patch = abs(each.version[2] - patch) if away == 0 else -each.version[2]
        return (0 if away == 0 else 1 if away > 0 else 2, abs(away), by_patch, -each.version[2])

    same = [each for each in interpreters if each.version[0] == major]
    return min(same, key=distance) if same else None


UV_OLDEST = (3, 6)
"""uv starts interpreters with ``-I`` and a program in the syntax of 3.6."""


def _installer(wish: Wish, facts: Facts, recipe: Recipe) -> str:
    """``uv``, which is the default where it can do what is asked for, or ``pip``."""
    interpreter = recipe.interpreter
    assert interpreter is not None
    unknown = sorted(set(recipe.options.settings) - FOR_UV)
    if wish.resolver == "uv":
        if not facts.has_uv:
            raise Problem("the resolver uv is asked for, and it is not installed here; 'pip install uv' brings it")
        if interpreter.version < UV_OLDEST:
            raise Problem("uv cannot make environments of Python %s; set the resolver to pip" % interpreter.shown)
        if unknown:
            raise Problem("uv has no option --%s; leave it out, or set the resolver to pip" % unknown[0])
        return "uv"
    if facts.has_uv and wish.resolver != "pip" and interpreter.version >= UV_OLDEST and not unknown:
        return "uv"
    if not interpreter.has_venv and not interpreter.has_virtualenv:
        package = "virtualenv" if interpreter.version < (3, 3) else "venv with ensurepip"
        raise Problem(
            "%s (Python %s) cannot make an environment: it has no %s; install that%s"
            % (interpreter.path, interpreter.shown, package, ", or uv" if interpreter.version >= UV_OLDEST else "")
        )
    return "pip"


def merged_base(wish: Wish, recipe_packages: Dict[str, str]) -> Tuple[List[str], List[str]]:
    """(conda packages, notes) that a base environment lacks, given name → version of what it has."""
    missing, notes = [], []
    for text in wish.packages:
        spec = Spec(text)
        if is_stood_in(spec.name):
            notes.append("%s: left out, Runyard's own stand-in supplies azureml.core" % spec)
            continue
        has = recipe_packages.get(spec.name)
        if has is None or (spec.version and not matches(spec.version, numbers(has))):
            if spec.name == "python" and has is not None:
                notes.append("%s: %s is used, which the base environment has" % (spec, has))
            else:
                missing.append(text)
    return missing, notes
