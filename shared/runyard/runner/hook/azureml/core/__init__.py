"""``azureml.core`` for scripts that log to their run. What else there is comes from an installed azureml-core."""

import sys
from pkgutil import extend_path

from runyard_hook import Run, get_run
from runyard_hook.shim import Shim

__all__ = ["Run", "get_run"]
__path__ = extend_path(__path__, __name__)

_stand_ins = {"VERSION": "1.61.0+runyard", "__version__": "1.61.0+runyard"}
"""Without azureml-core: the release whose calls these are. Notebooks print it."""
_public = frozenset(
    [
        "ComputeTarget",
        "ContainerRegistry",
        "Dataset",
        "Datastore",
        "Environment",
        "Experiment",
        "Image",
        "Keyvault",
        "LinkedService",
        "Model",
        "PrivateEndPoint",
        "PrivateEndPointConfig",
        "RunConfiguration",
        "ScriptRun",
        "ScriptRunConfig",
        "SynapseWorkspaceLinkedServiceConfiguration",
        "Webservice",
        "Workspace",
        "attach_legacy_compute_target",
        "diagnostic_log",
        "is_compute_target_prepared",
        "prepare_compute_target",
        "remove_legacy_compute_target",
    ]
)

from . import run  # noqa: E402, F401 - it is there after `import azureml.core`, as in the SDK

sys.modules[__name__].__class__ = Shim
