"""The real conda files of 2018 become environments from an index, with their substitutions listed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from runyard.environment.conda_document import read_text
from runyard.environment.conda_normal import normalised
from tests.targets.environments import Builders, says
from tests.unit.test_runconfig_yaml12 import reference

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

FILES = (
    "0.1.80/02-local-system-managed-sklearn/aml_config/conda_dependencies.yml",
    "1.0.85/10-hdi-pyspark/.azureml/conda_dependencies.yml",
)


@pytest.mark.parametrize("name", FILES)
def test_a_real_file_is_built_by_nearest(builders: Builders, name: str) -> None:
    path = reference() / name
    conda = normalised(read_text(path.read_bytes(), path.name))
    # The index that this machine is configured with, if it is, is the one to be asked.
    kept = {each: text for each, text in os.environ.items() if each.startswith(("PIP_", "UV_"))}
    builders.variables = {**builders.variables, **kept}
    builders.variables.pop("PIP_CONFIG_FILE")
    builders.variables.pop("XDG_CONFIG_HOME")
    told = builders.build({**builders.record(resolver="auto"), "conda": conda}, CONDA_OFFLINE="true")
    python = says(told.ready["interpreter"], "import sys; print('.'.join(map(str, sys.version_info[:3])))")
    said = {note.partition(": ")[0] for note in told.notes}
    (azureml,) = [each for part in conda["dependencies"] if isinstance(part, dict) for each in part["pip"]]
    package = next(each for each in conda["dependencies"] if each in {"numpy", "scikit-learn"})
    assert {azureml, "python=3.6.2", package} <= said
    assert f"python=3.6.2: {python} is used, the nearest that is installed" in told.notes
    module = {"scikit-learn": "sklearn"}.get(package, package)
    assert says(told.ready["interpreter"], f"import {module}; print({module}.__file__)").startswith(
        told.ready["prefix"]
    )
    assert Path(told.ready["prefix"], "bin", "python").exists()
