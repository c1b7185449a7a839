"""Where things lie under the root.

::

    runs/<run id>/<attempt>/     what users see
        azureml-logs/70_driver_log.txt        stdout and stderr of the script
        azureml-logs/20_image_build_log.txt   why it could not be prepared, or what was not kept as it was
        outputs/  logs/                       moved here when the script has ended, if anything is in them
        metrics.jsonl                         one line per logged metric
        result.json                           how it ended; written last
    local/                       the supervisor's and its keeper's own
        supervisor.lock                       holds the supervisor's process id
        supervisor.sock  .log
        codes/<pid>-<start>                   how a script ended while its supervisor was gone: written by the keeper
        registers/<name>                      who decided on the start: "started …" or "void …"
        registers/<name>.refused              a start that lost against "void"
        containers/<name>/                    the control folder of an attempt's container, while it has one
        work/<name>/                          the unpacked snapshot: the script's working directory; goes some time after
"""

import os

from .durable import sync_folders

DRIVER_LOG = "70_driver_log.txt"
PREPARATION_LOG = "20_image_build_log.txt"
LOG_FOLDER = "azureml-logs"
RUNS = "runs"
REGISTERS = "local/registers"
WORK = "local/work"
CODES = "local/codes"
CONTAINERS = "local/containers"


class Places:
    """The paths of one attempt."""

    __slots__ = ("control", "folder", "log", "log_folder", "metrics", "refused", "register", "result", "run", "work")

    def __init__(self, root: str, run: str, attempt: int, name: str) -> None:
        self.run = "%s/%s/%s" % (root, RUNS, run)
        self.folder = "%s/%d" % (self.run, attempt)
        self.log_folder = self.folder + "/" + LOG_FOLDER
        self.log = self.log_folder + "/" + DRIVER_LOG
        self.metrics = self.folder + "/metrics.jsonl"
        self.result = self.folder + "/result.json"
        self.register = "%s/%s/%s" % (root, REGISTERS, name)
        self.refused = self.register + ".refused"
        self.work = "%s/%s/%s" % (root, WORK, name)
        self.control = "%s/%s/%s" % (root, CONTAINERS, name)


def lay_out(root: str) -> None:
    """Make the folders that every attempt needs; they are on disk when this returns.

    Raises:
        OSError: if one cannot be made.
    """
    for folder in (RUNS, REGISTERS, WORK, CODES):
        os.makedirs(os.path.join(root, folder), mode=0o700, exist_ok=True)
    sync_folders(os.path.join(root, REGISTERS), 2)


def make_run_folders(places: Places) -> None:
    """Make the folders that users see."""
    make_folder(places.run)
    make_folder(places.folder)
    make_folder(places.log_folder)


def make_folder(path: str) -> None:
    """Make a folder, and those above it when needed; one that exists is fine."""
    try:
        os.mkdir(path)
    except FileExistsError:
        pass
    except FileNotFoundError:
        os.makedirs(path, exist_ok=True)


def is_source(name: str) -> bool:
    """Whether a file belongs to the runner: its modules, and what names the hook to MLflow."""
    return name.endswith(".py") or name in ("METADATA", "entry_points.txt")


def write_all(descriptor: int, data: bytes) -> None:
    """Write every byte, also where the system takes only some at a time."""
    sent = os.write(descriptor, data)
    while sent < len(data):
        sent += os.write(descriptor, memoryview(data)[sent:])
