"""Scripts in containers, by the command line of an engine on this machine (docker(1), or one that takes the same words).

::

    image        the base image is there, and the conda environment is in it (a builder's process; :mod:`.images`)
      ▼
    shepherd     a process of ours beside the container: creates it, starts it, waits for it, removes it, reports
      ▼
    inside       the runner in the container, as its first process: starts the script, passes signals, reaps, notes the end

The container is made detached, so that nobody's death ends it. A container that was begun leaves ``began`` in its control
folder, one whose script ended ``exit.json``; both are made once, by the first process in the container. So whoever comes
later can tell what became of it, and no container runs a script twice, however often it is started.

The control folder, ``local/containers/<remote name>``, is seen in the container as :data:`CONTROL`::

    began          made by create-if-absent before the script starts
    exit.json      how the script ended
    report.json    what the shepherd says, once the container is gone
    shepherd.log   what went wrong in the shepherd
    home/          the script's HOME
"""

WORK = "/runyard/work"
"""The unpacked snapshot in the container."""
RUN = "/runyard/run"
"""The attempt's folder with its logs and metrics."""
CONTROL = "/runyard/control"
HOOK = "/runyard/hook"
PROGRAM = "/runyard/runner.pyz"

RUN_LABEL, ATTEMPT_LABEL, ROOT_LABEL = "runyard.run", "runyard.attempt", "runyard.root"
ENVIRONMENT_LABEL, BUILD_LABEL = "runyard.environment", "runyard.build"
REPOSITORY = "runyard/env"
"""Images with an environment are ``runyard/env:<first 12 digits of the key>``."""
