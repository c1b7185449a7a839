"""``azureml.core.run``, where scripts of 2018 import ``Run`` from."""

import sys

from runyard_hook import OfflineRun, Run, RunEnvironmentException, get_run
from runyard_hook.shim import Shim

__all__ = ["Run", "RunEnvironmentException", "get_run"]

_OfflineRun = OfflineRun
_SubmittedRun = Run
RUNNING_STATES = ("NotStarted", "Queued", "Starting", "Preparing", "Provisioning", "Running", "NotResponding")
POST_PROCESSING_STATES = ("CancelRequested", "Finalizing")

sys.modules[__name__].__class__ = Shim
