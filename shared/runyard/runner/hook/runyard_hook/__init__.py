"""What scripts log to their run with. Python 3.6, the standard library only; imported beside any script.

Each call appends one line to the file that ``RUNYARD_METRICS`` names, with one write, so that several threads and
processes of a script may log at once::

    {"name": "mse", "type": "azureml.v1.scalar", "value": 0.5, "time": 1546300800.0, "step": 3}

Types and shapes of metrics are Azure ML's: ``azureml.v1.scalar``, ``.list``, ``.table``, ``.image`` and those whose value is
a JSON file in the outputs (``.confusion_matrix``, ``.accuracy_table``, ``.residuals``, ``.predictions``). The other lines are
ours: ``runyard.tag`` (no value: the tag is gone), ``runyard.property``, ``runyard.param``, ``runyard.child``,
``runyard.model``, ``runyard.file``. What a child run logs has its name under ``child``.
Not-a-number and infinities are the strings ``"NaN"``, ``"Infinity"`` and ``"-Infinity"``, as JSON has no such numbers.
"""

from .errors import RunEnvironmentException
from .offline import OfflineRun
from .run import Run, get_run

__all__ = ["OfflineRun", "Run", "RunEnvironmentException", "get_run"]
