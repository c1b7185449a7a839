"""MLflow's registry of models, of which there is none here: what a script registers is noted, told, and stays in its run."""

import time

from mlflow.entities.model_registry import ModelVersion, RegisteredModel
from mlflow.exceptions import MlflowException
from mlflow.store.entities.paged_list import PagedList
from mlflow.store.model_registry.abstract_store import AbstractStore

from .errors import say
from .reading import MODEL
from .run import Run


class RunyardRegistry(AbstractStore):
    """Answers so that a script goes on; nothing outlives it but a line of its run."""

    def __init__(self, store_uri=None, tracking_uri=None):
        try:
            super(RunyardRegistry, self).__init__(store_uri, tracking_uri)
        except TypeError:  # before MLflow 2
            super(RunyardRegistry, self).__init__()
        self._versions = {}

    def create_registered_model(self, name, *_, **__):
        """A name for versions."""
        self._versions.setdefault(name, [])
        return self.get_registered_model(name)

    def get_registered_model(self, name):
        """The name, if this process registered it.

        Raises:
            MlflowException: if it did not.
        """
        if name not in self._versions:
            raise MlflowException("this run has registered no model %s; Runyard has no registry of models" % name)
        now = int(time.time() * 1000)
        return RegisteredModel(name, now, now, "", list(self._versions[name][-1:]))

    def create_model_version(self, name, source, run_id=None, tags=None, run_link=None, description=None, *_, **__):
        """The next number under the name; the log is told that nothing is registered."""
        known = self._versions.setdefault(name, [])
        version = len(known) + 1
        made = ModelVersion(
            name,
            str(version),
            int(time.time() * 1000),
            description=description,
            user_id="",
            current_stage="None",
            source=source,
            run_id=run_id,
            tags=list(tags or ()),
        )
        known.append(made)
        say(
            "model %s was not registered: this version has no models; its files stay in the run, at %s" % (name, source)
        )
        Run.get_submitted_run()._journal.write(name, MODEL, {"path": source, "version": version})
        return made

    def get_model_version(self, name, version):
        """A version that this process registered.

        Raises:
            MlflowException: if it did not.
        """
        for each in self._versions.get(name, ()):
            if str(each.version) == str(version):
                return each
        raise MlflowException(
            "this run has registered no version %s of %s; Runyard has no registry of models" % (version, name)
        )

    def get_latest_versions(self, name, stages=None):
        """The last version that this process registered."""
        return self._versions.get(name, [])[-1:]

    def get_model_version_download_uri(self, name, version):
        """Where its files are."""
        return self.get_model_version(name, version).source

    def search_registered_models(self, *args, **kwargs):
        """The names that this process registered."""
        return PagedList([self.get_registered_model(name) for name in self._versions], None)

    def search_model_versions(self, *args, **kwargs):
        """The versions that this process registered; filters are not applied."""
        return PagedList([each for known in self._versions.values() for each in known], None)

    def set_registered_model_tag(self, name, tag):
        """Nothing: there is no registry."""

    def set_model_version_tag(self, name, version, tag):
        """Nothing: there is no registry."""

    def set_registered_model_alias(self, name, alias, version):
        """Nothing: there is no registry."""


def _refuse(name):
    def refused(self, *args, **kwargs):
        raise MlflowException("Runyard has no registry of models, so no %s" % name)

    return refused


for _name, _method in list(vars(AbstractStore).items()):
    if getattr(_method, "__isabstractmethod__", False) and getattr(RunyardRegistry, _name) is _method:
        setattr(RunyardRegistry, _name, _refuse(_name))
