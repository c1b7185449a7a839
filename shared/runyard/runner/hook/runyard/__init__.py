"""``runyard`` as a script sees it: ``Run`` at no cost, everything else from the installed package, if there is one."""

from pkgutil import extend_path

from runyard_hook import Run

__all__ = ["Run"]
__path__ = extend_path(__path__, __name__)


def __getattr__(name):
    """Ask the installed package; without one there is ``Run`` alone."""
    if not name.startswith("_"):
        try:
            from runyard._exports import resolve  # noqa: PLC0415 - there may be none
        except ImportError:
            pass
        else:
            return resolve(name)
    raise AttributeError("module 'runyard' has no attribute %r" % name)
