"""Where things lie under the root.

::

    runs/<run id>/<attempt>/     what users see
        azureml-logs/70_driver_log.txt        stdout and stderr of the script
        azureml-logs/20_image_build_log.txt   why it could not be prepared, if so
        outputs/  logs/                       moved here when the script has ended
        metrics.jsonl                         one line per logged metric
        result.json                           how it ended; written last
    local/                       the supervisor's own
        supervisor.lock  .sock  .log
        live/<name>                           job record, then process record; gone once the result is written
        <name>/register                       who decided on the start: "started …" or "void …"
        <name>/refused                        a start that lost against "void"
        <name>/work/                          the unpacked snapshot: the script's working directory
"""

import os

DRIVER_LOG = "70_driver_log.txt"
PREPARATION_LOG = "20_image_build_log.txt"
LOG_FOLDER = "azureml-logs"


class Places:
    """The paths of one attempt."""

    __slots__ = ("folder", "home", "live", "log", "log_folder", "metrics", "refused", "register", "result", "work")

    def __init__(self, root, run, attempt, name):
        self.folder = "%s/runs/%s/%s" % (root, run, attempt)
        self.log_folder = self.folder + "/" + LOG_FOLDER
        self.log = self.log_folder + "/" + DRIVER_LOG
        self.metrics = self.folder + "/metrics.jsonl"
        self.result = self.folder + "/result.json"
        self.home = "%s/local/%s" % (root, name)
        self.register = self.home + "/register"
        self.refused = self.home + "/refused"
        self.work = self.home + "/work"
        self.live = "%s/local/live/%s" % (root, name)


def make_folder(path):
    """Make a folder, and those above it when needed; one that exists is fine."""
    try:
        os.mkdir(path)
    except FileExistsError:
        pass
    except FileNotFoundError:
        os.makedirs(path, exist_ok=True)


def write_all(descriptor, data):
    """Write every byte, also where the system takes only some at a time."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
