"""What is wished for, and the key that it has."""

import hashlib
import json
import os
from typing import Any, Dict, List, Tuple

from ..problems import Problem
from . import masking, pip_entries

POLICIES = ("nearest", "exact")
RESOLVERS = ("auto", "uv", "pip", "rattler", "micromamba", "mamba", "conda")
RECIPE = 1
"""Counts up when the same wish is to become another environment than before."""

_TEXTS = ("policy", "base", "resolver", "python", "cache", "source", "folder")


_WITH_URLS = ("channels", "conda_packages", "pip_options", "pip_packages", "variables")
"""Ingredients that may hold credentials."""


class Wish:
    """An environment that is asked for. Made by :func:`read_wish`, which checks the record.

    Attributes:
        record: As given; it may hold credentials.
        channels: conda's channels, in their order.
        packages: conda's packages, as texts.
        pip: Entries of the pip part, options first.
        variables: Of the conda file.
        policy: ``nearest`` or ``exact``.
        auto_prepare: Whether it may be built.
        base: A conda environment's name or prefix; ``""`` for none.
        resolver: One of :data:`RESOLVERS`.
        python: The compute's interpreter, a path or a command's name.
        cache: The cache's folder.
        source: Tells people for whom it is, and later builds which came before.
        folder: The snapshot's folder, which relative paths start from; ``""`` if there is none.
    """

    def __init__(self, record: Dict[str, Any]) -> None:
        self.record = record
        conda = record.get("conda") or {}
        dependencies = conda.get("dependencies") or []
        self.channels: List[str] = list(conda.get("channels") or [])
        self.packages = [each for each in dependencies if isinstance(each, str)]
        self.pip = [entry for each in dependencies if isinstance(each, dict) for entry in each.get("pip") or []]
        self.variables: Dict[str, str] = dict(conda.get("variables") or {})
        self.policy: str = record.get("policy") or "nearest"
        self.auto_prepare = record.get("auto_prepare", True) is not False
        self.base: str = record.get("base") or ""
        self.resolver: str = record.get("resolver") or "auto"
        self.python: str = record.get("python") or ""
        self.cache: str = record.get("cache") or ""
        self.source: str = record.get("source") or ""
        self.folder: str = record.get("folder") or ""
        self._ingredients: Any = None
        self._key = ""

    @property
    def names_python(self) -> bool:
        """Whether the conda file asks for a version of Python."""
        for text in self.packages:
            name = text.rpartition("::")[2].strip().lower()
            if name.startswith("python") and name[6:7] in ("=", "<", ">", "!", "~", "[", " "):
                return True
        return False

    @property
    def ingredients(self) -> Dict[str, Any]:
        """What decides the content.

        Files that ``-r`` and ``-c`` name and local packages count by their content.

        Raises:
            Problem: if one of them cannot be read.
        """
        if self._ingredients is None:
            system = os.uname()
            options, packages = pip_entries.split(self.pip)
            self._ingredients = {
                "recipe": RECIPE,
                "system": "%s-%s" % (system.sysname.lower(), system.machine),
                "channels": self.channels,
                "conda_packages": sorted(self.packages),
                "pip_options": ["%s %s" % pair if pair[1] else pair[0] for pair in options],
                "pip_packages": sorted(packages),
                "variables": self.variables,
                "policy": self.policy,
                "base": self.base,
                "resolver": self.resolver if self.resolver != "auto" else "",
                "python": "" if self.names_python or self.base else self.python,
                "files": pip_entries.digests(options, packages, self.folder),
            }
        return dict(self._ingredients)

    @property
    def key(self) -> str:
        """64 hexadecimal digits. They say nothing of a credential, which could be guessed from them as they are shown.

        Raises:
            Problem: as :attr:`ingredients`.
        """
        if not self._key:
            shown = self.ingredients
            for name in _WITH_URLS:
                shown[name] = masking.Masker().deep(shown[name])
            text = json.dumps(shown, sort_keys=True, separators=(",", ":"))
            self._key = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        return self._key


def read_wish(record: Any) -> Wish:
    """A wish from its record, checked.

    Args:
        record: ``conda`` (the normal form of a conda file), ``policy``, ``auto_prepare``, ``base``, ``resolver``, ``python``,
            ``cache``, ``source`` and, for relative paths among the pip entries, ``folder``; all but ``cache`` may be left
            out.

    Raises:
        Problem: names what is wrong with it.
    """
    if not isinstance(record, dict):
        raise Problem("the wish for an environment must be a JSON object")
    conda = record.get("conda") or {}
    if not isinstance(conda, dict):
        raise Problem("conda must be an object with channels, dependencies and variables")
    _check_conda(conda)
    for field in _TEXTS:
        if not isinstance(record.get(field) or "", str):
            raise Problem("%s of the environment must be a text" % field)
    for field, allowed in (("policy", POLICIES), ("resolver", RESOLVERS)):
        value = record.get(field) or allowed[0]
        if value not in allowed:
            raise Problem("%s of the environment is %r; allowed are %s" % (field, value, ", ".join(allowed)))
    if not isinstance(record.get("auto_prepare", True), bool):
        raise Problem("auto_prepare of the environment must be true or false")
    if not os.path.isabs(record.get("cache") or ""):
        raise Problem("cache must be the full path of the folder that keeps environments")
    return Wish(record)


def _check_conda(conda: Dict[str, Any]) -> None:
    for field in ("channels", "dependencies"):
        if not isinstance(conda.get(field) or [], list):
            raise Problem("conda.%s must be a list" % field)
    texts: List[Tuple[str, Any]] = [("conda.channels", each) for each in conda.get("channels") or []]
    for each in conda.get("dependencies") or []:
        if isinstance(each, dict):
            if list(each) != ["pip"] or not isinstance(each["pip"], list):
                raise Problem("conda.dependencies may hold texts and one object with a list under 'pip'")
            texts += [("conda.dependencies' pip list", entry) for entry in each["pip"]]
        else:
            texts.append(("conda.dependencies", each))
    variables = conda.get("variables") or {}
    if not isinstance(variables, dict):
        raise Problem("conda.variables must be an object of texts")
    texts += [("conda.variables", value) for value in variables.values()]
    for where, text in texts:
        if not isinstance(text, str) or "\n" in text or "\0" in text:
            raise Problem("%s may hold texts of one line only" % where)


def check_allowed(wish: Wish) -> None:
    """Check that a wish that is not ready may be built.

    Raises:
        Problem: if it may not: it says what to do.
    """
    if not wish.auto_prepare:
        raise Problem(
            "the environment %s is not built yet and auto_prepare_environment is false; run 'runyard env build', "
            "or set it to true" % wish.key[:12]
        )
