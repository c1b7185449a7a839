"""``CondaDependencies`` has the methods of the Azure ML SDK v1, and each works as documented."""

import copy
import inspect
from collections.abc import Callable

import pytest

from runyard.environment.conda import CondaDependencies
from runyard.errors import RunconfigError

SIGNATURES = {
    "__init__": "conda_dependencies_file_path=None, _underlying_structure=None",
    "create": "pip_indexurl=None, pip_packages=None, conda_packages=None, python_version='3.6.2', pin_sdk_version=True",
    "merge_requirements": "requirements",
    "sdk_origin_url": "",
    "set_pip_index_url": "index_url",
    "get_default_number_of_packages": "",
    "get_python_version": "",
    "set_python_version": "version",
    "add_channel": "channel",
    "remove_channel": "channel",
    "add_conda_package": "conda_package",
    "remove_conda_package": "conda_package",
    "add_pip_package": "pip_package",
    "set_pip_option": "pip_option",
    "remove_pip_option": "pip_option",
    "remove_pip_package": "pip_package",
    "set_pip_requirements": "pip_requirements",
    "add_cntk_package": "core_type='cpu'",
    "add_tensorflow_pip_package": "core_type='cpu', version=None",
    "add_tensorflow_conda_package": "core_type='cpu', version=None",
    "save_to_file": "base_directory, conda_file_path=None",
    "save": "path=None",
    "serialize_to_string": "",
    "as_dict": "",
}
"""The public methods of azureml.core.conda_dependencies.CondaDependencies, SDK 1.x."""


@pytest.mark.parametrize("name", SIGNATURES)
def test_a_method_of_the_sdk_has_its_name_and_parameters(name: str) -> None:
    parameters = inspect.signature(getattr(CondaDependencies, name)).parameters.values()
    written = [
        parameter.name if parameter.default is parameter.empty else f"{parameter.name}={parameter.default!r}"
        for parameter in parameters
        if parameter.name != "self"
    ]
    assert SIGNATURES[name] == ", ".join(written)


@pytest.mark.parametrize("name", ["conda_channels", "conda_packages", "pip_packages", "pip_options"])
def test_a_property_of_the_sdk_is_one_and_gives_a_copy(name: str) -> None:
    conda = CondaDependencies.create(pip_indexurl="https://i.example")
    assert isinstance(inspect.getattr_static(CondaDependencies, name), property)
    got = getattr(conda, name)
    assert got == [*got]
    assert got
    got.clear()
    assert getattr(conda, name)


def made(
    conda: list[str] | None = None, pip: list[str] | None = None, channels: list[str] | None = None
) -> CondaDependencies:
    dependencies: list[object] = [*(conda or [])]
    if pip is not None:
        dependencies.append({"pip": pip})
    return CondaDependencies(_underlying_structure={"dependencies": dependencies, "channels": channels or []})


Change = Callable[[CondaDependencies], object]
CONDA: list[tuple[list[str], Change, list[str]]] = [
    (["python=3.6"], lambda c: c.add_conda_package("numpy"), ["python=3.6", "numpy"]),
    (["numpy=1.14", "scipy"], lambda c: c.add_conda_package("NumPy>=1.15"), ["NumPy>=1.15", "scipy"]),
    (["conda-forge::numpy=1.14"], lambda c: c.add_conda_package("numpy"), ["numpy"]),
    (["numpy[version='>1']", "numpy"], lambda c: c.add_conda_package("numpy=2"), ["numpy=2"]),
    (["numpy-base"], lambda c: c.add_conda_package("numpy"), ["numpy-base", "numpy"]),
    (["scikit_x"], lambda c: c.add_conda_package("scikit-x"), ["scikit_x", "scikit-x"]),
    (["python=3.6"], lambda c: c.add_conda_package("python=3.7"), ["python=3.7"]),
    (["python-dateutil"], lambda c: c.add_conda_package("python"), ["python-dateutil", "python"]),
    (["a"], lambda c: c.add_conda_package("https://h/l/a-1.0-py_0.tar.bz2"), ["https://h/l/a-1.0-py_0.tar.bz2"]),
    (["numpy=1.14=py36", "scipy"], lambda c: c.remove_conda_package("numpy"), ["scipy"]),
    (["numpy=1.14"], lambda c: c.remove_conda_package("numpy=1.15"), []),
    (["numpy"], lambda c: c.remove_conda_package("scipy"), ["numpy"]),
    (["a", "python=3.6"], lambda c: c.set_python_version("3.8.1"), ["a", "python=3.8.1"]),
    (["a"], lambda c: c.set_python_version(">=3.6,<3.8"), ["python>=3.6,<3.8", "a"]),
    (["a"], lambda c: c.add_tensorflow_conda_package(), ["a", "tensorflow=2.2.0"]),
    (["tensorflow=1", "a"], lambda c: c.add_tensorflow_conda_package("gpu", "1.9"), ["tensorflow-gpu=1.9", "a"]),
    (["tensorflow-hub"], lambda c: c.add_tensorflow_conda_package(), ["tensorflow-hub", "tensorflow=2.2.0"]),
]


@pytest.mark.parametrize(("before", "change", "after"), CONDA)
def test_conda_packages_are_known_by_their_names(before: list[str], change: Change, after: list[str]) -> None:
    conda = made(before, ["kept"])
    change(conda)
    assert after == conda.conda_packages
    assert ["kept"] == conda.pip_packages


PIP: list[tuple[list[str], Change, list[str]]] = [
    (["a"], lambda c: c.add_pip_package("b==1"), ["a", "b==1"]),
    (["Azureml_SDK[x]==1", "b"], lambda c: c.add_pip_package("azureml-sdk~=2.0"), ["azureml-sdk~=2.0", "b"]),
    (["a==1", "b"], lambda c: c.add_pip_package("a @ https://h/a.zip"), ["a @ https://h/a.zip", "b"]),
    (["a @ https://h/a.zip"], lambda c: c.add_pip_package("A"), ["A"]),
    (["git+https://h/a.git@v1#egg=a"], lambda c: c.add_pip_package("a"), ["a"]),
    (["-e git+https://h/a.git#egg=a&subdirectory=s"], lambda c: c.add_pip_package("a"), ["a"]),
    (["git+https://h/a.git@v1"], lambda c: c.add_pip_package("git+https://h/a.git@v2"), ["git+https://h/a.git@v2"]),
    (["https://h/a-1.0-py3-none-any.whl?sig=x"], lambda c: c.add_pip_package("a==2"), ["a==2"]),
    (["./dist/a-1.0.tar.gz"], lambda c: c.add_pip_package("a==2"), ["a==2"]),
    (["-e ."], lambda c: c.add_pip_package("-e .[dev]"), ["-e .[dev]"]),
    (["--editable=./a"], lambda c: c.add_pip_package("-e ./b"), ["--editable=./a", "-e ./b"]),
    (["a==1; os_name=='nt'"], lambda c: c.add_pip_package("a==2; os_name=='posix'"),
     ["a==1; os_name=='nt'", "a==2; os_name=='posix'"]),
    (["a==1; os_name=='nt'", "a"], lambda c: c.add_pip_package("a==3"), ["a==3"]),
    (["a==1", "a==1"], lambda c: c.add_pip_package("a==1"), ["a==1"]),
    (["a>=1.0.*"], lambda c: c.add_pip_package("a>=2.0.*"), ["a>=2.0.*"]),
    (["A.b-c[x]>1; os_name=='nt'", "z"], lambda c: c.remove_pip_package("a_b.c"), ["z"]),
    (["a"], lambda c: c.remove_pip_package("b"), ["a"]),
    (["a", "-e ../b"], lambda c: c.remove_pip_option("-e ../b"), ["a"]),
    (["a"], lambda c: c.set_pip_option("-e ../b"), ["a", "-e ../b"]),
    (["a", "b"], lambda c: c.set_pip_requirements(["c", "-e ."]), ["c", "-e ."]),
    (["a"], lambda c: c.add_tensorflow_pip_package(), ["a", "tensorflow==2.2.0"]),
    (["tensorflow-hub", "tensorflow-gpu==1"], lambda c: c.add_tensorflow_pip_package("cpu", "1.13"),
     ["tensorflow-hub", "tensorflow==1.13"]),
    (["cntk==2.0"], lambda c: c.add_cntk_package("gpu"), ["cntk-gpu==2.7"]),
]  # fmt: skip


@pytest.mark.parametrize(("before", "change", "after"), PIP)
def test_pip_packages_are_known_by_their_normalised_names(before: list[str], change: Change, after: list[str]) -> None:
    conda = made(["python=3.6"], before)
    change(conda)
    assert after == conda.pip_packages
    assert [] == conda.pip_options
    assert ["python=3.6"] == conda.conda_packages


OPTIONS: list[tuple[list[str], Change, list[str]]] = [
    ([], lambda c: c.set_pip_option("--pre"), ["--pre"]),
    (["--pre"], lambda c: c.set_pip_option("--pre"), ["--pre"]),
    ([], lambda c: c.set_pip_index_url("https://a"), ["--index-url https://a"]),
    (["-i https://a", "--pre"], lambda c: c.set_pip_index_url("--index-url https://b"), ["--index-url https://b", "--pre"]),
    (["--index-url=https://a"], lambda c: c.set_pip_option("-i https://b"), ["-i https://b"]),
    (["-i https://a", "-i https://b"], lambda c: c.set_pip_index_url("https://c"), ["--index-url https://c"]),
    (["-f a"], lambda c: c.set_pip_option("--find-links b"), ["-f a", "--find-links b"]),
    (["-f a"], lambda c: c.set_pip_option("--find-links=a"), ["-f a"]),
    (["--extra-index-url a"], lambda c: c.set_pip_option("--extra-index-url b"),
     ["--extra-index-url a", "--extra-index-url b"]),
    (["-i a --extra-index-url b"], lambda c: c.set_pip_index_url("c"), ["--extra-index-url b --index-url c"]),
    (["-i a --extra-index-url b"], lambda c: c.remove_pip_option("--index-url"), ["--extra-index-url b"]),
    (["--index-url a", "--pre"], lambda c: c.remove_pip_option("-i"), ["--pre"]),
    (["--index-url a"], lambda c: c.remove_pip_option("--index-url b"), []),
    (["-f a", "-f b"], lambda c: c.remove_pip_option("--find-links"), []),
    (["-f a", "-f b"], lambda c: c.remove_pip_option("--find-links b"), ["-f a"]),
    (["--pre"], lambda c: c.remove_pip_option("--no-index"), ["--pre"]),
    (["-r x.txt", "-c y.txt"], lambda c: c.remove_pip_option("--constraint y.txt"), ["-r x.txt"]),
]  # fmt: skip


@pytest.mark.parametrize(("before", "change", "after"), OPTIONS)
def test_pip_options_are_known_by_their_long_names(before: list[str], change: Change, after: list[str]) -> None:
    conda = made(["python=3.6"], [*before[:1], "kept", *before[1:]])
    change(conda)
    assert after == conda.pip_options
    assert ["kept"] == conda.pip_packages


def test_several_pip_lists_anywhere_are_one_to_the_methods() -> None:
    conda = CondaDependencies.from_text(
        "dependencies:\n- pip: [a, -i x]\n- python=3.6\n- pip: [b, --pre]\n- numpy\n- pip\n"
    )
    assert ["a", "b"] == conda.pip_packages
    assert ["-i x", "--pre"] == conda.pip_options
    assert ["python=3.6", "numpy", "pip"] == conda.conda_packages
    conda.add_pip_package("a==2")
    conda.remove_pip_package("b")
    conda.set_pip_option("--no-index")
    assert [{"pip": ["a==2", "-i x"]}, {"pip": ["--pre", "--no-index"]}] == [
        item for item in conda.as_dict()["dependencies"] if isinstance(item, dict)
    ]


def test_channels_are_added_behind_the_others_and_removed() -> None:
    conda = made(channels=["a", "b"])
    conda.add_channel("c")
    conda.add_channel("a")
    assert ["a", "b", "c"] == conda.conda_channels
    conda.remove_channel("b")
    conda.remove_channel("nobody")
    assert ["a", "c"] == conda.conda_channels


@pytest.mark.parametrize(
    ("package", "version"),
    [
        ("python=3.6.2", "3.6.2"),
        ("python==3.6.*", "3.6.*"),
        ("Python 3.7", "3.7"),
        ("python=3.6=h1_0", "3.6"),
        ("conda-forge::python >=3.6, <3.8", ">=3.6,<3.8"),
        ("python[version='3.10']", "3.10"),
        ("python", None),
        ("python-dateutil=2", None),
    ],
)
def test_the_version_of_python_is_told(package: str, version: str | None) -> None:
    assert version == made([package]).get_python_version()


def test_create_without_arguments_is_a_new_object_and_packages_take_the_place_of_the_default() -> None:
    assert CondaDependencies() == CondaDependencies.create()
    assert ["azureml-defaults"] == CondaDependencies.create(conda_packages=["numpy"]).pip_packages
    conda = CondaDependencies.create(
        pip_indexurl="https://i.example/simple",
        pip_packages=["xgboost", "--pre", "azureml-sdk"],
        conda_packages=["numpy=1.15", "python=3.7"],
        pin_sdk_version=False,
    )
    assert ["xgboost", "azureml-sdk"] == conda.pip_packages
    assert ["--index-url https://i.example/simple", "--pre"] == conda.pip_options
    assert ["python=3.7", "numpy=1.15"] == conda.conda_packages
    assert ["conda-forge"] == conda.conda_channels
    assert [] == CondaDependencies.create(pip_packages=[]).pip_packages
    assert CondaDependencies.create(python_version=None).get_python_version() is None
    assert "3.8" == CondaDependencies.create(python_version="3.8").get_python_version()


def test_a_new_object_has_the_default_numbers_of_packages() -> None:
    conda = CondaDependencies()
    assert CondaDependencies.get_default_number_of_packages() == (len(conda.conda_packages), len(conda.pip_packages))
    assert "" == CondaDependencies.sdk_origin_url()


def test_requirements_of_one_name_are_merged() -> None:
    entries = ["a>=1", "b", "A[x]<2", "a==1; os_name=='nt'", "b", "-r x.txt", "c @ https://h/c.zip", "a!=1.5", "odd~~1"]
    assert [
        "a[x]>=1,<2,!=1.5",
        "b",
        "a==1; os_name=='nt'",
        "-r x.txt",
        "c @ https://h/c.zip",
        "odd~~1",
    ] == CondaDependencies.merge_requirements(entries)


def test_merging_takes_packages_options_channels_and_variables() -> None:
    ours = CondaDependencies.from_text(
        "name: ours\nchannels: [a]\ndependencies: [python=3.6, numpy=1, {pip: [p==1, -i x, -f y]}]\nvariables: {A: 1}"
    )
    theirs = CondaDependencies.from_text(
        "name: theirs\nchannels: [b, a]\ndependencies: [{pip: [P==2, q, -i z, -f w]}, NumPy=2, python=3.7]\nvariables: {B: 2}"
    )
    before = theirs.as_dict()
    ours.merge_conda_dependencies(theirs)
    assert {
        "name": "ours",
        "channels": ["a", "b"],
        "dependencies": ["python=3.7", "NumPy=2", {"pip": ["P==2", "-i z", "-f y", "-f w", "q"]}],
        "variables": {"A": "1", "B": "2"},
    } == ours.as_dict()
    assert before == theirs.as_dict()


def test_a_merge_that_fails_takes_nothing() -> None:
    ours = CondaDependencies()
    with pytest.raises(RunconfigError, match="pip wants 'b==1'"):
        ours.merge(CondaDependencies.from_text("channels: [x]\ndependencies: [numpy, {pip: [b=1]}]"))
    assert CondaDependencies() == ours


def test_validate_names_the_first_wrong_entry() -> None:
    CondaDependencies().validate()
    for text, sentence in {
        "dependencies: [numpy]": "python is not among the dependencies",
        "dependencies: [python=3.6, 'a, b']": "'a, b' is not one package",
        "dependencies: [python=3.6, {pip: [a, b=1]}]": "pip wants 'b==1'",
        "dependencies: [python=3.6, {pip: [--indexurl x]}]": "did you mean --index-url?",
    }.items():
        with pytest.raises(RunconfigError, match=r"^c\.yml: ") as caught:
            CondaDependencies.from_text(text, "c.yml").validate()
        assert sentence in str(caught.value)


def test_a_structure_is_copied_and_what_it_gives_is_a_copy_too() -> None:
    structure = {"name": "x", "dependencies": ["python=3.6", {"pip": ["a"]}]}
    kept = copy.deepcopy(structure)
    conda = CondaDependencies(_underlying_structure=structure)
    conda.add_pip_package("b")
    conda.as_dict()["dependencies"].clear()
    assert kept == structure
    assert ["a", "b"] == conda.pip_packages
    assert [] == CondaDependencies(_underlying_structure={}).conda_packages


def test_equal_content_is_equal_and_copies_are_apart() -> None:
    conda = CondaDependencies()
    other = copy.deepcopy(conda)
    assert conda == other
    other.add_conda_package("numpy")
    assert conda != other
    assert conda != "project_environment"
    assert "<CondaDependencies: python 3.6.2, 2 conda packages, 1 pip packages>" == repr(other)
