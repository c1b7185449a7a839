"""The file of Spark's dependencies that a run configuration of Azure ML Workbench names."""

import pytest

from tests.unit.test_runconfig_workbench import CONDA, about, fault, read, translate

SPARK = "aml_config/spark_dependencies.yml"

SPARK_FILE = """\
version: 2
configuration:
  "spark.app.name": "night"
  spark.executor.cores: 8
repositories:
  - https://maven.example
packages:
  - group: com.example
    artifact: tools_2.11
    version: 0.10
"""


def test_the_file_of_sparks_dependencies_is_read() -> None:
    config = read(
        "ArgumentVector: [a.py]\nTarget: vm\nSparkDependenciesFile: conf\\s.yml\n", {"conf/s.yml": SPARK_FILE}
    )
    assert config.spark.configuration == {"spark.app.name": "night", "spark.executor.cores": 8}
    spark = config.environment.spark
    assert spark.repositories == ["https://maven.example"]
    assert [(each.group, each.artifact, each.version) for each in spark.packages] == [
        ("com.example", "tools_2.11", "0.10")
    ]
    assert not about(config.notes, "s.yml")


@pytest.mark.parametrize("path", ["null", "''"])
def test_without_a_path_workbenchs_own_files_count(path: str) -> None:
    text = f"ArgumentVector: [a.py]\nTarget: docker\nSparkDependenciesFile: {path}\nCondaDependenciesFile: {path}\n"
    config = read(text, {SPARK: SPARK_FILE, CONDA: "dependencies: []"})
    assert config.spark.configuration["spark.app.name"] == "night"
    assert config.environment.python.conda_dependencies_file == CONDA
    plain, _ = translate(f"{text}Framework: Python\n", {SPARK: "- hostile"})
    assert "spark" not in plain


def test_a_named_spark_file_that_is_missing_is_noted() -> None:
    config = read("ArgumentVector: [a.py]\nTarget: vm\nSparkDependenciesFile: s.yml\n", {})
    assert about(config.notes, "SparkDependenciesFile is 's.yml', and there is no such file at hand")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("- a", "holds a list; it must be a mapping of `configuration`"),
        ("configuration: [a]", "line 1: configuration is a list; it must be a mapping"),
        ("repositories: a", "line 1: repositories is a text; it must be a list"),
        ("repositories: [[a]]", "line 1: repositories[0] is a list; it must be a text"),
        ("packages: {a: 1}", "line 1: packages is a mapping; it must be a list of mappings"),
        ("packages: [a]", "packages[0] is a text; it must be a mapping"),
        ("\npackages:\n- group: [a]", "line 3: packages[0].group is a list; it must be a text"),
    ],
)
def test_a_fault_in_the_spark_file_names_that_file(text: str, says: str) -> None:
    message = fault("ArgumentVector: [a.py]\nTarget: vm\nSparkDependenciesFile: s.yml\n", {"s.yml": text})
    assert message.startswith("s.yml")
    assert says in message
