"""Any file name is legal for a run configuration, and the files beside it are none."""

from __future__ import annotations

import pytest

from runyard.errors import RunconfigError
from runyard.runconfig.locate import choose, is_candidate, is_setting, keeper, weigh


@pytest.mark.parametrize(
    "name", ["my.yml", "cpu.json", "train.v2", "x.RUNCONFIG", "gpu", "conf.yaml", "definition.json"]
)
def test_any_name_may_be_one(name: str) -> None:
    assert is_candidate(f".azureml/{name}")
    assert choose([f".azureml/{name}", ".azureml/conda_dependencies.yml", "train.py"]) == f".azureml/{name}"


@pytest.mark.parametrize(
    "name",
    [
        "conda_dependencies.yml",
        "auto_conda_dependencies.yml",
        "gpu_conda_dependencies.yml",
        "environment.yml",
        "environment-gpu.yaml",
        "env.yml",
        "spark_dependencies.yml",
        "project.json",
        "config.json",
        "azureml_environment.json",
        "vm.compute",
        "VM.COMPUTE",
        "model.pkl",
        ".hidden",
        ".gitignore",
        "local.runconfig~",
        "local.bak",
        "README",
        "README.md",
        "requirements.txt",
        "train.py",
        "sub/my.yml",
        "x" * 300,
    ],
)
def test_known_neighbours_are_none(name: str) -> None:
    assert not is_candidate(f"aml_config/{name}")


def test_a_name_with_another_extension_counts_only_where_nothing_stronger_is() -> None:
    choice = weigh([".azureml/my.yml", ".azureml/cpu"])
    assert choice.name == ".azureml/cpu"
    assert [(other.name, "counts only" in other.why) for other in choice.others] == [(".azureml/my.yml", True)]
    with pytest.raises(
        RunconfigError, match=r"several run configurations: \.azureml/a\.yml, \.azureml/b\.yml; name one"
    ):
        choose([".azureml/a.yml", ".azureml/b.yml"])


def test_the_scaffolds_two_are_not_decided() -> None:
    with pytest.raises(RunconfigError, match=r"several .*docker\.runconfig, aml_config/local\.runconfig; name one"):
        choose(["aml_config/local.runconfig", "aml_config/docker.runconfig", "aml_config/conda_dependencies.yml"])


@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [
        ("cpu", ".azureml/cpu"),
        ("cpu.runconfig", ".azureml/cpu"),
        ("CPU", ".azureml/cpu"),
        (".azureml/cpu", ".azureml/cpu"),
        ("local", "aml_config/local.RUNCONFIG"),
        ("aml_config/local.runconfig", "aml_config/local.RUNCONFIG"),
        ("aml_config\\local.RUNCONFIG", "aml_config/local.RUNCONFIG"),
        (".\\aml_config\\local.RUNCONFIG", "aml_config/local.RUNCONFIG"),
        ("both", ".azureml/both"),
        ("both.runconfig", ".azureml/both.runconfig"),
        ("my.yml", ".azureml/my.yml"),
        ("deep/er/any.txt", "deep/er/any.txt"),
    ],
)
def test_the_ways_to_name_one(wanted: str, chosen: str) -> None:
    names = [
        ".azureml/cpu",
        "aml_config/local.RUNCONFIG",
        ".azureml/both",
        ".azureml/both.runconfig",
        ".azureml/my.yml",
        "deep/er/any.txt",
    ]
    choice = weigh(names, wanted)
    assert (choice.name, choice.why) == (chosen, "it was named")
    assert all(other.name != chosen for other in choice.others)
    assert keeper(wanted)(chosen)


def test_the_nearest_name_is_told() -> None:
    with pytest.raises(RunconfigError, match=r"did you mean 'aml_config/local\.runconfig'\?"):
        choose(["aml_config/local.runconfig"], "lcoal")


def test_a_body_comes_first_and_the_others_are_told_why_not() -> None:
    choice = weigh(["definition.json", "azureml-setup/runconfig.json", "aml_config/a.runconfig"])
    assert choice.name == "definition.json"
    assert {other.name for other in choice.others} == {"azureml-setup/runconfig.json", "aml_config/a.runconfig"}
    assert all("definition.json comes first" in other.why for other in choice.others)


def test_what_a_run_configuration_names_is_packed_whatever_an_ignore_file_says() -> None:
    for name in ("my.yml", "cpu", "conda_dependencies.yml", "environment.yml", "spark_dependencies.yml", "vm.compute"):
        assert is_setting(f".azureml/{name}")
    assert is_setting(".azureml/")
    assert not is_setting(".azureml/config.json")
    assert not is_setting(".azureml/model.pkl")
    assert not is_setting("train.py")


def test_a_long_hostile_name_costs_nothing() -> None:
    names = [f"aml_config/{'conda' * 13_000}.x{number}" for number in range(50)]
    with pytest.raises(RunconfigError, match="no run configuration"):
        choose(names)
