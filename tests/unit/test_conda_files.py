"""A conda file that was loaded is written back as it was, but for what was changed."""

import difflib
import itertools
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runyard.environment.conda import CondaDependencies
from runyard.errors import RunconfigError

_REFERENCE = Path(os.environ.get("RUNYARD_REFERENCE", Path(__file__).parents[3] / "shared")) / "runconfigs"


def real_files() -> list[Path]:
    """The real conda files; needed in CI, skipped elsewhere."""
    files = sorted(_REFERENCE.rglob("conda_dependencies.yml"))
    if not files:
        reason = f"no reference files at {_REFERENCE}; RUNYARD_REFERENCE names the folder that holds them"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return files


def changed_lines(before: str, after: str) -> list[str]:
    """The lines that went (``-…``) and came (``+…``)."""
    lines = difflib.ndiff(before.splitlines(keepends=True), after.splitlines(keepends=True))
    return [line.rstrip("\r\n") for line in lines if line[0] in "+-"]


def test_every_real_file_is_byte_identical_after_load_and_save(tmp_path: Path) -> None:
    files = real_files()
    assert len(files) > 40
    for file in files:
        conda = CondaDependencies(conda_dependencies_file_path=str(file))
        assert "3.6.2" == conda.get_python_version()
        assert any("azureml" in package for package in conda.pip_packages)
        conda.save(tmp_path / "saved.yml")
        assert file.read_bytes() == (tmp_path / "saved.yml").read_bytes(), file


def test_adding_a_package_to_any_real_file_adds_one_line_and_removing_it_gives_the_file_back() -> None:
    for file in real_files():
        for kind, package in (("conda", "lightgbm=3.1"), ("pip", "xgboost==1.2; python_version<'3.9'")):
            conda = CondaDependencies.load(file)
            getattr(conda, f"add_{kind}_package")(package)
            assert [package] == [line[2:].strip(" -") for line in changed_lines(file.read_text(), str_of(conda))], file
            getattr(conda, f"remove_{kind}_package")(package)
            assert file.read_bytes() == conda.to_bytes(), file


def str_of(conda: CondaDependencies) -> str:
    return conda.serialize_to_string()


def test_removing_or_replacing_a_package_of_a_real_file_changes_one_line() -> None:
    for file in real_files():
        for package in CondaDependencies.load(file).pip_packages:
            conda = CondaDependencies.load(file)
            conda.add_pip_package(f"{package.split('=')[0]}==9.9")
            came = changed_lines(file.read_text(), str_of(conda))
            assert ["-", "+"] == [line[0] for line in came], file
            assert came[1].endswith("==9.9")
        conda = CondaDependencies.load(file)
        conda.set_python_version("3.8")
        assert ["- - python=3.6.2", "+ - python=3.8"] == changed_lines(file.read_text(), str_of(conda))


def test_merging_real_files_gives_each_the_packages_of_both() -> None:
    files = real_files()
    for one, other in itertools.pairwise(files):
        conda, more = CondaDependencies.load(one), CondaDependencies.load(other)
        before = set(conda.conda_packages)
        conda.merge(more)
        assert set(conda.conda_packages) == before | set(more.conda_packages)
        assert set(more.pip_packages) <= set(conda.pip_packages)
        assert set(more.conda_channels) <= set(conda.conda_channels)
        assert conda == CondaDependencies.from_text(conda.to_bytes())
        assert one.read_text().count("# note") == str_of(conda).count("# note")


EXPORTED = """\
name: x
channels:
  - defaults
dependencies:
  - python=3.6   # why
  - "numpy=1.0"
  - pip:
    - azureml-defaults
    # tail

# end
prefix: /x
"""

LAYOUTS = {
    "two indentations": EXPORTED,
    "no line end": "dependencies:\n- python=3.6",
    "CRLF": "dependencies:\r\n- python=3.6\r\n- pip:\r\n  - a\r\n",
    "wide dashes": "dependencies:\n  -   python=3.6\n  -   pip:\n        -   a\n",
    "markers": "---\ndependencies:\n- python=3.6\n...\n",
    "flow": "channels: [a, b]\ndependencies: [python=3.6, numpy, {pip: [a, 'b']}]\n",
    "JSON": '{"name": "x",\n "dependencies": ["python=3.6",\n   "numpy",\n   {"pip": ["a"]}]}\n',
    "nothing": "dependencies: # note\nchannels:\n",
    "comments": "# only\n",
    "empty": "",
    "aliases": "dependencies:\n- &p python=3.6\n- *p\n- numpy\n",
    "two pip lists": "dependencies:\n- pip:\n  - a\n- python=3.6\n- pip:\n    - b\n    - c\n",
    "pip list first": "dependencies:\n- pip: [a]\n- python=3.6\n",
    "folded": "dependencies:\n- >-\n  python=3.6\n- |-\n  numpy\n",
    "unknown keys": "x-note: {a: [1, {b: yes}]}\ndependencies:\n- python=3.6\nplatforms: [linux-64]\n",
    "other casing": "Dependencies:\n- python=3.6\n- Pip: [a]\n",
    "not ASCII": "# é ☃\ndependencies:\n- python=3.6 # 𝄞\n- numpy\n",
    "quotes": "dependencies:\n- 'python=3.6'\n- \"numpy\"\n- pip:\n  - 'a; os_name==\"nt\"'\n",
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_any_layout_keeps_its_bytes_and_takes_every_change(layout: str) -> None:
    text = LAYOUTS[layout]
    conda = CondaDependencies.from_text(text)
    assert text.encode() == conda.to_bytes()
    conda.add_conda_package("numpy=2")
    conda.add_pip_package("zoo")
    conda.set_python_version("3.8")
    conda.add_channel("conda-forge")
    conda.set_pip_index_url("https://index.example/simple")
    again = CondaDependencies.from_text(conda.to_bytes())
    assert again == conda
    again.remove_conda_package("numpy")
    again.set_pip_requirements([])
    for channel in again.conda_channels:
        again.remove_channel(channel)
    last = CondaDependencies.from_text(again.to_bytes())
    assert last == again
    assert ["python=3.8"] == last.conda_packages
    assert not last.pip_packages
    assert not last.pip_options


def test_a_change_in_a_file_with_two_indentations_touches_its_own_lines_only() -> None:
    conda = CondaDependencies.from_text(EXPORTED)
    conda.add_pip_package("zoo")
    conda.add_conda_package("numpy=2")
    conda.remove_pip_package("azureml-defaults")
    conda.set_python_version("3.8")
    assert [
        "-   - python=3.6   # why",
        "+   - python=3.8   # why",
        '-   - "numpy=1.0"',
        '+   - "numpy=2"',
        "-     - azureml-defaults",
        "+     - zoo",
    ] == [line for line in changed_lines(EXPORTED, str_of(conda)) if line[0] in "+-"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_an_encoding_with_its_mark_stays(encoding: str) -> None:
    mark = "\ufeff" if encoding in {"utf-16-le", "utf-16-be"} else ""
    data = f"{mark}dependencies:\n- python=3.6 # é\n".encode(encoding)
    conda = CondaDependencies.from_text(data)
    assert data == conda.to_bytes()
    conda.add_conda_package("numpy")
    assert f"{mark}dependencies:\n- python=3.6 # é\n- numpy\n".encode(encoding) == conda.to_bytes()


def test_variables_that_are_merged_into_a_file_get_a_line_each() -> None:
    text = "dependencies: []\nvariables:\n  A: 1.10 # a number to YAML\n  B: x\n"
    conda = CondaDependencies.from_text(text)
    assert {"A": "1.10", "B": "x"} == conda.variables
    conda.merge(CondaDependencies.from_text("variables: {B: y, C: 'yes'}"))
    assert ["-   B: x", "+   B: y", '+   C: "yes"'] == changed_lines(text, str_of(conda))


def test_a_new_file_is_as_the_sdk_1_0_85_writes_it_and_is_read_alike(tmp_path: Path) -> None:
    conda = CondaDependencies()
    expected = (
        "name: project_environment\ndependencies:\n- python=3.6.2\n- pip:\n  - azureml-defaults\n"
        "channels:\n- conda-forge\n"
    )
    assert expected == conda.serialize_to_string()
    path = conda.save(tmp_path / "new.yml")
    assert conda == CondaDependencies(path)


@pytest.mark.parametrize(
    "package", ["on", "y", "1e3", "0o10", "12:30:45", "~", "null", "2018-09-24", "2018-99-99", "="]
)
def test_a_text_that_yaml_would_read_as_something_else_is_quoted(package: str) -> None:
    for conda in (CondaDependencies(), CondaDependencies.from_text("channels:\n- a\ndependencies: []\n")):
        conda.add_channel(package)
        assert package == CondaDependencies.from_text(conda.to_bytes()).conda_channels[-1]


@given(st.text(min_size=1, max_size=40).filter(lambda text: len(text.strip().splitlines()) == 1))
def test_any_text_survives_the_way_into_a_file_and_back(text: str) -> None:
    text = text.encode("utf-8", "replace").decode().replace("\0", "x").strip()
    for source in ("channels:\n- a # b\n", "channels: [a]\n", '{"channels": ["a"]}', "channels:\n"):
        conda = CondaDependencies.from_text(source)
        conda.add_channel(text)
        assert text in CondaDependencies.from_text(conda.to_bytes()).conda_channels


def test_saving_goes_to_where_it_was_loaded_from_or_to_a_path(tmp_path: Path) -> None:
    first = tmp_path / "a.yml"
    first.write_text("dependencies:\n- python=3.6\n")
    conda = CondaDependencies.load(first)
    conda.add_conda_package("numpy")
    assert first.as_posix() == conda.save()
    assert "dependencies:\n- python=3.6\n- numpy\n" == first.read_text()
    conda.add_conda_package("scipy")
    conda.save(tmp_path / "b.yml")
    assert "dependencies:\n- python=3.6\n- numpy\n- scipy\n" == (tmp_path / "b.yml").read_text()
    with pytest.raises(RunconfigError, match="is a folder"):
        conda.save(tmp_path)
    with pytest.raises(RunconfigError, match="does not exist; make it first"):
        conda.save(tmp_path / "no" / "c.yml")
    with pytest.raises(RunconfigError, match="where to save"):
        CondaDependencies().save()


def test_save_to_file_takes_the_folder_of_the_projects_layout(tmp_path: Path) -> None:
    assert ".azureml/auto_conda_dependencies.yml" == CondaDependencies().save_to_file(tmp_path)
    (tmp_path / "aml_config").mkdir()
    assert "aml_config/auto_conda_dependencies.yml" == CondaDependencies().save_to_file(str(tmp_path))
    assert "aml_config/my.yml" == CondaDependencies().save_to_file(tmp_path, "aml_config\\my.yml")
    assert 3 == len(list(tmp_path.rglob("*.yml")))
    with pytest.raises(RunconfigError, match="does not exist"):
        CondaDependencies().save_to_file(tmp_path / "none")
