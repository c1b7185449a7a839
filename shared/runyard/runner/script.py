"""What is started for a run: interpreter, script, arguments and environment variables."""

import os
import shutil
import stat
from typing import Dict, List, Mapping, Optional

from .hunt import ATTEMPT_VARIABLE, RUN_VARIABLE
from .job import Job
from .places import LOG_FOLDER, Places
from .problems import Problem
from .surroundings import Surroundings

MLFLOW_STORE = "runyard://run"
"""The tracking store that the hook brings: MLflow finds it by its scheme."""


def command(job: Job, work: str, environment: Mapping[str, str], interpreter: str = "") -> List[str]:
    """``[interpreter, script, *arguments]``, exactly as one would type it in the unpacked snapshot.

    ``interpreter`` is that of a prepared environment, in place of the job's.

    Raises:
        Problem: if there is no such script in the snapshot, or no such interpreter.
    """
    script = find_script(job.script, work)
    return [interpreter or find_interpreter(job.interpreter, work, environment), script] + list(job.arguments)


def find_script(script: str, work: str) -> str:
    """The script as an argument for the interpreter.

    Raises:
        Problem: if it is not a file in the snapshot, all links followed.
    """
    path = os.path.join(work, script)
    if os.sep not in script and _is_regular(path):
        return "./" + script if script.startswith("-") else script
    if not os.path.isfile(path):
        raise Problem("the script %r is not in the snapshot%s" % (script, _hint(work)))
    base = os.path.realpath(work)
    if os.path.isabs(script) or not os.path.realpath(path).startswith(base + os.sep):
        raise Problem("the script %r lies outside the snapshot%s" % (script, _hint(work)))
    return script


def _is_regular(path: str) -> bool:
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return False


def _hint(work: str) -> str:
    found: List[str] = []
    for folder, folders, names in os.walk(work):
        folders.sort()
        scripts = sorted(name for name in names if name.endswith(".py"))
        found.extend(os.path.relpath(os.path.join(folder, name), work) for name in scripts)
        if len(found) >= 5:
            break
    if not found:
        return "; it has no .py file"
    return "; it has " + ", ".join(found[:5]) + (", …" if len(found) > 5 else "")


def find_interpreter(interpreter: str, work: str, environment: Mapping[str, str]) -> str:
    """The interpreter's full path; a plain name is looked up on PATH, a relative one in the snapshot.

    Raises:
        Problem: if there is none.
    """
    if not interpreter:
        raise Problem("no interpreter is named; set interpreterPath, or the compute's option interpreter")
    if os.path.isabs(interpreter):
        return interpreter
    if os.sep in interpreter:
        return os.path.join(work, interpreter)
    found = shutil.which(interpreter, path=environment.get("PATH", os.defpath))
    if found is None:
        raise Problem(
            "the interpreter %s is not on PATH; set interpreterPath to a full path, or the compute's option interpreter"
            % interpreter
        )
    return found


def variables(
    base: Mapping[str, str], job: Job, places: Places, hook: str, around: Optional[Surroundings] = None
) -> Dict[str, str]:
    """The script's environment: ``base``, the prepared environment's, the run configuration's variables, the run's own.

    Args:
        base: What is inherited (the host's environment without its secrets).
        job: The job.
        places: Its paths.
        hook: The folder of what scripts import as ``azureml.core`` and ``runyard``; empty = none.
        around: What was prepared for it, if anything.
    """
    made = around.inherited(base) if around is not None else dict(base)
    made.update(job.environment_variables)
    made.setdefault("PYTHONUNBUFFERED", "1")  # a log that is looked at while the script runs
    made[RUN_VARIABLE] = job.run
    made[ATTEMPT_VARIABLE] = str(job.attempt)
    made["AZUREML_ROOT_RUN_ID"] = job.run
    made.pop("AZUREML_RUN_TOKEN", None)  # with a token of somewhere else the SDK would call a service for this run
    made["AZUREML_ARM_PROJECT_NAME"] = job.experiment
    made["AZUREML_OUTPUT_DIRECTORY"] = "./outputs"
    made["AZUREML_LOGDIRECTORY_PATH"] = LOG_FOLDER
    made["AZUREML_TARGET_TYPE"] = "local"
    made["AZUREML_FRAMEWORK"] = job.framework
    made["AZUREML_COMMUNICATOR"] = job.communicator
    made["AZUREML_NODE_COUNT"] = str(job.node_count)
    made["RUNYARD_COMPUTE"] = job.compute
    made["RUNYARD_METRICS"] = places.metrics
    made["RUNYARD_OUTPUTS"] = places.work + "/outputs"
    if job.gpu is not None:
        made["CUDA_VISIBLE_DEVICES"] = str(job.gpu)
    if hook and job.hook:
        before = made.get("PYTHONPATH")
        made["PYTHONPATH"] = hook + os.pathsep + before if before else hook
        # A store that the user named gets what his script logs. No run id goes with ours: a script that calls
        # mlflow.set_tracking_uri() would look for it in a store that knows nothing of it.
        if made.setdefault("MLFLOW_TRACKING_URI", MLFLOW_STORE) == MLFLOW_STORE:
            made.pop("MLFLOW_RUN_ID", None)
    return around.led(made) if around is not None else made
