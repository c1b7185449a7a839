"""Runs when an interpreter starts that has this folder on PYTHONPATH; then the next ``sitecustomize`` runs, if there is one.

It appends a finder that is asked for what every other one has failed to find. Nothing is imported for that: an
interpreter starts as fast as before.
"""

import os
import sys


class RenamedFinder:
    """Finds modules of 2018 that moved: ``sklearn.externals.joblib`` is ``joblib``, ``sklearn.externals.six`` is ``six``."""

    runyard = True

    @staticmethod
    def find_spec(fullname, path=None, target=None):
        """A specification if the moved module is installed under its new name, else ``None``."""
        if not fullname.startswith("sklearn.externals"):
            return None
        from runyard_hook.renamed import find_spec  # noqa: PLC0415 - no cost for the rest

        return find_spec(fullname)


class _Next:
    """Finds the ``sitecustomize`` that this one hides."""

    @staticmethod
    def find_spec(fullname, path=None, target=None):
        if fullname != "sitecustomize":
            return None
        here = os.path.dirname(os.path.abspath(__file__))
        others = [folder for folder in sys.path if os.path.abspath(folder or os.curdir) != here]
        for finder in sys.meta_path:
            if finder is not _Next and hasattr(finder, "find_spec"):
                found = finder.find_spec(fullname, others)
                if found is not None:
                    return found
        raise ModuleNotFoundError("there is no other sitecustomize", name=fullname)  # or this one were found again


def _go_on():
    """Import the next ``sitecustomize`` as if this one were not there; what it raises is ``site``'s to tell."""
    sys.meta_path.insert(0, _Next)
    hidden = sys.modules.pop("sitecustomize", None)
    try:
        import sitecustomize  # noqa: F401, PLC0415
    except ImportError as error:
        if error.name != "sitecustomize":
            raise
        if hidden is not None:
            sys.modules["sitecustomize"] = hidden
    finally:
        if _Next in sys.meta_path:
            sys.meta_path.remove(_Next)


if not any(getattr(finder, "runyard", False) for finder in sys.meta_path):
    sys.meta_path.append(RenamedFinder)
if __name__ == "sitecustomize":
    _go_on()
