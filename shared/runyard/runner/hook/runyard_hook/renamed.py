"""Modules that scikit-learn carried along in 2018 and no longer does: those of today, under their old names."""

import importlib
import importlib.machinery
import importlib.util
import sys

from .errors import say

_OLD = "sklearn.externals"
_NEW = {_OLD + ".joblib": "joblib", _OLD + ".six": "six"}
_told = set()


def find_spec(fullname):
    """A specification for an old name; ``None`` if the module of today is not installed."""
    if fullname == _OLD:
        return importlib.machinery.ModuleSpec(fullname, _Nothing, is_package=True) if _is_there("joblib") else None
    for old, new in _NEW.items():
        if fullname == old or fullname.startswith(old + "."):
            today = new + fullname[len(old) :]
            if not _is_there(new) or not _is_there(today):
                return None
            if new not in _told:
                _told.add(new)
                sys.meta_path.insert(0, _Below)
                say("this scikit-learn has no %s; the package %s takes its place" % (old, new))
            return importlib.machinery.ModuleSpec(fullname, _Today(today), is_package=fullname == old)
    return None


def _is_there(name):
    if name in sys.modules:
        return True
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


class _Below:
    """Asked first, for what is below an old name: the folder of the module of today would give a second copy of it."""

    @staticmethod
    def find_spec(fullname, path=None, target=None):
        return find_spec(fullname) if any(fullname.startswith(old + ".") for old in _NEW) else None


class _Nothing:
    """Makes an empty package."""

    @staticmethod
    def create_module(spec):
        return None

    @staticmethod
    def exec_module(module):
        """Nothing is in it."""


class _Today:
    """Gives the module of today, which stays what it is."""

    def __init__(self, name):
        self._name = name
        self._spec = None

    def create_module(self, spec):
        module = importlib.import_module(self._name)
        self._spec = module.__spec__
        return module

    def exec_module(self, module):
        """It has run already; the import system has just given it another specification."""
        module.__spec__ = self._spec
