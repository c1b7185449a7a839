"""The calls that log: signatures of the Azure ML SDK v1, every release from 0.1.59 to 1.61."""

import json
import os
import shutil

from .journal import place_for
from .reading import FILES, IMAGE, LIST, SCALAR, TABLE, read_metrics
from .values import cell, is_sequence, plain, sequence, text


class Logs:
    """``log`` and its kin; needs ``_journal``."""

    def log(self, name, value, description="", step=None):
        """Log a number or a text; repeated calls make a series. A list is logged by :meth:`log_list`."""
        if is_sequence(value):
            self.log_list(name, value, description)
        else:
            self._journal.write(name, SCALAR, plain(value), description, step)

    def log_list(self, name, value, description=""):
        """Log a list of numbers or texts."""
        self._journal.write(name, LIST, sequence(value), description)

    def log_row(self, name, description=None, **kwargs):
        """Log a row of a table: ``log_row("roc", fpr=0.1, tpr=0.8)``; repeated calls add rows."""
        columns = {text(column): cell(value) for column, value in kwargs.items()}
        self._journal.write(name, TABLE, columns, description)

    def log_table(self, name, value, description=""):
        """Log a table: column names to lists.

        Raises:
            TypeError: if it is no mapping (a data frame is one).
        """
        if not hasattr(value, "items"):
            raise TypeError("log_table takes a dict of lists, column by column, not %s" % type(value).__name__)
        columns = {text(column): cell(cells) for column, cells in value.items()}
        self._journal.write(name, TABLE, columns, description)

    def log_image(self, name, path=None, plot=None, description=""):
        """Log an image: a file (``path``), or a matplotlib figure or module (``plot``). It is kept in the outputs.

        Raises:
            ValueError: unless just one of the two is given.
        """
        if (path is None) == (plot is None):
            raise ValueError("log_image needs either path or plot")
        ending = os.path.splitext(str(path))[1] if path is not None else ".png"
        kept, target = self._new_file(name, ending, "images")
        if path is not None:
            shutil.copyfile(str(path), target)
        else:
            plot.savefig(target)
        self._journal.write(name, IMAGE, kept, description)

    def log_confusion_matrix(self, name, value, description=""):
        """Log a confusion matrix: a dict in the SDK's schema, or its JSON. It is kept in the outputs."""
        self._log_file(name, "confusion_matrix", value, description)

    def log_accuracy_table(self, name, value, description=""):
        """Log an accuracy table: a dict in the SDK's schema, or its JSON. It is kept in the outputs."""
        self._log_file(name, "accuracy_table", value, description)

    def log_residuals(self, name, value, description=""):
        """Log residuals: a dict in the SDK's schema, or its JSON. It is kept in the outputs."""
        self._log_file(name, "residuals", value, description)

    def log_predictions(self, name, value, description=""):
        """Log predictions: a dict in the SDK's schema, or its JSON. It is kept in the outputs."""
        self._log_file(name, "predictions", value, description)

    def get_metrics(self, name=None, recursive=False, run_type=None, populate=False):
        """What was logged so far, in the SDK's shapes.

        Args:
            name: Of one metric; all without it.
            recursive: Also those of child runs: then the metrics by the id of their run.
            run_type: All runs here are of one type; any other gives no children.
            populate: Confusion matrices and the like as their content, not as the names of their files.
        """
        found = read_metrics(self._journal.path, name, self._journal.child)
        if populate:
            found = {key: self._content(value) for key, value in found.items()}
        if not recursive:
            return found
        runs = {self.id: found}
        for child in self.get_children() if run_type in (None, self.type) else ():
            runs.update(child.get_metrics(name, True, run_type, populate))
        return runs

    def _log_file(self, name, kind, value, description):
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except ValueError as error:
                raise ValueError("log_%s takes a dict or its JSON, and this is neither: %s" % (kind, error)) from None
        kept, target = self._new_file(name, ".json", "metrics")
        with open(target, "w", encoding="utf-8") as stream:
            json.dump(value, stream, default=cell)
        self._journal.write(name, FILES[kind], kept, description)

    def _new_file(self, name, ending, folder):
        """(name of an artifact, its path): its folder exists."""
        kept = place_for(name, ending, folder)
        target = os.path.join(self._journal.outputs, kept)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        return "outputs/" + kept, target

    def _content(self, value):
        if not isinstance(value, str) or not value.startswith("outputs/metrics/"):
            return value
        try:
            with open(os.path.join(self._journal.outputs, value[len("outputs/") :]), encoding="utf-8") as stream:
                return json.load(stream)
        except (OSError, ValueError):
            return value  # a text that only looks like one of ours
