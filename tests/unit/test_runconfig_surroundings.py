"""What is prepared around a script: which packages count, and what the container is."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from runyard.errors import RunconfigError
from runyard.runconfig.job import job_spec
from runyard.runconfig.read import parse
from runyard.runs.model import ContainerSpec, EnvironmentSpec, JobSpec

CONDA = "channels: [conda-forge]\ndependencies: [python=3.8, {pip: [numpy, --pre]}]\n"
NORMAL = {"channels": ["conda-forge"], "dependencies": ["python=3.8", {"pip": ["--pre", "numpy"]}]}


def spec(text: str, files: Mapping[str, str] | None = None, name: str = "aml_config/local.runconfig") -> JobSpec:
    there = {path: data.encode() for path, data in (files or {}).items()}
    return job_spec(parse(text.encode(), name, files=there.get), name, files=there.get)


def environment(text: str, files: Mapping[str, str] | None = None, **more: str) -> EnvironmentSpec:
    found = spec("script: a.py\n" + text, files, **more).environment
    assert found is not None
    return found


def test_user_managed_dependencies_ask_for_no_environment() -> None:
    assert spec("script: a.py\nenvironment: {python: {userManagedDependencies: true}}").environment is None


def test_the_conda_file_beside_the_run_configuration_counts() -> None:
    found = environment("", {"aml_config/conda_dependencies.yml": CONDA, ".azureml/conda_dependencies.yml": "{}"})
    assert (found.conda, found.source) == (NORMAL, "aml_config/conda_dependencies.yml")


def test_a_run_configuration_from_elsewhere_finds_the_conda_file_of_either_folder() -> None:
    found = environment("", {".azureml/conda_dependencies.yml": CONDA}, name="given with the event")
    assert (found.conda, found.source) == (NORMAL, ".azureml/conda_dependencies.yml")


def test_inline_packages_come_before_every_file() -> None:
    text = "environment: {python: {condaDependencies: {dependencies: [numpy]}}}"
    found = environment(text, {"aml_config/conda_dependencies.yml": CONDA})
    assert found.conda == {"channels": [], "dependencies": ["numpy"]}


def test_requirements_count_where_there_is_no_conda_file_and_that_is_told() -> None:
    found = environment("", {"requirements.txt": "scipy==1.0\n"})
    assert found.conda["dependencies"] == [{"pip": ["scipy==1.0"]}]
    assert found.note == "there is no conda file; the packages are those of requirements.txt"


def test_without_any_file_the_environment_has_python_alone_and_that_is_told() -> None:
    found = environment("")
    assert (found.conda, found.source) == ({"channels": [], "dependencies": []}, "")
    assert found.note == "no file lists packages, so the environment has Python alone"


def test_a_conda_file_that_is_named_and_not_there_is_an_error_with_the_way_out() -> None:
    with pytest.raises(RunconfigError) as caught:
        environment("environment: {python: {condaDependenciesFile: aml_config/c.yml}}")
    assert str(caught.value) == (
        "aml_config/local.runconfig: environment.python.condaDependenciesFile is 'aml_config/c.yml', and there is no such file in "
        "the snapshot; add it (see that .amlignore does not leave it out), or set userManagedDependencies to true"
    )


def test_the_policy_the_base_and_whether_to_prepare_are_kept() -> None:
    text = "autoPrepareEnvironment: false\nrunyard: {legacy: Exact}\nenvironment: {python: {baseCondaEnvironment: ml}}"
    found = environment(text)
    assert (found.policy, found.base, found.auto_prepare) == ("exact", "ml", False)


def test_a_wrong_policy_is_named_with_what_is_allowed() -> None:
    with pytest.raises(RunconfigError, match=r"runyard\.legacy is the text 'newest'; it must be .*nearest.*exact"):
        environment("runyard: {legacy: newest}")


def test_the_order_of_packages_and_comments_do_not_make_another_environment() -> None:
    one = environment("", {"aml_config/conda_dependencies.yml": "dependencies: [b, a]\n"})
    other = environment("", {"aml_config/conda_dependencies.yml": "# c\ndependencies:\n- a\n- b\n"})
    assert one.conda == other.conda


def test_a_container_is_as_the_sections_of_its_era_say() -> None:
    text = """
script: a.py
environment:
  docker:
    enabled: true
    baseImage: team/gpu:1
    gpuSupport: true
    shmSize: 1g
    sharedVolumes: false
    arguments: [--cpus, "2"]
    baseImageRegistry: {address: team.example, username: u, password: p}
"""
    assert spec(text).container == ContainerSpec(
        image="team/gpu:1",
        arguments=("--cpus", "2"),
        gpu=True,
        shm_size="1g",
        shared_volumes=False,
        registry="team.example",
        username="u",
        password="p",
        platform="linux/amd64",
    )
