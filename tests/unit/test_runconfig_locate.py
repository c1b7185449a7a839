"""Which run configuration of a snapshot counts."""

import pytest

from runyard.errors import RunconfigError
from runyard.runconfig.locate import choose, is_candidate, keeper


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (
            ["a.py", "aml_config/local.runconfig", "aml_config/conda_dependencies.yml", "aml_config/config.json"],
            "aml_config/local.runconfig",
        ),
        ([".azureml/train", ".azureml/conda_dependencies.yml", ".azureml/x.compute"], ".azureml/train"),
        (["aml_config/a.runconfig", "aml_config/b.runconfig", "definition.json"], "definition.json"),
        (["aml_config/a.runconfig", "azureml-setup/runconfig.json"], "azureml-setup/runconfig.json"),
        (["definition.json", "azureml-setup/runconfig.json"], "definition.json"),
        (["aml_config/a.RunConfig", "src/aml_config/b.runconfig"], "aml_config/a.RunConfig"),
    ],
)
def test_the_first_found_counts(names: list[str], chosen: str) -> None:
    assert chosen == choose(names)


@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [
        ("local", "aml_config/local.runconfig"),
        ("local.runconfig", "aml_config/local.runconfig"),
        ("aml_config/local.runconfig", "aml_config/local.runconfig"),
        ("train", ".azureml/train"),
        ("conf/own.yml", "conf/own.yml"),
        ("./conf/own.yml", "conf/own.yml"),
        ("top", "top.runconfig"),
        ("my.yml", ".azureml/my.yml"),
    ],
)
def test_a_name_or_a_path_may_be_given(wanted: str, chosen: str) -> None:
    names = [
        "aml_config/local.runconfig",
        ".azureml/train",
        ".azureml/my.yml",
        "conf/own.yml",
        "top.runconfig",
        "definition.json",
    ]
    assert chosen == choose(names, wanted)
    assert keeper(wanted)(chosen)


def test_several_candidates_are_listed_with_the_way_to_name_one() -> None:
    with pytest.raises(
        RunconfigError, match=r"several .*: \.azureml/b, aml_config/a\.runconfig; name one with `--runconfig NAME`"
    ):
        choose(["aml_config/a.runconfig", ".azureml/b"])


def test_a_name_in_both_folders_is_not_decided() -> None:
    with pytest.raises(RunconfigError, match="give the path of one"):
        choose(["aml_config/a.runconfig", ".azureml/a"], "a")


def test_a_name_that_is_not_there_lists_those_that_are() -> None:
    with pytest.raises(RunconfigError, match=r"no run configuration 'gpu'; those there are: aml_config/a\.runconfig"):
        choose(["aml_config/a.runconfig"], "gpu")
    with pytest.raises(RunconfigError, match="there is none"):
        choose(["a.py"], "gpu")


def test_none_says_what_to_do() -> None:
    with pytest.raises(RunconfigError, match=r"put one into `aml_config/` or `\.azureml/`"):
        choose(["a.py"])


def test_a_zipped_folder_is_recognised() -> None:
    with pytest.raises(RunconfigError, match="zip what is in the folder"):
        choose(["project/a.py", "project/aml_config/a.runconfig"])


def test_only_files_directly_in_the_folders_are_candidates() -> None:
    assert not is_candidate("aml_config/sub/a.runconfig")
    assert not is_candidate("aml_config/")
    assert not is_candidate("a.runconfig")
    assert not is_candidate(".azureml/config.json")
    keep = keeper()
    assert keep("definition.json")
    assert keep(".azureml/environment.yml")
    assert not keep("train.py")
