"""A run outside of Runyard: prints what is logged, in the form of SDK 1.0.2 and later, and keeps nothing."""

import os
import sys
import uuid

from .journal import Journal
from .models import Model
from .run import Run


class OfflineRun(Run):
    """Has what the SDK's offline run has; ``experiment`` and ``get_metrics`` are not among it."""

    type = "OfflineRun"

    def __init__(self, parent_logger=None, run_id=None, **kwargs):
        ident = run_id or "OfflineRun_%s" % uuid.uuid4()
        super(OfflineRun, self).__init__(None, ident, _journal=Journal(os.devnull, os.devnull))
        del self.experiment  # scripts ask for it to tell whether they are offline

    def __repr__(self):
        return "OfflineRun(Id: %s)" % self.id

    def __getattr__(self, name):
        if name == "experiment":
            raise AttributeError("an offline run has no experiment: this script is not part of a run")
        return super(OfflineRun, self).__getattr__(name)

    def __enter__(self):
        _print("[START] Run %s context" % self.id)
        return self

    def __exit__(self, *_):
        _print("[STOP] Run %s context" % self.id)

    def log(self, name, value, description="", step=None):
        """Print it."""
        _print_metric("scalar", name, value)

    def log_list(self, name, value, description=""):
        """Print it."""
        _print_metric("list", name, value)

    def log_row(self, name, description=None, **kwargs):
        """Print it."""
        _print_metric("row", name, kwargs)

    def log_table(self, name, value, description=""):
        """Print it."""
        _print_metric("table", name, value)

    def log_image(self, name, path=None, plot=None, description=""):
        """Print it."""
        _print_metric("image", name, path if plot is None else plot)

    def log_confusion_matrix(self, name, value, description=""):
        """Print it."""
        _print_metric("confusion_matrix", name, value)

    def log_accuracy_table(self, name, value, description=""):
        """Print it."""
        _print_metric("accuracy_table", name, value)

    def log_residuals(self, name, value, description=""):
        """Print it."""
        _print_metric("residual", name, value)

    def log_predictions(self, name, value, description=""):
        """Print it."""
        _print_metric("predictions", name, value)

    def get_metrics(self, name=None, recursive=False, run_type=None, populate=False):
        """Nothing is kept outside of a run."""
        return {}

    def get_file_names(self):
        """Nothing is kept outside of a run."""
        return []

    def tag(self, key, value=None):
        """Print it."""
        _print("Attempted to add tag %s with value %s" % (key, value))

    def set_tags(self, tags):
        """Print it."""
        _print("Attempted to set tags %s" % (tags,))

    def remove_tags(self, tags):
        """Print it."""
        _print("Attempted to remove tags %s" % (tags,))

    def add_properties(self, properties):
        """Print it."""
        _print("Attempted to add properties %s" % (properties,))

    def upload_file(self, name, path_or_stream, datastore_name=None):
        """Print it: no file is copied."""
        _print("Attempted to track file %s at %s" % (name, path_or_stream))

    def upload_files(self, names, paths, return_artifacts=False, timeout_seconds=None, datastore_name=None):
        """Print it: no file is copied."""
        _print("Attempted to track files %s at %s" % (names, paths))

    def upload_folder(self, name, path, datastore_name=None):
        """Print it: no file is copied."""
        _print("Attempted to track folder %s at %s" % (name, path))

    def take_snapshot(self, file_or_folder_path):
        """Print it: no file is copied."""
        _print("Attempted to take a snapshot of %s" % file_or_folder_path)

    def register_model(self, model_name, model_path=None, *_, **__):
        """Print it: nothing is registered."""
        path = model_path or model_name
        _print("Attempted to register model %s at %s" % (model_name, path))
        known = dict.fromkeys(("tags", "properties", "description", "framework", "framework_version"), None)
        return Model(model_name, 1, self, dict(known, tags={}, properties={}, path=str(path)))

    def child_run(self, name=None, run_id=None, outputs=None):
        """Another offline run, below this one's id."""
        return OfflineRun(run_id=run_id or "%s.%s" % (self.id, name or uuid.uuid4()))

    def get_children(self, *_, **__):
        """Nothing is kept outside of a run."""
        return iter(())

    def fail(self, error_details=None, error_code=None, _set_status=True):
        """Print it."""
        _print("Run failed with error code %s:\n%s" % (error_code, error_details))

    def cancel(self):
        """Nothing to cancel."""

    def flush(self, timeout_seconds=300):
        """Print it."""
        _print("Attempted to flush run with id %s" % self.id)


def _print_metric(kind, name, value):
    _print("Attempted to log %s metric %s:\n%s" % (kind, name, value))


def _print(line):
    sys.stdout.write(line + "\n")
