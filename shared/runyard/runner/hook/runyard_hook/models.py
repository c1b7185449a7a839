"""Models that a script registers: there is no registry in this version, so their files stay with the run."""

import os

from .errors import say
from .reading import MODEL, entries
from .values import cell, text


class Models:
    """``register_model``; needs ``_journal`` and the run's files."""

    def register_model(
        self,
        model_name,
        model_path=None,
        tags=None,
        properties=None,
        model_framework=None,
        model_framework_version=None,
        description=None,
        datasets=None,
        sample_input_dataset=None,
        sample_output_dataset=None,
        resource_configuration=None,
        **kwargs,
    ):
        """Keep the model's files in the outputs, and note its name, path and tags with the run.

        There is no registry in this version: the log is told, and the script goes on.

        Returns:
            A model with the SDK's attributes; its version counts the registrations of its name by this run.
        """
        path = str(model_path or model_name).replace("\\", "/")
        kept = self._keep_model(path)
        there = "its files stay in the run, as %s" % kept if kept else "and there is no file %s" % path
        say("model %s was not registered: this version has no models; %s" % (model_name, there))
        known = {"tags": _pairs(tags), "properties": _pairs(properties), "description": description}
        known.update({"path": kept, "framework": model_framework, "framework_version": model_framework_version})
        version = 1 + sum(1 for each in self._models() if each == text(model_name))
        self._journal.write(model_name, MODEL, dict(known, version=version))
        return Model(model_name, version, self, known)

    def _keep_model(self, path):
        try:
            if not os.path.exists(self._target(path)):
                (self.upload_folder if os.path.isdir(path) else self.upload_file)(path, path)
            return os.path.relpath(self._target(path), self._work).replace(os.sep, "/")
        except (OSError, ValueError):
            return None  # told by who asked

    def _models(self):
        return [line["name"] for line in entries(self._journal.path, self._journal.child) if line["type"] == MODEL]


class Model:
    """What ``register_model`` gives back: the SDK's attributes. Nothing of it is anywhere but with its run."""

    def __init__(self, name, version, run, known):
        self.name = name
        self.version = version
        self.id = "%s:%d" % (name, version)
        self.run_id = run.id
        self.run = run
        self.experiment_name = getattr(getattr(run, "experiment", None), "name", None)
        self.tags = known["tags"]
        self.properties = known["properties"]
        self.description = known["description"]
        self.model_framework = known["framework"]
        self.model_framework_version = known["framework_version"]
        self.url = known["path"]
        """The name among the run's files; ``None`` if there was no such file."""

    def __repr__(self):
        return "Model(name=%s, id=%s)" % (self.name, self.id)

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        raise AttributeError(
            "this version has no registry of models: %s has no %s; its files are in its run" % (self.id, name)
        )


def _pairs(pairs):
    """A dict of texts that JSON can say."""
    return {text(key): cell(value) for key, value in (pairs or {}).items()}
