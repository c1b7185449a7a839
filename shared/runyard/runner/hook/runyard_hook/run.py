"""The run that a script is part of, and its child runs."""

import os
import sys
import uuid

from .errors import RunEnvironmentException, say
from .experiment import Experiment
from .files import Files
from .journal import Journal
from .logs import Logs
from .models import Models
from .reading import CHILD, read_children
from .tags import Tags
from .values import text

_ENDINGS = ("Completed", "Failed", "Canceled")
_MAX_CHILDREN = 100  # the SDK's, for create_children
_HINTS = {
    "input_datasets": "there are no datasets here; pass paths as arguments",
    "output_datasets": "there are no datasets here; write to outputs/",
    "get_environment": "the environment is that of the interpreter, sys.executable",
    "get_secret": "there is no key vault here; pass secrets as environment variables",
    "get_secrets": "there is no key vault here; pass secrets as environment variables",
    "submit_child": "a script starts no runs here; child_run() logs under this one, and runyard submit starts another",
    "restore_snapshot": "the snapshot is the working directory, as it was unpacked",
}


class Run(Logs, Files, Tags, Models):
    """A run. ``Run.get_context()`` gives the script's own, ``child_run()`` one that logs under it."""

    type = "azureml.scriptrun"

    @classmethod
    def get_context(cls, allow_offline=True, used_for_context_manager=False, **kwargs):
        """The run that this script is part of; outside of one, a run that prints what is logged.

        Raises:
            RunEnvironmentException: outside of a run, if ``allow_offline`` is false.
        """
        if os.environ.get("RUNYARD_METRICS") and os.environ.get("AZUREML_RUN_ID"):
            return _current_run()
        if allow_offline:
            from .offline import OfflineRun  # noqa: PLC0415 - it is made of this class

            return OfflineRun()
        raise RunEnvironmentException

    @classmethod
    def get_submitted_run(cls, **kwargs):
        """The run that this script is part of.

        Raises:
            RunEnvironmentException: outside of a run.
        """
        return Run.get_context(allow_offline=False)

    @staticmethod
    def add_type_provider(runtype, run_factory):
        """Nothing: packages beside azureml-core call it when they are imported, and only its service makes their runs."""

    @staticmethod
    def get(workspace, run_id):
        """The script's own run, by its id; others are not within a script's reach."""
        return get_run(run_id=run_id)

    @staticmethod
    def list(experiment, *_, **__):
        """Other runs are not within a script's reach.

        Raises:
            RunEnvironmentException: always.
        """
        raise RunEnvironmentException(
            "a script here sees its own run alone; `runyard runs` lists those of %s" % experiment
        )

    def __init__(self, experiment, run_id, outputs=None, **kwargs):
        """Not for scripts: they call :meth:`get_context`."""
        if not isinstance(kwargs.get("_journal"), Journal):
            raise RunEnvironmentException(
                "a Run is made by Run.get_context() here; only a service of Azure ML has others"
            )
        self.id = run_id
        self.experiment = experiment
        self.outputs = outputs
        self.parent = kwargs.get("_parent")
        self._name = kwargs.get("_name") or run_id
        self._journal = kwargs["_journal"]
        self._status = "Running"

    def __repr__(self):
        return "Run(Experiment: %s, Id: %s)" % (getattr(self.experiment, "name", ""), self.id)

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        if self.parent is not None and self._status not in _ENDINGS:
            if kind is None:
                self.complete()
            else:
                self.fail("%s: %s" % (kind.__name__, error))

    def __getattr__(self, name):
        # Only for what is not there. Names with underscores are Python's own questions.
        if name.startswith("_"):
            raise AttributeError(name)
        there = sorted(each for each in dir(type(self)) if not each.startswith("_"))
        raise AttributeError("Runyard's run has no %s: %s" % (name, _HINTS.get(name) or "it has " + ", ".join(there)))

    @property
    def name(self):
        """The id, or the name that a child run was given."""
        return self._name

    @property
    def number(self):
        """The number of the attempt."""
        return int(os.environ.get("RUNYARD_ATTEMPT", "1"))

    @property
    def status(self):
        """``Running``; that of a child run is what it was told last."""
        return self._status

    def get_id(self):
        """The run's id."""
        return self.id

    def get_status(self):
        """``Running``; that of a child run is what it was told last."""
        return self._status

    def get_detailed_status(self):
        """The status as a dict."""
        return {"status": self._status, "details": []}

    def get_details(self):
        """What is known of the run while it runs, under the SDK's names; ``logFiles`` are paths."""
        logs = {
            name: os.path.join(self._folder, name) for name in self.get_file_names() if name.startswith("azureml-logs/")
        }
        return {
            "runId": self.id,
            "target": os.environ.get("RUNYARD_COMPUTE", os.environ.get("AZUREML_TARGET_TYPE", "local")),
            "status": self._status,
            "warnings": [],
            "properties": self.properties,
            "inputDatasets": [],
            "outputDatasets": [],
            "runDefinition": {
                "script": sys.argv[0] if sys.argv else "",
                "arguments": sys.argv[1:],
                "framework": os.environ.get("AZUREML_FRAMEWORK", "Python"),
                "communicator": os.environ.get("AZUREML_COMMUNICATOR", "None"),
                "nodeCount": int(os.environ.get("AZUREML_NODE_COUNT", "1")),
            },
            "logFiles": logs,
            "submittedBy": None,
        }

    def get_details_with_logs(self):
        """As :meth:`get_details`, with the logs' text in place of their paths."""
        details = self.get_details()
        for name, path in details["logFiles"].items():
            with open(path, encoding="utf-8", errors="replace") as stream:
                details["logFiles"][name] = stream.read()
        return details

    def get_all_logs(self, destination=None):
        """Copy the logs; returns the copies' paths."""
        folder = destination or os.curdir
        names = sorted(self.get_details()["logFiles"])
        self.download_files("azureml-logs/", folder)
        return [os.path.join(folder, name) for name in names]

    def get_snapshot_id(self):
        """The run's id: each has a snapshot of its own."""
        return self.id

    def wait_for_completion(self, show_output=False, wait_post_processing=False, raise_on_error=True):
        """The details, at once: a script that waited for its own run's end would wait for ever."""
        return self.get_details()

    def start(self):
        """Nothing to do: it runs."""

    def flush(self, timeout_seconds=300):
        """Nothing to wait for: each line is written as it is logged."""

    def clean(self):
        """Nothing to remove: the working directory goes by itself."""

    def complete(self, _set_status=True):
        """End a child run. The script's own run is complete when the script has ended."""
        self._end("Completed")

    def fail(self, error_details=None, error_code=None, _set_status=True):
        """Fail a child run. Of the script's own run only the log is told: as in the SDK, the exit code decides."""
        if self.parent is None:
            reason = ": %s" % _reason(error_details, error_code) if error_details or error_code else ""
            say("the script calls its run failed%s (its exit code decides: end it with sys.exit(1))" % reason)
        else:
            self._end("Failed", _reason(error_details, error_code))

    def cancel(self):
        """Cancel a child run. A script cannot cancel its own run: the log is told how to."""
        if self.parent is None:
            say("a script cannot cancel its own run: end it, or call `runyard cancel %s`" % self.id)
        else:
            self._end("Canceled")

    def child_run(self, name=None, run_id=None, outputs=None):
        """A run that logs under this one: its metrics appear as ``<name>/<metric>`` on it."""
        ident = run_id or "%s_%s" % (self.id, uuid.uuid4().hex[:8])
        label = text(name or ident.rpartition("_")[2]).replace("/", "_")
        label = "%s/%s" % (self._journal.child, label) if self._journal.child else label
        child = self._child(ident, text(name or ident), label, outputs)
        child._note()
        return child

    def create_children(self, count=None, tag_key=None, tag_values=None):
        """Child runs: ``count`` of them, or one for each of ``tag_values``, with that tag.

        Raises:
            ValueError: if it is not said how many, or more than 100 are wanted.
        """
        if (count is None) == (tag_key is None or tag_values is None):
            raise ValueError("create_children takes count, or tag_key and tag_values")
        key, values = (
            (tag_key, list(tag_values)) if count is None else ("azureml.batch_child_number", list(range(count)))
        )
        if len(values) > _MAX_CHILDREN:
            raise ValueError("create_children makes at most %d runs, not %d" % (_MAX_CHILDREN, len(values)))
        children = []
        for value in values:
            children.append(self.child_run())
            children[-1].tag(key, value)
        return children

    def get_children(self, recursive=False, tags=None, properties=None, type=None, status=None, _rehydrate_runs=True):  # noqa: A002
        """The child runs, also those that other processes of the script made; the filters are the SDK's."""
        for ident, name, label, state in read_children(self._journal.path, self.id):
            child = self._child(ident, name, label, None)
            child._status = state or "Running"
            wanted = type in (None, self.type) and status in (None, child._status)
            if wanted and _has(child.tags, tags) and _has(child.properties, properties):
                yield child
            if recursive:
                for each in child.get_children(True, tags, properties, type, status):
                    yield each

    def _child(self, ident, name, label, outputs):
        return Run(self.experiment, ident, outputs, _journal=self._journal.of(label), _parent=self, _name=name)

    def _end(self, status, reason=""):
        if self.parent is not None:
            self._status = status
            self._note(reason)

    def _note(self, reason=""):
        value = {"id": self.id, "name": self._name, "parent": self.parent.id, "status": self._status}
        self._journal.write(self._name, CHILD, value, reason)


def get_run(experiment=None, run_id=None, rehydrate=True, clean_up=True):
    """The run of this process, made once; its id may be said.

    Raises:
        RunEnvironmentException: outside of a run, or for the id of another.
    """
    run = Run.get_submitted_run()
    if run_id is None or run_id == run.id:
        return run
    for child in run.get_children(recursive=True):
        if child.id == run_id:
            return child
    raise RunEnvironmentException("a script here sees its own run %s and its children alone, not %s" % (run.id, run_id))


_current = None


def _current_run():
    global _current  # noqa: PLW0603 - a process is part of one run
    ident, path = os.environ["AZUREML_RUN_ID"], os.environ["RUNYARD_METRICS"]
    if _current is None or (_current.id, _current._journal.path) != (ident, path):
        experiment = Experiment(os.environ.get("AZUREML_ARM_PROJECT_NAME", ""))
        outputs = os.environ.get("RUNYARD_OUTPUTS") or os.path.abspath("outputs")
        _current = Run(experiment, ident, _journal=Journal(path, outputs))
    return _current


def _reason(details, code):
    return " ".join(str(part) for part in (code, details) if part)


def _has(pairs, wanted):
    """Whether there are these pairs, or this key: what the SDK's filters mean."""
    if wanted is None:
        return True
    if isinstance(wanted, str):
        return wanted in pairs
    return all(key in pairs and value in (None, pairs[key]) for key, value in dict(wanted).items())
