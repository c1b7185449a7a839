"""``azureml.core.run``, where scripts of 2018 import ``Run`` from."""

from runyard_hook import Run, RunEnvironmentException, get_run

__all__ = ["Run", "RunEnvironmentException", "get_run"]
