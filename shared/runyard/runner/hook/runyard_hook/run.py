"""The run that a script is part of."""

import json
import os
import shutil
import sys
import time
import uuid

from .reading import IMAGE, LIST, SCALAR, TABLE, read_metrics
from .values import is_sequence, plain, sequence

_TAG = "runyard.tag"


class RunEnvironmentException(Exception):  # noqa: N818 - the SDK's name
    """There is no run around this script."""


class Experiment:
    """The experiment that a run belongs to: its name."""

    def __init__(self, name):
        self.name = name

    def __repr__(self):
        return "Experiment(%r)" % self.name


class Run:
    """A run. ``Run.get_context()`` gives the script's own."""

    parent = None
    """No run has a parent here yet."""

    @classmethod
    def get_context(cls, allow_offline=True):
        """The run that this script is part of; outside of one, a run that prints what is logged.

        Raises:
            RunEnvironmentException: outside of a run, if ``allow_offline`` is false.
        """
        if os.environ.get("RUNYARD_METRICS") and os.environ.get("AZUREML_RUN_ID"):
            return get_run()
        if allow_offline:
            return OfflineRun()
        raise RunEnvironmentException("this script is not part of a run; submit it, or allow an offline run")

    @classmethod
    def get_submitted_run(cls):
        """The run that this script is part of.

        Raises:
            RunEnvironmentException: outside of a run.
        """
        return cls.get_context(allow_offline=False)

    def __init__(self, run_id, experiment, metrics, outputs):
        self.id = run_id
        self.experiment = Experiment(experiment)
        self.tags = {}
        self._metrics = metrics
        self._outputs = outputs

    def __repr__(self):
        return "Run(Experiment: %s, Id: %s)" % (self.experiment.name, self.id)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def __getattr__(self, name):
        # Only for what is not there. Names with underscores are Python's own questions.
        if name.startswith("_"):
            raise AttributeError(name)
        raise AttributeError(
            "Runyard's run has no %s; it has id, experiment, log, log_list, log_row, log_table, log_image, tag and get_metrics"
            % name
        )

    @property
    def number(self):
        """The number of the attempt."""
        return int(os.environ.get("RUNYARD_ATTEMPT", "1"))

    def log(self, name, value, description="", step=None):
        """Log a number or a text; repeated calls make a series. A list is logged by :meth:`log_list`."""
        if is_sequence(value):
            self.log_list(name, value, description)
        else:
            self._log(name, SCALAR, plain(value), description, step)

    def log_list(self, name, value, description=""):
        """Log a list of numbers or texts."""
        self._log(name, LIST, sequence(value), description)

    def log_row(self, name, description=None, **kwargs):
        """Log a row of a table: ``log_row("roc", fpr=0.1, tpr=0.8)``; repeated calls add rows."""
        self._log(name, TABLE, {column: _cell(cell) for column, cell in kwargs.items()}, description)

    def log_table(self, name, value, description=""):
        """Log a table: column names to lists."""
        self._log(name, TABLE, {str(column): _cell(cells) for column, cells in value.items()}, description)

    def log_image(self, name, path=None, plot=None, description=""):
        """Log an image: a file (``path``), or a matplotlib figure or module (``plot``). It is kept in the outputs.

        Raises:
            ValueError: unless just one of the two is given.
        """
        if (path is None) == (plot is None):
            raise ValueError("log_image needs either path or plot")
        ending = os.path.splitext(path)[1] if path is not None else ".png"
        kept = "images/%s_%d%s" % (_plain_name(name), int(time.time() * 1e6), ending)
        target = os.path.join(self._outputs, kept)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if path is not None:
            shutil.copyfile(path, target)
        else:
            plot.savefig(target)
        self._log(name, IMAGE, "outputs/" + kept, description)

    def tag(self, key, value=None):
        """Tag the run."""
        self.tags[str(key)] = str(value)
        self._log(str(key), _TAG, str(value))

    def get_metrics(self, name=None):
        """What was logged so far, in the SDK's shapes."""
        return read_metrics(self._metrics, name)

    def get_id(self):
        """The run's id."""
        return self.id

    def flush(self, timeout_seconds=300):
        """Nothing to wait for: each line is written as it is logged."""

    def complete(self):
        """Nothing to do: the run is complete when the script has ended."""

    def _log(self, name, kind, value, description="", step=None):
        line = {"name": str(name), "type": kind, "value": value, "time": time.time()}
        if description:
            line["description"] = str(description)
        if step is not None:
            line["step"] = plain(step)
        self._write(json.dumps(line).encode() + b"\n")

    def _write(self, data):
        descriptor = os.open(self._metrics, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            if os.write(descriptor, data) < len(data):
                os.write(descriptor, b"\n")  # the disk is full: what was cut short must not spoil the next line
                sys.stderr.write("runyard: a metric was cut short, as the disk is full\n")
        except OSError as error:
            # A script that computed for days does not end because a figure could not be noted.
            sys.stderr.write("runyard: a metric was not written: %s\n" % error)
        finally:
            os.close(descriptor)


class OfflineRun(Run):
    """A run outside of Runyard: prints what is logged."""

    def __init__(self):
        super(OfflineRun, self).__init__("OfflineRun_%s" % uuid.uuid4(), "offline", os.devnull, "outputs")

    def get_metrics(self, name=None):  # noqa: ARG002 - the run's signature
        """Nothing is kept outside of a run."""
        return {}

    def _log(self, name, kind, value, description="", step=None):  # noqa: ARG002 - the run's signature
        sys.stdout.write("Attempted to log %s metric %s:\n%s\n" % (kind.rpartition(".")[2], name, value))


_current = None


def get_run():
    """The run of this process, made once."""
    global _current  # noqa: PLW0603 - a process is part of one run
    if _current is None or _current.id != os.environ["AZUREML_RUN_ID"]:
        _current = Run(
            os.environ["AZUREML_RUN_ID"],
            os.environ.get("AZUREML_ARM_PROJECT_NAME", ""),
            os.environ["RUNYARD_METRICS"],
            os.environ.get("RUNYARD_OUTPUTS", "outputs"),
        )
    return _current


def _cell(value):
    return sequence(value) if is_sequence(value) else plain(value)


def _plain_name(name):
    return "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in str(name))[:100] or "image"
