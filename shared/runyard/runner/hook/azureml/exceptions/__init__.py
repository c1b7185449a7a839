"""``azureml.exceptions``, where scripts import ``RunEnvironmentException`` from."""

import sys
from pkgutil import extend_path

from runyard_hook import RunEnvironmentException
from runyard_hook.shim import Shim

__all__ = ["RunEnvironmentException"]
__path__ = extend_path(__path__, __name__)

sys.modules[__name__].__class__ = Shim
