"""The kinds of compute target: dotted paths, loaded on first use.

Another package adds a kind by an entry point of the group ``runyard.targets``; its name is the kind, its value
``package.module:Class``. The class has the methods of :class:`runyard.ports.ComputeTarget` and is made with a
:class:`runyard.ports.TargetContext`.
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import entry_points
from typing import Any, Final

from runyard.errors import UnsupportedError
from runyard.ports import Compute, ComputeTarget, TargetContext

GROUP: Final = "runyard.targets"
LOCAL: Final = "local"
"""Exists under the embedded host only: in Azure it would run users' code inside the Functions app."""

BUILT_IN: Final[Mapping[str, str]] = {
    LOCAL: "runyard.targets.local.target:LocalTarget",
}
PLANNED: Final = frozenset({"ssh", "aci", "batch", "livy"})
"""Kinds that the design knows and this version does not have."""
EXTRAS: Final[Mapping[str, str]] = {}
"""The extra that a kind's requirements are in, by kind; those without have none of their own."""


@cache
def _paths() -> Mapping[str, str]:
    found = {point.name: point.value for point in entry_points(group=GROUP)}
    return {**found, **BUILT_IN}


def known_kinds() -> Sequence[str]:
    """The kinds that this installation has, sorted."""
    return sorted(_paths())


def cloud_paths() -> Mapping[str, str]:
    """The kinds of this installation that there are in Azure: all but :data:`LOCAL`."""
    return {kind: path for kind, path in _paths().items() if kind != LOCAL}


def cloud_kinds() -> Sequence[str]:
    """Their names, sorted."""
    return sorted(cloud_paths())


class Registry:
    """The kinds at hand: an implementation of :class:`runyard.ports.Targets`. Any thread may use it."""

    def __init__(self, context: TargetContext, paths: Mapping[str, str] | None = None) -> None:
        """Make the registry.

        Args:
            context: What each kind is made with.
            paths: ``package.module:Class`` by kind; the built-in kinds and those of entry points when not given.
        """
        self._context = context
        self._paths = paths
        self._loaded: dict[str, ComputeTarget] = {}
        self._lock = threading.Lock()

    def kinds(self) -> Sequence[str]:
        """The names of all kinds at hand, sorted."""
        return sorted(self._at_hand())

    def get(self, kind: str) -> ComputeTarget:
        """The target of a kind, loaded on first use.

        Raises:
            UnsupportedError: if there is no such kind here, naming those there are, or what to install.
        """
        target = self._loaded.get(kind)
        if target is None:
            with self._lock:
                target = self._loaded.get(kind)
                if target is None:
                    target = self._loaded[kind] = self._load(kind)
        return target

    def default_compute(self) -> Compute:
        """The compute that every root has: ``local``."""
        target: Any = self.get(LOCAL)
        made: Compute = target.default_compute()
        return made

    def close(self) -> None:
        """Close every target that was loaded; jobs go on."""
        with self._lock:
            while self._loaded:
                self._loaded.popitem()[1].close()

    def _at_hand(self) -> Mapping[str, str]:
        return _paths() if self._paths is None else self._paths

    def _load(self, kind: str) -> ComputeTarget:
        path = self._at_hand().get(kind)
        if path is None:
            raise UnsupportedError(self._unknown(kind))
        module, _, name = path.partition(":")
        try:
            loaded = getattr(importlib.import_module(module), name)
        except ImportError as error:
            extra = EXTRAS.get(kind)
            remedy = f"pip install 'runyard[{extra}]'" if extra else f"install {error.name or module}"
            raise UnsupportedError(
                f"the kind {kind!r} needs {error.name or module}, which is not here; {remedy}"
            ) from error
        except AttributeError:
            raise UnsupportedError(f"the kind {kind!r} is said to be {path}, but {module} has no {name}") from None
        target: ComputeTarget = loaded(self._context)
        return target

    def _unknown(self, kind: str) -> str:
        have = ", ".join(self.kinds()) or "none"
        if kind == LOCAL:
            return f"the kind {kind!r} is for one machine (`runyard up`), and not for a service in Azure; available: {have}"
        if kind in PLANNED:
            return f"the kind {kind!r} is not available in this version; available: {have}"
        return f"there is no kind {kind[:60]!r}; available: {have}"
