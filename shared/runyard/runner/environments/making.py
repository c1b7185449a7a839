"""What makes an environment, once it is this builder's to make."""

import os
import sys
import time
from typing import Any, Callable, Dict, List, NamedTuple

from ..problems import Problem
from . import base, pip_entries
from .conda_part import Tool, Unreachable, add_packages, clone, find_tool, make_prefix, unreachable
from .failures import Failure
from .finishing import remove_tree
from .installing import install, make_venv
from .interpreters import full_path, take_census
from .masking import Masker, texts_of, variables_named
from .pip_config import pip_settings
from .resolve import DEFAULT_CHANNELS, INSTALLS, UV_OLDEST, Facts, Recipe, merged_base, resolve, take_pip_part
from .running import Shop, tool_environment
from .specs import numbers
from .wish import Wish

_PATIENCE = 20.0


class Made(NamedTuple):
    """An environment that was made."""

    prefix: str
    interpreter: str
    python: str
    """Its version."""
    tool: str
    variables: Dict[str, str]
    notes: List[str]


def masker_of(wish: Wish, environment: Dict[str, str]) -> Masker:
    """A masker that knows every credential of a wish, of the files that it names, and of the tools' settings."""
    masker = Masker()
    texts = texts_of([wish.record.get("conda"), wish.base, wish.source])
    options, _ = pip_entries.split(wish.pip)
    try:
        files = pip_entries.named_files(options, wish.folder)
    except Problem:
        files = {}  # it is said when the key is made
    texts += [data.decode("utf-8", "replace") for data in files.values()]
    masker.learn(texts)
    masker.learn_variables({name: value for name, value in wish.variables.items() if isinstance(value, str)})
    masker.learn_variables(dict(variables_named(texts, environment)))
    for _, value in variables_named(texts, environment):
        masker.add(value)
    masker.learn(pip_settings(environment).values())
    masker.learn(
        value
        for name, value in environment.items()
        if name.startswith(("UV_", "CONDA_", "MAMBA_")) or "PROXY" in name.upper()
    )
    return masker


class Maker:
    """Makes one wish's environment at one place."""

    def __init__(
        self, wish: Wish, prefix: str, shop: Shop, note: Callable[[str], None], environment: Dict[str, str]
    ) -> None:
        """``note(sentence)`` is called for each substitution."""
        self._wish = wish
        self._prefix = prefix
        self._shop = shop
        self._note = note
        self._own = environment
        self._tools = tool_environment(environment)

    def make(self) -> Made:
        """Make it.

        Raises:
            Problem, Failure: if that cannot be done.
        """
        if self._wish.base:
            return self._on_base()
        default, interpreters = take_census(self._shop, self._wish.cache, self._wish.python, self._own)
        tool = Tool("", "")
        if self._wish.resolver not in ("uv", "pip"):
            tool = find_tool(self._shop, self._wish, self._homes(), self._tools)
        gap = ("", "")
        if tool.name:
            channels = self._wish.channels or DEFAULT_CHANNELS
            gap = unreachable(self._shop, tool, channels, self._tools)
        facts = Facts(default, interpreters, tool.name, gap, bool(self.uv()))
        recipe = resolve(self._wish, facts)
        try:
            return self._by(recipe, tool)
        except Unreachable as failure:
            remove_tree(self._prefix)
            self._shop.say(failure.message)
            facts = facts._replace(unreachable=(self._shop.masker(failure.channel), "%s says so" % tool.name))
            return self._by(resolve(self._wish, facts), tool)

    def _homes(self) -> List[str]:
        """Interpreters that may have py-rattler."""
        return list(dict.fromkeys([sys.executable, full_path(self._wish.python or "python3", self._own)]))

    def uv(self) -> str:
        """The path of uv: beside an interpreter that has its package, or on the PATH; ``""`` if there is none."""
        if self._wish.resolver == "pip":
            return ""
        places = [os.path.join(os.path.dirname(home), "uv") for home in self._homes() if home]
        places += [full_path("uv", self._own), os.path.expanduser("~/.local/bin/uv")]
        for path in places:
            if path and os.access(path, os.X_OK) and self._starts(path):
                return path
        return ""

    def _starts(self, program: str) -> bool:
        return self._shop.run([program, "--version"], self._tools, quiet=True, seconds=_PATIENCE).code == 0

    def _by(self, recipe: Recipe, tool: Tool) -> Made:
        for sentence in recipe.notes:
            self._note(sentence)
        if recipe.kind == "conda":
            return self._conda(recipe, tool)
        interpreter = recipe.interpreter
        assert interpreter is not None
        uv = self.uv() if recipe.tool == "uv" else ""
        self._shop.say("making the environment with Python %s and %s" % (interpreter.shown, recipe.tool))
        make_venv(self._shop, interpreter, self._prefix, uv, self._tools)
        self._packages(recipe, uv)
        python = self._prefix + "/bin/python"
        return Made(self._prefix, python, interpreter.shown, recipe.tool, {"VIRTUAL_ENV": self._prefix}, recipe.notes)

    def _packages(self, recipe: Recipe, uv: str) -> None:
        if recipe.packages:
            self._shop.say("installing %s" % self._shop.masker(", ".join(recipe.packages)))
        try:
            install(self._shop, self._prefix, uv, recipe.packages, recipe.options, self._tools)
        except Failure as failure:
            if failure.unknown and pip_entries.normalised(failure.unknown) in {
                pip_entries.name_of(each) for each in recipe.renamed
            }:
                failure.message += "; it is a package of conda: " + INSTALLS
            raise

    def _conda(self, recipe: Recipe, tool: Tool) -> Made:
        channels = self._shop.masker(", ".join(recipe.channels))
        self._shop.say("making the environment with %s from %s" % (tool.name, channels))
        make_prefix(self._shop, tool, self._prefix, recipe.channels, recipe.conda, self._tools)
        return self._pip_in_prefix(recipe, tool.name)

    def _pip_in_prefix(self, recipe: Recipe, tool: str) -> Made:
        version = base.packages_of(self._prefix).get("python", "")
        uv = self.uv() if numbers(version) >= UV_OLDEST else ""
        if recipe.packages and not uv and "pip" not in base.pip_packages_of(self._prefix):
            raise Problem(
                "the environment has packages for pip and no pip; add 'pip' to its conda packages, or install uv"
            )
        self._packages(recipe, uv)
        return Made(
            self._prefix, self._prefix + "/bin/python", version, tool, {"CONDA_PREFIX": self._prefix}, recipe.notes
        )

    def _on_base(self) -> Made:
        """The base environment itself, or a copy of it with what is to be added."""
        prefix = base.find_base(self._wish.base, self._own)
        recipe = Recipe()
        take_pip_part(self._wish, recipe)
        has = base.packages_of(prefix)
        missing, notes = merged_base(self._wish, has)
        recipe.notes += notes
        if self._wish.policy == "exact" and recipe.notes:
            raise Problem("the policy is exact, and this cannot be had as written: %s" % "; ".join(recipe.notes))
        if not missing and not recipe.packages:
            for sentence in recipe.notes:
                self._note(sentence)
            if not os.access(prefix + "/bin/python", os.X_OK):
                raise Problem("the base conda environment %s has no Python; add python to it" % prefix)
            return Made(
                prefix, prefix + "/bin/python", has.get("python", ""), "base", {"CONDA_PREFIX": prefix}, recipe.notes
            )
        for sentence in recipe.notes:
            self._note(sentence)
        tool = self._cloner()
        self._shop.say("copying the base conda environment %s" % prefix)
        clone(self._shop, tool, prefix, self._prefix, self._tools)
        if missing:
            add_packages(self._shop, tool, self._prefix, self._wish.channels, missing, self._tools)
        return self._pip_in_prefix(recipe, tool.name)

    def _cloner(self) -> Tool:
        for name in ("conda", "mamba"):
            path = full_path(name, self._own)
            if path:
                return Tool(name, path)
        return Tool("", "")


def manifest_of(wish: Wish, made: Made, masker: Masker, began: float, size: int) -> Dict[str, Any]:
    """What is kept of an environment: nothing secret."""
    return {
        "prefix": made.prefix,
        "interpreter": made.interpreter,
        "python": made.python,
        "tool": made.tool,
        "variables": made.variables,
        "notes": [masker(each) for each in made.notes],
        "specification": specification_of(wish, masker),
        "source": masker(wish.source),
        "seconds": round(time.time() - began, 3),
        "bytes": size,
    }


def specification_of(wish: Wish, masker: Masker) -> Dict[str, Any]:
    """What decides the content, masked: for showing and comparing."""
    found = masker.deep(wish.ingredients)
    assert isinstance(found, dict)
    return found
