"""MLflow's tracking store of a run: what a script logs with ``mlflow`` becomes lines of the run, and files in its outputs.

MLflow loads it for ``MLFLOW_TRACKING_URI=runyard://run``, by an entry point beside this package; nothing else imports it.
It is for every release from 1.20 to 3: what one of them does not have is not touched.

The first run that a process starts is the script's own, whatever experiment it names; a nested one, and a later one, is a
child run. Metrics are scalars, parameters have a type of their own, tags are tags; artifacts are files in ``outputs/``.
"""

import inspect
import json
import os
import pathlib
import threading
import time

from mlflow.entities import Experiment, Metric, Param, RunData, RunInfo, RunStatus, RunTag
from mlflow.entities import Run as MlflowRun
from mlflow.exceptions import MlflowException
from mlflow.store.entities.paged_list import PagedList
from mlflow.store.tracking.abstract_store import AbstractStore
from mlflow.utils.search_utils import SearchUtils

from .mlflow_models import LoggedModels
from .reading import PARAM, PROPERTY, SCALAR, TAG, entries, read_pairs
from .run import Run
from .values import back, plain

EXPERIMENT = "0"
_PARENT, _NAME, _SYSTEM = "mlflow.parentRunId", "mlflow.runName", "mlflow."
_STATUS = {"FINISHED": "complete", "FAILED": "fail", "KILLED": "cancel"}


class RunyardStore(LoggedModels, AbstractStore):
    """The run around this script, as a store with one experiment."""

    def __init__(self, store_uri=None, artifact_uri=None):
        super(RunyardStore, self).__init__()
        self.run = Run.get_submitted_run()
        self._began = int(time.time() * 1000)
        self._lock = threading.RLock()
        self._runs = {self.run.id: self.run}
        self._owner = None
        """The process that took the script's own run: a fork takes it again."""

    # experiments: whatever a script calls its own, it is the run's

    def create_experiment(self, name, artifact_location=None, tags=None):
        """The id of the one experiment."""
        return EXPERIMENT

    def get_experiment(self, experiment_id):
        """The one experiment, whatever its id."""
        return self._experiment(self.run.experiment.name)

    def get_experiment_by_name(self, experiment_name):
        """The one experiment, under the name that the script asks for."""
        return self._experiment(experiment_name)

    def search_experiments(self, *args, **kwargs):
        """The one experiment."""
        return PagedList([self.get_experiment(EXPERIMENT)], None)

    def list_experiments(self, *args, **kwargs):
        """The one experiment."""
        return self.search_experiments()

    def set_experiment_tag(self, experiment_id, tag):
        """A property of the run: its experiment has none."""
        self.run.add_properties({"experiment." + tag.key: tag.value})

    def _experiment(self, name):
        return Experiment(EXPERIMENT, name, self.folder_uri(self.run), "active")

    # runs

    def create_run(self, experiment_id, user_id, start_time, tags, run_name=None):
        """The script's own run for the first one that a process starts; a child run for any other."""
        pairs = {tag.key: tag.value for tag in tags or ()}
        name = run_name or pairs.get(_NAME)
        with self._lock:
            own = not pairs.get(_PARENT) and self._owner != os.getpid()
            if own:
                self._owner = os.getpid()
        run = self.run if own else self._find(pairs.get(_PARENT) or self.run.id).child_run(name)
        self._runs[run.id] = run
        if own and name:
            run.display_name = name
        run.set_tags({key: value for key, value in pairs.items() if not key.startswith(_SYSTEM)})
        return self.get_run(run.id)

    def get_run(self, run_id):
        """The run with its latest metrics, parameters and tags."""
        run = self._find(run_id)
        journal = run._journal
        metrics, began = {}, self._began
        for line in entries(journal.path, journal.child):
            if line["type"] == SCALAR and _is_number(line["value"]):
                metrics[line["name"]] = _metric(line)
        tags = dict(read_pairs(journal.path, TAG, journal.child))
        if run.display_name != run.id:
            tags.setdefault(_NAME, run.display_name)
        if run.parent is not None:
            tags.setdefault(_PARENT, run.parent.id)
        params = [Param(*pair) for pair in read_pairs(journal.path, PARAM, journal.child).items()]
        data = RunData(list(metrics.values()), params, [RunTag(*pair) for pair in tags.items()])
        return MlflowRun(self._info(run, began), data)

    def update_run_info(self, run_id, run_status, end_time, run_name=None):
        """A child run ends; the script's own ends with the script."""
        run = self._find(run_id)
        ending = _STATUS.get(RunStatus.to_string(run_status)) if run_status is not None else None
        if ending and run.parent is not None:
            getattr(run, ending)()
        if run_name:
            run.display_name = run_name
        return self._info(run, self._began)

    def _search_runs(self, experiment_ids, filter_string, run_view_type, max_results, order_by, page_token):
        runs = [self.get_run(run.id) for run in [self.run, *self.run.get_children(recursive=True)]]
        runs = SearchUtils.sort(SearchUtils.filter(runs, filter_string), order_by)
        return SearchUtils.paginate(runs, page_token, max_results)

    def _find(self, run_id):
        known = self._runs.get(run_id)
        if known is None:
            known = next((child for child in self.run.get_children(recursive=True) if child.id == run_id), None)
        if known is None:
            raise MlflowException(
                "a script here sees its own run %s and its children alone, not %s" % (self.run.id, run_id)
            )
        return known

    def _info(self, run, began):
        statuses = {"Running": "RUNNING", "Completed": "FINISHED", "Failed": "FAILED", "Canceled": "KILLED"}
        values = {
            "run_uuid": run.id,
            "run_id": run.id,
            "run_name": run.display_name,
            "experiment_id": EXPERIMENT,
            "user_id": "",
            "status": statuses[run.status],
            "start_time": began,
            "end_time": None,
            "lifecycle_stage": "active",
            "artifact_uri": self.folder_uri(run),
        }
        taken = inspect.signature(RunInfo.__init__).parameters
        if taken["status"].annotation is inspect.Parameter.empty and "run_name" not in taken:
            values["status"] = RunStatus.from_string(values["status"])  # before 1.30
        return RunInfo(**{name: value for name, value in values.items() if name in taken})

    def folder_uri(self, run):
        """Where a run's artifacts go: the outputs, or a folder there with a child run's name."""
        return pathlib.Path(os.path.abspath(run._journal.outputs), *run._journal.child.split("/")).as_uri()

    # what is logged

    def log_batch(self, run_id, metrics, params, tags):
        """Append a line for each."""
        run = self._find(run_id)
        for metric in metrics:
            if getattr(metric, "model_id", None) and self._is_known(run, metric):
                continue  # MLflow 3 logs a run's metrics once more for each model, which are lines of the run already
            at = metric.timestamp / 1000.0 if metric.timestamp else None
            run._journal.write(metric.key, SCALAR, plain(metric.value), step=metric.step, at=at)
        for param in params:
            run._journal.write(param.key, PARAM, str(param.value))
        run.set_tags({tag.key: tag.value for tag in tags})

    def _is_known(self, run, metric):
        wanted = (metric.key, metric.timestamp, metric.step, metric.value)
        known = self.get_metric_history(run.id, metric.key)
        return any((each.key, each.timestamp, each.step, each.value) == wanted for each in known)

    def log_metric(self, run_id, metric):
        """Append it."""
        self.log_batch(run_id, [metric], [], [])

    def log_param(self, run_id, param):
        """Append it; the last value counts."""
        self.log_batch(run_id, [], [param], [])

    def set_tag(self, run_id, tag):
        """Append it; the last value counts."""
        self.log_batch(run_id, [], [], [tag])

    def delete_tag(self, run_id, key):
        """Remove a tag that the script gave."""
        self._find(run_id).remove_tags(key)

    def get_metric_history(self, run_id, metric_key, max_results=None, page_token=None):
        """Every value of a metric, in the order in which they were logged."""
        journal = self._find(run_id)._journal
        lines = [line for line in entries(journal.path, journal.child) if line["type"] == SCALAR]
        return PagedList(
            [_metric(line) for line in lines if line["name"] == metric_key and _is_number(line["value"])], None
        )

    def log_inputs(self, run_id, datasets=None, models=None):
        """Datasets as properties of the run: their names with their digests."""
        run = self._find(run_id)
        for each in datasets or ():
            run._journal.write("dataset." + each.dataset.name, PROPERTY, str(each.dataset.digest))

    def record_logged_model(self, run_id, mlflow_model):
        """A line that names the model; its files are in the outputs."""
        self.note_model(
            self._find(run_id), mlflow_model.artifact_path, json.loads(json.dumps(mlflow_model.to_dict(), default=str))
        )


def _metric(line):
    step = line.get("step")
    return Metric(
        line["name"],
        float(back(line["value"])),
        int(round(line.get("time", 0) * 1000)),
        step if isinstance(step, int) else 0,
    )


def _is_number(value):
    return isinstance(back(value), (int, float)) and not isinstance(value, bool)


def _refuse(name):
    def refused(self, *args, **kwargs):
        raise MlflowException("Runyard has no %s: a script logs to its own run and reads it back" % name)

    return refused


# Python leaves these to return None: what a script asks for and does not get is told instead.
for _name, _method in list(vars(AbstractStore).items()):
    if getattr(_method, "__isabstractmethod__", False) and getattr(RunyardStore, _name) is _method:
        setattr(RunyardStore, _name, _refuse(_name))
