"""Modules of the azureml SDK that answer for some names themselves, and ask the installed package for the rest."""

import os
import sys
import threading
import types

_lock = threading.RLock()
_real = {}


class Shim(types.ModuleType):
    """A module in the place of one of azureml-core. Set as ``__class__``, which works before Python 3.7 too."""

    def __getattr__(self, name):
        """What the installed package has under that name.

        Raises:
            ImportError: for a public name of the SDK, if azureml-core is not installed: ``from … import`` shows the sentence.
            AttributeError: for any other name that is not there.
        """
        own = self.__dict__
        if name.startswith("__") and name != "__version__":
            raise AttributeError(name)
        real = _load(self)
        if real is not None:
            for names in (real.__dict__, own):  # a module that was imported meanwhile hangs on this one
                if name in names:
                    return names[name]
            raise AttributeError("module %r has no attribute %r" % (self.__name__, name))
        if name in own.get("_stand_ins", {}):
            return own["_stand_ins"][name]
        sentence = "%s has no %s here: Runyard supplies Run; install azureml-core for the rest" % (self.__name__, name)
        raise ImportError(sentence) if name in own.get("_public", ()) else AttributeError(sentence)


def _load(module):
    """The installed module of that name, apart from ``sys.modules``; ``None`` if there is none.

    Its own imports meet the shims: what it knows as ``Run`` is ours.
    """
    with _lock:
        found = _real.get(module.__name__)
        if found is None:
            path = _path_of(module)
            if path is None:
                return None
            found = types.ModuleType(module.__name__, module.__doc__)
            names = ("__package__", "__path__", "__spec__", "__loader__")
            found.__dict__.update({each: module.__dict__[each] for each in names if each in module.__dict__})
            found.__file__ = path
            _real[module.__name__] = found  # before it runs: packages ask for themselves while they are imported
            try:
                with open(path, "rb") as stream:
                    code = compile(stream.read(), path, "exec")
                exec(code, found.__dict__)  # noqa: S102 - it is the package that the script asked for
            except BaseException:
                del _real[module.__name__]
                raise
        return found


def _path_of(module):
    own = os.path.dirname(os.path.abspath(module.__file__))
    if "__path__" in module.__dict__:
        folders, name = module.__path__, "__init__.py"
    else:
        parent, _, last = module.__name__.rpartition(".")
        folders, name = sys.modules[parent].__path__, last + ".py"
    for folder in folders:
        path = os.path.join(folder, name)
        if os.path.abspath(folder) != own and os.path.isfile(path):
            return path
    return None
