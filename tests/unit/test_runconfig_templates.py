"""Each template is a run configuration that is read without a word, and says what its kind needs."""

from __future__ import annotations

import pytest

from runyard.errors import RunconfigError
from runyard.runconfig.meaning import meaning
from runyard.runconfig.read import parse
from runyard.runconfig.templates import CONDA_FILE, TEMPLATES, Template, fill, find_template

KINDS = {"local", "ssh", "aci", "batch", "livy"}


def test_every_kind_has_a_template() -> None:
    assert {template.kind for template in TEMPLATES} == KINDS
    for kind in KINDS:
        assert find_template(kind).kind == kind


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda template: template.name)
def test_a_template_is_read_without_a_word(template: Template) -> None:
    text = fill(
        template, script="src/train.py", name="mine", folder=".azureml", arguments=["--lr", "0.10", "on", "a b"]
    )
    config = parse(text.encode(), "mine")
    assert (config.script, config.arguments) == ("src/train.py", ["--lr", "0.10", "on", "a b"])
    assert (config.unknown, config.notes) == ([], [])
    assert meaning(config).substitutions == ()
    assert config.target == template.target
    assert "$" not in text
    managed = not config.environment.python.user_managed_dependencies
    assert managed == template.has_packages
    assert (config.environment.python.conda_dependencies_file == ".azureml/conda_dependencies.yml") == managed
    lines = text.splitlines()
    for key in ("script", "arguments", "target"):
        at = next(number for number, line in enumerate(lines) if line.startswith(f"{key}:"))
        assert lines[at - 1].startswith(("#", "script:"))


def test_what_the_kinds_need_is_set() -> None:
    texts = {each.name: fill(each, script="a.py", name="n", folder="aml_config") for each in TEMPLATES}
    aci = parse(texts["aci"].encode(), "aci")
    assert (aci.target, aci.container_instance.cpu_cores, meaning(aci).container) == ("containerinstance", 1, True)
    mpi = meaning(parse(texts["mpi"].encode(), "mpi"))
    assert (mpi.communicator, mpi.node_count) == ("OpenMpi", 2)
    livy = parse(texts["livy"].encode(), "livy")
    assert (livy.framework, livy.spark.configuration["spark.app.name"]) == ("PySpark", "n")


def test_the_conda_file_is_one() -> None:
    from runyard.environment.conda import CondaDependencies

    CondaDependencies.from_text(CONDA_FILE).validate()


def test_other_words_for_a_kind_are_known_and_the_nearest_is_told() -> None:
    assert find_template("HDInsight").name == "livy"
    assert find_template("spark").name == "livy"
    with pytest.raises(RunconfigError, match=r"no template 'dokcer'; those are local, .*did you mean 'docker'\?"):
        find_template("dokcer")


def test_odd_values_are_quoted_and_a_script_outside_is_refused() -> None:
    template = find_template("local")
    text = fill(template, script="my a: b #.py", name="n", folder=".azureml", arguments=["null", "", "é\n"])
    config = parse(text.encode(), "n")
    assert (config.script, config.arguments) == ("my a: b #.py", ["null", "", "é\n"])
    with pytest.raises(RunconfigError, match="relative path inside"):
        fill(template, script="../a.py", name="n", folder=".azureml")
