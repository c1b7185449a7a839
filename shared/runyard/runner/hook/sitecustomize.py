"""Runs when an interpreter starts that has this folder on PYTHONPATH; then the next ``sitecustomize`` runs, if there is one.

It appends a finder that is asked for what every other one has failed to find. Nothing is imported for that: an
interpreter starts as fast as before.
"""

import os
import sys


class RenamedFinder:
    """Finds modules of 2018 that moved: ``sklearn.externals.joblib`` is ``joblib``, ``sklearn.externals.six`` is ``six``."""

    runyard_folders = []  # noqa: RUF012 - one for the process: those whose sitecustomize has run

    @staticmethod
    def find_spec(fullname, path=None, target=None):
        """A specification if the moved module is installed under its new name, else ``None``."""
        if not fullname.startswith("sklearn.externals"):
            return None
        from runyard_hook.renamed import find_spec  # noqa: PLC0415 - no cost for the rest

        return find_spec(fullname)


class _Next:
    """Finds the ``sitecustomize`` that this one hides."""

    runyard_next = True

    def __init__(self, ours):
        self._ours = ours

    def find_spec(self, fullname, path=None, target=None):
        """Its specification.

        Raises:
            ModuleNotFoundError: if there is none. To return ``None`` would find this one again.
        """
        if fullname != "sitecustomize":
            return None
        others = [folder for folder in sys.path if os.path.abspath(folder or os.curdir) not in self._ours]
        for finder in sys.meta_path:
            if hasattr(finder, "find_spec") and not hasattr(finder, "runyard_next"):
                found = finder.find_spec(fullname, others)
                if found is not None:
                    return found
        raise ModuleNotFoundError("there is no other sitecustomize", name=fullname)


def _install():
    """Append the finder, unless the hook of another version has; returns the folders of all of them."""
    for finder in sys.meta_path:
        if hasattr(finder, "runyard_folders"):
            break
    else:
        finder = RenamedFinder
        sys.meta_path.append(finder)
    finder.runyard_folders.append(os.path.dirname(os.path.abspath(__file__)))
    return finder.runyard_folders


def _go_on(ours):
    """Import the next ``sitecustomize`` as if this one were not there; what it raises is for ``site`` to tell."""
    finder = _Next(ours)
    sys.meta_path.insert(0, finder)
    hidden = sys.modules.pop("sitecustomize", None)
    try:
        import sitecustomize  # noqa: F401, PLC0415
    except ImportError as error:
        if error.name != "sitecustomize":
            raise
        if hidden is not None:
            sys.modules["sitecustomize"] = hidden
    finally:
        if finder in sys.meta_path:
            sys.meta_path.remove(finder)


if __name__ == "sitecustomize":
    _go_on(_install())
