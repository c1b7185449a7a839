"""Run configurations on disk: found by the SDK's rules, and written back with every byte that did not have to change."""

import difflib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from runyard import CondaDependencies, RunConfiguration
from runyard.errors import RunconfigError
from runyard.runconfig.data_sections import DataReferenceConfiguration
from tests.unit.test_runconfig_yaml12 import reference

TEXT = """\
# my run
Script: train.py   # what runs
arguments: [--lr, 0.10]
target: local
environment:
  python: {userManagedDependencies: true, mine: 1}
# a comment at column 0
  environmentVariables:
    Target: keep
    nodeCount: '3'
custom:
  deep: [1, {x: y}]
"""


def project(tmp_path: Path, text: str = TEXT, name: str = ".azureml/cpu") -> Path:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(text)
    return tmp_path


def changed(before: str, after: str) -> list[str]:
    return [line for line in difflib.ndiff(before.splitlines(), after.splitlines()) if line[0] in "+-"]


def real_projects() -> Iterator[tuple[Path, str]]:
    for name, values in json.loads((reference() / "GOLDEN-yaml12.json").read_text()).items():
        if "target" in values:
            yield reference() / name, name


def test_every_real_file_is_byte_identical_after_load_and_save_and_changes_one_line(tmp_path: Path) -> None:
    count = 0
    for file, _name in real_projects():
        root = tmp_path / str(count)
        shutil.copytree(file.parent, root / file.parent.name)
        copy = root / file.parent.name / file.name
        before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
        config = RunConfiguration.load(copy)
        assert config.save() == copy
        assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before
        config.max_run_duration_seconds = 77
        config.save()
        assert len(changed(before[copy].decode(), copy.read_text())) == 2, file
        assert RunConfiguration.load(root, file.name).max_run_duration_seconds == 77
        count += 1
    assert count > 45


def test_what_is_not_changed_keeps_its_spelling_comments_and_unknown_keys(tmp_path: Path) -> None:
    root = project(tmp_path)
    config = RunConfiguration.load(root, "cpu")
    config.script = "other.py"
    config.save()
    after = (root / ".azureml/cpu").read_text()
    assert changed(TEXT, after) == ["- Script: train.py   # what runs", "+ Script: other.py   # what runs"]


def test_an_item_of_a_list_and_a_variable_change_alone(tmp_path: Path) -> None:
    root = project(tmp_path, TEXT.replace("[--lr, 0.10]", "\n- --lr\n- 0.10"))
    config = RunConfiguration.load(root)
    config.arguments.append("--flag")
    config.environment.environment_variables["nodeCount"] = "4"
    config.environment.environment_variables["New"] = "on"
    config.save()
    after = (root / ".azureml/cpu").read_text()
    assert "- 0.10\n- --flag\n" in after
    assert "    nodeCount: '4'\n    New: 'on'\n" in after
    assert RunConfiguration.load(root).arguments == ["--lr", "0.10", "--flag"]


def test_a_key_that_was_not_there_is_added_where_it_belongs(tmp_path: Path) -> None:
    root = project(tmp_path)
    config = RunConfiguration.load(root)
    config.environment.docker.base_image = "python:3.11"
    config.runyard.retries = 2
    config.save()
    after = (root / ".azureml/cpu").read_text()
    assert not [line for line in changed(TEXT, after) if line[0] == "-"]
    again = RunConfiguration.load(root)
    assert (again.environment.docker.base_image, again.runyard.retries) == ("python:3.11", 2)
    assert again.unknown == ["environment.python.mine", "custom"]


def test_what_others_changed_meanwhile_stays(tmp_path: Path) -> None:
    root = project(tmp_path)
    config = RunConfiguration.load(root)
    (root / ".azureml/cpu").write_text(TEXT.replace("target: local", "target: vm"))
    config.script = "other.py"
    config.save()
    again = RunConfiguration.load(root)
    assert (again.script, again.target) == ("other.py", "vm")


def test_a_new_one_is_written_into_the_folder_that_exists_and_else_makes_azureml(tmp_path: Path) -> None:
    config = RunConfiguration(script="a.py", arguments=["--x", 0.5, "on"], framework="python")  # type: ignore[list-item]
    assert config.save(tmp_path, "cpu") == tmp_path / ".azureml" / "cpu"
    again = RunConfiguration.load(tmp_path, "cpu")
    assert (again.script, again.arguments) == ("a.py", ["--x", "0.5", "on"])
    assert again.environment.python.conda_dependencies_file == ".azureml/conda_dependencies.yml"
    assert (tmp_path / ".azureml/conda_dependencies.yml").is_file()
    old = tmp_path / "old"
    (old / "aml_config").mkdir(parents=True)
    assert RunConfiguration().save(old) == old / "aml_config" / "local"


def test_saving_under_another_name_leaves_the_first_file(tmp_path: Path) -> None:
    root = project(tmp_path)
    config = RunConfiguration.load(root)
    config.target = "vm"
    assert config.save(name="vm") == root / ".azureml/vm"
    assert (root / ".azureml/cpu").read_text() == TEXT
    assert changed(TEXT, (root / ".azureml/vm").read_text()) == ["- target: local", "+ target: vm"]
    with pytest.raises(RunconfigError, match=r"several run configurations: \.azureml/cpu, \.azureml/vm"):
        RunConfiguration.load(root)


def test_a_name_that_has_a_runconfig_file_is_saved_there(tmp_path: Path) -> None:
    root = project(tmp_path, name="aml_config/cpu.runconfig")
    config = RunConfiguration.load(root, "cpu")
    assert config.save(root, "cpu") == root / "aml_config/cpu.runconfig"


def test_a_project_object_and_the_folder_itself_are_understood(tmp_path: Path) -> None:
    root = project(tmp_path)
    for config in (
        RunConfiguration.load(project_object=SimpleNamespace(project_directory=str(root)), run_config_name="cpu"),
        RunConfiguration.load(root / ".azureml", "cpu"),
        RunConfiguration.load(str(root / ".azureml/cpu")),
        RunConfiguration.load(root),
    ):
        assert config.script == "train.py"


@pytest.mark.parametrize(("path", "name"), [("nowhere", None), (".", "gpu"), (".", None)])
def test_what_is_not_there_is_named(tmp_path: Path, path: str, name: str | None) -> None:
    if name:
        project(tmp_path)
    with pytest.raises(RunconfigError) as caught:
        RunConfiguration.load(tmp_path / path, name)
    assert (name or path).strip(".") in caught.value.message
    assert "\n" not in caught.value.message


def test_an_environment_in_a_file_of_its_own_is_changed_there(tmp_path: Path) -> None:
    root = project(tmp_path, "script: a.py\nenvironment: .azureml/environment.yml\n")
    (root / ".azureml/environment.yml").write_text("# mine\ndocker:\n  enabled: false\n")
    config = RunConfiguration.load(root, "cpu")
    config.environment.docker.enabled = True
    config.target = "vm"
    config.save()
    assert (root / ".azureml/environment.yml").read_text() == "# mine\ndocker:\n  enabled: true\n"
    assert (root / ".azureml/cpu").read_text() == "script: a.py\nenvironment: .azureml/environment.yml\ntarget: vm\n"


def test_a_new_one_may_keep_its_environment_apart(tmp_path: Path) -> None:
    config = RunConfiguration()
    config.environment.docker.enabled = True
    config.save(tmp_path, "cpu", separate_environment_yaml=True)
    assert "environment: .azureml/environment.yml\n" in (tmp_path / ".azureml/cpu").read_text()
    assert RunConfiguration.load(tmp_path, "cpu").environment.docker.enabled is True


def test_a_submission_body_is_changed_in_place(tmp_path: Path) -> None:
    body: dict[str, Any] = {
        "TargetDetails": None,
        "Configuration": {"Script": "a.py", "Mine": [1]},
        "TelemetryValues": {"k": "v"},
    }
    (tmp_path / "definition.json").write_text(json.dumps(body, indent=2))
    config = RunConfiguration.load(tmp_path)
    config.script = "b.py"
    config.node_count = 3
    config.save()
    body["Configuration"] |= {"Script": "b.py", "nodeCount": 3}
    assert json.loads((tmp_path / "definition.json").read_text()) == body


def test_a_workbench_file_is_changed_in_its_own_words(tmp_path: Path) -> None:
    text = "# 2017\nArgumentVector:\n- train.py\n- --lr\n- 0.10\nTarget: local\nFramework: Python\nMine: 1\n"
    root = project(tmp_path, text, "aml_config/local.runconfig")
    config = RunConfiguration.load(root)
    config.save()
    assert (root / "aml_config/local.runconfig").read_text() == text
    config.arguments[1] = "0.2"
    config.save()
    assert changed(text, (root / "aml_config/local.runconfig").read_text()) == ["- - 0.10", "+ - '0.2'"]
    config.environment.docker.shm_size = "1g"
    with pytest.raises(RunconfigError, match="Workbench has no key for environment; save it under another name"):
        config.save()


def test_what_cannot_be_read_again_is_not_written(tmp_path: Path) -> None:
    root = project(tmp_path)
    config = RunConfiguration.load(root)
    config.node_count = "four"  # type: ignore[assignment]
    with pytest.raises(RunconfigError, match="nodeCount is the text 'four'"):
        config.save()
    assert (root / ".azureml/cpu").read_text() == TEXT
    assert [path.name for path in (root / ".azureml").iterdir()] == ["cpu"]


def test_the_packages_of_a_neighbour_are_not_written_over(tmp_path: Path) -> None:
    first = RunConfiguration(conda_dependencies=CondaDependencies.create(conda_packages=["numpy"]))
    first.save(tmp_path, "first")
    shared = (tmp_path / ".azureml/conda_dependencies.yml").read_bytes()
    RunConfiguration(conda_dependencies=CondaDependencies.create(conda_packages=["numpy"])).save(tmp_path, "same")
    other = RunConfiguration(conda_dependencies=CondaDependencies.create(conda_packages=["scipy"]))
    other.save(tmp_path, "other")
    assert (tmp_path / ".azureml/conda_dependencies.yml").read_bytes() == shared
    again = RunConfiguration.load(tmp_path, "other").environment.python
    assert again.conda_dependencies_file == ".azureml/other_conda_dependencies.yml"
    assert [*again.conda_dependencies.conda_packages] == ["python=3.6.2", "scipy"]


def test_a_package_that_is_added_is_one_line_of_the_conda_file(tmp_path: Path) -> None:
    root = project(tmp_path, "script: a.py\nenvironment: {python: {condaDependenciesFile: aml_config/c.yml}}\n")
    (root / "aml_config").mkdir()
    conda = "# mine\nname: x\ndependencies:\n- python=3.6.2\n  # why\n- pip:\n  - azureml-defaults\n"
    (root / "aml_config/c.yml").write_text(conda)
    config = RunConfiguration.load(root, "cpu")
    config.save()
    assert (root / "aml_config/c.yml").read_text() == conda
    config.environment.python.conda_dependencies.add_pip_package("requests==2.0")
    config.save()
    assert changed(conda, (root / "aml_config/c.yml").read_text()) == ["+   - requests==2.0"]
    assert [*RunConfiguration.load(root, "cpu").environment.python.conda_dependencies.pip_packages] == [
        "azureml-defaults",
        "requests==2.0",
    ]


def test_a_file_keeps_its_mode_and_a_link_stays_a_link(tmp_path: Path) -> None:
    root = project(tmp_path)
    file = root / ".azureml/cpu"
    real = root / "real.yml"
    file.rename(real)
    file.symlink_to(real)
    real.chmod(0o600)
    config = RunConfiguration.load(root)
    config.target = "vm"
    config.save()
    assert file.is_symlink()
    assert real.stat().st_mode & 0o777 == 0o600
    assert "target: vm" in real.read_text()


def test_the_notebooks_of_2018_work_as_they_are(tmp_path: Path) -> None:
    config = RunConfiguration(framework="python")
    config.target = "containerinstance"
    config.container_instance.region = "eastus"
    config.container_instance.cpu_cores = 1
    config.container_instance.memory_gb = 2
    config.environment.docker.enabled = True
    config.environment.python.user_managed_dependencies = False
    config.prepare_environment = True
    config.auto_prepare_environment = True
    config.environment.python.conda_dependencies = CondaDependencies.create(conda_packages=["scikit-learn"])
    config.save(tmp_path, "aci")
    text = (tmp_path / ".azureml/aci").read_text()
    assert "containerInstance:\n" in text
    assert "memoryGb: 2\n" in text
    assert "autoPrepareEnvironment" not in text
    again = RunConfiguration.load(tmp_path, "aci")
    config.framework = "Python"  # casing does not count
    assert again == config
    assert "scikit-learn" in [*again.environment.python.conda_dependencies.conda_packages]


def test_requirements_txt_counts_where_there_is_no_conda_file(tmp_path: Path) -> None:
    root = project(tmp_path, "script: a.py\n")
    (root / "requirements.txt").write_text("requests==2.0  # why\n")
    config = RunConfiguration.load(root)
    assert [*config.environment.python.conda_dependencies.pip_packages] == ["requests==2.0"]
    assert "there is no conda file; the packages are those of requirements.txt" in config.notes[0]
    config.target = "vm"
    config.save()
    assert sorted(path.name for path in root.rglob("*") if path.is_file()) == ["cpu", "requirements.txt"]
    (root / ".azureml/conda_dependencies.yml").write_text("dependencies: [numpy]\n")
    assert [*RunConfiguration.load(root).environment.python.conda_dependencies.conda_packages] == ["numpy"]


def test_a_glance_at_packages_that_are_not_used_changes_no_file(tmp_path: Path) -> None:
    conda = tmp_path / ".azureml/conda_dependencies.yml"
    config = RunConfiguration.load(project(tmp_path), "cpu")
    assert "azureml-defaults" in "".join(config.environment.python.conda_dependencies.pip_packages)
    config.save(tmp_path, "cpu")
    assert (TEXT, False) == ((tmp_path / ".azureml/cpu").read_text(), conda.exists())
    conda.write_text("# theirs\ndependencies: [numpy]\n")
    config = RunConfiguration.load(tmp_path, "cpu")
    assert ["numpy"] == list(config.environment.python.conda_dependencies.conda_packages)
    config.save(tmp_path, "cpu")
    conda.write_text("dependencies: 7\n")
    config = RunConfiguration.load(tmp_path, "cpu")
    config.environment.python.conda_dependencies.add_pip_package("scipy")
    config.save(tmp_path, "cpu")
    assert "dependencies: 7\n" == conda.read_text()
    assert "scipy" in (tmp_path / ".azureml/cpu_conda_dependencies.yml").read_text()


def test_a_data_reference_is_made_with_the_parameters_of_the_sdk(tmp_path: Path) -> None:
    config = RunConfiguration()
    config.data_references["in"] = DataReferenceConfiguration(
        "store", "download", path_on_datastore="a/b", overwrite=True
    )
    config.save(tmp_path, "mine")
    found = RunConfiguration.load(tmp_path, "mine").data_references["in"]
    assert found == DataReferenceConfiguration(
        data_store_name="store", path_on_data_store="a/b", mode="download", overwrite=True
    )
