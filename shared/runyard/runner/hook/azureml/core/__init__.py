"""``azureml.core`` for scripts that log to their run. What else there is comes from an installed azureml-core."""

from pkgutil import extend_path

from runyard_hook import Run

__all__ = ["Run"]
__path__ = extend_path(__path__, __name__)


def __getattr__(name):
    """Find ``azureml.core.Workspace`` and the like in the module of that name, if azureml-core is installed."""
    import importlib  # noqa: PLC0415 - few scripts ask

    if not name.startswith("_"):
        try:
            return getattr(importlib.import_module("azureml.core." + name.lower()), name)
        except ImportError:
            pass
    raise AttributeError("azureml.core has no %s here: Runyard supplies Run; install azureml-core for the rest" % name)
