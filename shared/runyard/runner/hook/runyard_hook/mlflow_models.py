"""Models that a script logs with MLflow: files in the outputs, and a line that names them."""

import os
import pathlib
import time
import uuid

from .reading import MODEL
from .values import plain

try:
    from mlflow.entities import LoggedModel, LoggedModelParameter, LoggedModelStatus, LoggedModelTag
except ImportError:  # before MLflow 3 a model is an artifact of its run
    LoggedModel = None


class LoggedModels:
    """The part of a store that MLflow 3 keeps models in; needs ``run``."""

    def note_model(self, run, name, known):
        """A line that says what was logged under which name."""
        run._journal.write(name, MODEL, known)

    def create_logged_model(
        self, experiment_id="0", name=None, source_run_id=None, tags=None, params=None, model_type=None
    ):
        """A model whose files go to ``outputs/models/<name>``, a further one of that name to ``<name>_2`` and so on."""
        now = int(time.time() * 1000)
        run = self._find(source_run_id) if source_run_id else self.run
        name = name or "model"
        folder = self._new_folder(run, name)
        model = LoggedModel(
            experiment_id=experiment_id,
            model_id="m-" + uuid.uuid4().hex,
            name=name,
            artifact_location=pathlib.Path(folder).as_uri(),
            creation_timestamp=now,
            last_updated_timestamp=now,
            model_type=model_type,
            source_run_id=run.id,
            status=LoggedModelStatus.PENDING,
            tags=tags or [],
            params=params or [],
        )
        self._logged[model.model_id] = model
        kept = os.path.relpath(folder, os.path.dirname(os.path.abspath(run._journal.outputs))).replace(os.sep, "/")
        self.note_model(run, name, {"path": kept, "model_id": model.model_id, "type": plain(model_type)})
        return model

    def get_logged_model(self, model_id, allow_deleted=False):
        """A model that this process logged.

        Raises:
            MlflowException: for another.
        """
        if model_id not in self._logged:
            from mlflow.exceptions import MlflowException  # noqa: PLC0415

            raise MlflowException("this process of the run has logged no model %s" % model_id)
        return self._logged[model_id]

    def finalize_logged_model(self, model_id, status):
        """Its files are there."""
        return self._changed(model_id, status=status)

    def set_logged_model_tags(self, model_id, tags):
        """Kept while the script runs."""
        known = self.get_logged_model(model_id).tags
        self._changed(
            model_id,
            tags=[LoggedModelTag(*pair) for pair in dict(known, **{tag.key: tag.value for tag in tags}).items()],
        )

    def log_logged_model_params(self, model_id, params):
        """Kept while the script runs."""
        known = self.get_logged_model(model_id).params
        pairs = dict(known, **{param.key: param.value for param in params})
        self._changed(model_id, params=[LoggedModelParameter(*pair) for pair in pairs.items()])

    def search_logged_models(self, *args, **kwargs):
        """The models that this process logged; filters are not applied."""
        from mlflow.store.entities.paged_list import PagedList  # noqa: PLC0415

        return PagedList(list(self._logged.values()), None)

    def set_model_versions_tags(self, name, version, model_id):
        """Nothing: there is no registry."""

    def log_outputs(self, run_id, models):
        """Nothing to add: each model has its line."""

    @property
    def _logged(self):
        return self.__dict__.setdefault("_logged_models", {})

    def _changed(self, model_id, **changes):
        old = self.get_logged_model(model_id)
        values = {
            "experiment_id": old.experiment_id,
            "model_id": old.model_id,
            "name": old.name,
            "artifact_location": old.artifact_location,
            "creation_timestamp": old.creation_timestamp,
            "last_updated_timestamp": int(time.time() * 1000),
            "model_type": old.model_type,
            "source_run_id": old.source_run_id,
            "status": old.status,
            "tags": [LoggedModelTag(*pair) for pair in old.tags.items()],
            "params": [LoggedModelParameter(*pair) for pair in old.params.items()],
        }
        self._logged[model_id] = LoggedModel(**dict(values, **changes))
        return self._logged[model_id]

    @staticmethod
    def _new_folder(run, name):
        base = os.path.join(os.path.abspath(run._journal.outputs), *run._journal.child.split("/"))
        number = 1
        while True:
            folder = os.path.join(base, "models", name if number == 1 else "%s_%d" % (name, number))
            try:
                os.makedirs(folder)
                return folder
            except FileExistsError:
                number += 1
