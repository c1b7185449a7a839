"""What scripts log to their run with. Python 3.6, the standard library only; imported beside any script.

Each call appends one line to the file that ``RUNYARD_METRICS`` names, with one write, so that several processes of a
script may log at once::

    {"name": "mse", "type": "azureml.v1.scalar", "value": 0.5, "time": 1546300800.0, "step": 3}

Types and shapes are Azure ML's: ``azureml.v1.scalar``, ``.list``, ``.table``, ``.image``; a tag has ``runyard.tag``.
Not-a-number and infinities are the strings ``"NaN"``, ``"Infinity"`` and ``"-Infinity"``, as JSON has no such numbers.
"""

from .run import Run, RunEnvironmentException, get_run

__all__ = ["Run", "RunEnvironmentException", "get_run"]
