"""From a wish and what is there to a recipe, by the policy; every substitution is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from runyard.environment.conda_document import read_text
from runyard.environment.conda_normal import normalised
from runyard.runner.environments.resolve import Facts, Interpreter, Recipe, merged_base, nearest, resolve
from runyard.runner.environments.wish import Wish, read_wish
from runyard.runner.problems import Problem
from tests.unit.test_runconfig_yaml12 import reference

INSTALLED = [
    Interpreter(f"/py/{'.'.join(map(str, version))}", version)
    for version in [(2, 7, 18), (3, 6, 15), (3, 7, 16), (3, 9, 18), (3, 11, 7)]
]
OWN = INSTALLED[-1]
STAND_IN = "left out, Runyard's own stand-in supplies azureml.core"


def wish(*packages: str, pip: list[str] | None = None, channels: list[str] | None = None, **more: Any) -> Wish:
    dependencies: list[Any] = [*packages, {"pip": pip}] if pip else [*packages]
    return read_wish({"conda": {"channels": channels or [], "dependencies": dependencies}, "cache": "/cache", **more})


def facts(**more: Any) -> Facts:
    return Facts(OWN, INSTALLED, **{"has_uv": True, **more})


def problem(asked: Wish, known: Facts) -> tuple[str, str]:
    with pytest.raises(Problem) as caught:
        resolve(asked, known)
    return caught.value.error_class, caught.value.message


def python_of(recipe: Recipe) -> str:
    assert recipe.interpreter is not None
    return recipe.interpreter.shown


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ((3, 6, 2), (3, 6, 15)),
        ((3, 6), (3, 6, 15)),
        ((3, 8, 1), (3, 9, 18)),
        ((3, 5), (3, 6, 15)),
        ((3, 12), (3, 11, 7)),
        ((3,), (3, 11, 7)),
        ((2, 7, 3), (2, 7, 18)),
        ((2, 6), (2, 7, 18)),
        ((4, 0), None),
    ],
)
def test_the_nearest_is_of_the_same_minor_else_the_next_higher_else_the_next_lower(
    wanted: tuple[int, ...], expected: tuple[int, ...] | None
) -> None:
    found = nearest(wanted, INSTALLED)
    assert expected == (found.version if found else None)


def test_of_two_patches_the_nearer_one_is_taken() -> None:
    patches = [Interpreter("/a", (3, 6, 1)), Interpreter("/b", (3, 6, 5)), Interpreter("/c", (3, 6, 15))]
    assert (3, 6, 5) == nearest((3, 6, 4), patches)[1]  # type: ignore[index]


@pytest.mark.parametrize(
    ("text", "version", "notes"),
    [
        ("python=3.6.2", "3.6.15", ["python=3.6.2: 3.6.15 is used, the nearest that is installed"]),
        ("python=3.6", "3.6.15", []),
        ("python=3", "3.11.7", []),
        ("python>=3.6,<3.8", "3.7.16", []),
        ("python=2.7.14", "2.7.18", ["python=2.7.14: 2.7.18 is used, the nearest that is installed"]),
        ("python=3.13", "3.11.7", ["python=3.13: 3.11.7 is used, the nearest that is installed"]),
        ("python", "3.11.7", []),
        ("numpy", "3.11.7", ["numpy: taken from PyPI as numpy"]),
    ],
)
def test_python_comes_from_an_installed_interpreter(text: str, version: str, notes: list[str]) -> None:
    known = [each._replace(has_virtualenv=True) for each in INSTALLED]
    recipe = resolve(wish(text), facts()._replace(interpreters=known))
    assert (version, notes) == (python_of(recipe), recipe.notes)


@pytest.mark.parametrize(
    ("text", "packages", "note"),
    [
        ("numpy=1.16", ["numpy==1.16.*"], "numpy=1.16: taken from PyPI as numpy==1.16.*"),
        (
            "numpy=1.16.2=py36_0",
            ["numpy==1.16.2"],
            "numpy=1.16.2=py36_0: taken from PyPI as numpy==1.16.2 (the build py36_0 is dropped)",
        ),
        (
            "conda-forge::pandas",
            ["pandas"],
            "conda-forge::pandas: taken from PyPI as pandas (not from conda-forge)",
        ),
        ("pytorch=1.0", ["torch==1.0.*"], "pytorch=1.0: taken from PyPI as torch==1.0.*"),
        ("opencv", ["opencv-python"], "opencv: taken from PyPI as opencv-python"),
        ("nomkl", [], "nomkl: left out, it means nothing without conda"),
        ("libgcc", [], "libgcc: left out, it means nothing without conda"),
        ("azureml-core", [], f"azureml-core: {STAND_IN}"),
        ("pip=20.1", ["pip==20.1.*"], "pip=20.1: taken from PyPI as pip==20.1.*"),
        ("setuptools", ["setuptools"], "setuptools: taken from PyPI as setuptools"),
    ],
)
def test_a_conda_package_is_taken_from_pypi(text: str, packages: list[str], note: str) -> None:
    recipe = resolve(wish("python=3.7", text), facts())
    assert (packages, [note]) == (recipe.packages, recipe.notes)


def test_pip_without_a_version_needs_nothing() -> None:
    recipe = resolve(wish("python=3.7", "pip", policy="exact"), facts())
    assert ([], []) == (recipe.packages, recipe.notes)


def test_a_package_that_both_parts_name_is_the_pip_parts() -> None:
    recipe = resolve(wish("python=3.7", "scikit-learn", pip=["Scikit_Learn==0.20.3"]), facts())
    assert ["Scikit_Learn==0.20.3"] == recipe.packages
    assert ["scikit-learn: left to the pip part, which names it too"] == recipe.notes


def test_azureml_is_left_out_of_both_parts() -> None:
    recipe = resolve(
        wish("python=3.7", "azureml-sdk", pip=["azureml-defaults==1.0.85.*", "azureml_core", "six"]), facts()
    )
    assert ["six"] == recipe.packages
    expected = [f"{each}: {STAND_IN}" for each in ("azureml-defaults==1.0.85.*", "azureml_core", "azureml-sdk")]
    assert expected == recipe.notes


def test_exact_lists_every_substitution() -> None:
    kind, sentence = problem(wish("python=3.6.2", "numpy=1.16", pip=["azureml-defaults"], policy="exact"), facts())
    assert kind == "config"
    for part in ("azureml-defaults: left out", "python=3.6.2: 3.6.15", "numpy=1.16: taken from PyPI", "micromamba"):
        assert part in sentence


def test_exact_is_served_by_an_interpreter_that_fits() -> None:
    recipe = resolve(wish("python=3.6.15", pip=["six==1.11.0"], policy="exact"), facts())
    assert ("venv", "3.6.15", ["six==1.11.0"]) == (recipe.kind, python_of(recipe), recipe.packages)


def test_with_a_conda_tool_it_is_as_written() -> None:
    asked = wish("python=3.6.2", "nomkl", "numpy=1.16=b_0", pip=["six"], channels=["a", "b"], policy="exact")
    recipe = resolve(asked, facts(conda_tool="rattler"))
    assert ("conda", "rattler", ["a", "b"]) == (recipe.kind, recipe.tool, recipe.channels)
    assert ["python=3.6.2", "nomkl", "numpy=1.16=b_0"] == recipe.conda
    assert (["six"], []) == (recipe.packages, recipe.notes)


def test_without_channels_they_are_condas_defaults_and_python_is_always_there() -> None:
    recipe = resolve(wish("numpy"), facts(conda_tool="conda"))
    assert (["defaults"], ["python", "numpy"]) == (recipe.channels, recipe.conda)


def test_nearest_goes_to_pypi_when_a_channel_is_out_of_reach() -> None:
    known = facts(conda_tool="rattler", unreachable=("conda-forge", "no such host"))
    recipe = resolve(wish("python=3.6.2", "numpy", channels=["conda-forge"]), known)
    assert ("venv", "uv") == (recipe.kind, recipe.tool)
    assert [
        "channel conda-forge: cannot be reached (no such host); PyPI is used",
        "python=3.6.2: 3.6.15 is used, the nearest that is installed",
        "numpy: taken from PyPI as numpy",
    ] == recipe.notes


def test_exact_names_the_channel_that_is_out_of_reach() -> None:
    known = facts(conda_tool="rattler", unreachable=("conda-forge", "no such host"))
    kind, sentence = problem(wish("python=3.6.15", "numpy", policy="exact", channels=["conda-forge"]), known)
    assert kind == "config"
    assert "the channel conda-forge cannot be reached (no such host); numpy comes from it" in sentence
    kind, sentence = problem(wish("python=3.6.2", policy="exact", channels=["conda-forge"]), known)
    assert (kind, True) == ("config", "python comes from it" in sentence)


def test_exact_needs_no_channel_for_a_python_that_is_installed() -> None:
    known = facts(conda_tool="rattler", unreachable=("conda-forge", "no such host"))
    recipe = resolve(wish("python=3.6.15", "pip", pip=["six"], policy="exact", channels=["conda-forge"]), known)
    assert ("venv", "3.6.15", []) == (recipe.kind, python_of(recipe), recipe.notes)


@pytest.mark.parametrize(
    ("resolver", "known", "part"),
    [
        ("micromamba", facts(), "put micromamba on the PATH"),
        ("rattler", facts(), "runyard[environments]"),
        ("uv", facts(has_uv=False), "'pip install uv'"),
    ],
)
def test_a_resolver_that_is_asked_for_and_not_there_is_said(resolver: str, known: Facts, part: str) -> None:
    kind, sentence = problem(wish("python=3.7", resolver=resolver), known)
    assert (kind, True) == ("config", part in sentence)


def test_a_resolver_for_pip_leaves_conda_tools_alone() -> None:
    recipe = resolve(wish("python=3.7", "numpy", resolver="pip"), facts(conda_tool="conda"))
    assert ("venv", "pip") == (recipe.kind, recipe.tool)


def test_uv_is_the_default_and_pip_where_it_is_not_there_or_cannot() -> None:
    assert "uv" == resolve(wish("python=3.6", pip=["six"]), facts()).tool
    assert "pip" == resolve(wish("python=3.6", pip=["six"]), facts(has_uv=False)).tool
    assert "pip" == resolve(wish("python=3.6", pip=["--use-feature fast-deps", "--prefer-binary", "six"]), facts()).tool
    old = [each._replace(has_virtualenv=True) for each in INSTALLED]
    assert "pip" == resolve(wish("python=2.7"), facts()._replace(interpreters=old)).tool


def test_a_python_that_cannot_make_environments_is_said() -> None:
    bare = [Interpreter("/py/2.7", (2, 7, 18), has_venv=False), Interpreter("/py/3.7", (3, 7, 16), has_venv=False)]
    known = facts(has_uv=False)._replace(interpreters=bare)
    assert "it has no virtualenv" in problem(wish("python=2.7"), known)[1]
    assert "it has no venv with ensurepip" in problem(wish("python=3.7"), known)[1]


def test_no_interpreter_of_that_major_version_is_said() -> None:
    kind, sentence = problem(wish("python=2.7"), Facts(OWN, [OWN]))
    assert kind == "config"
    assert sentence.startswith("python=2.7: no Python 2 is installed here (found: 3.11.7); install one")


def test_a_computes_interpreter_that_does_not_start_is_said() -> None:
    kind, sentence = problem(wish("numpy", python="/no/python"), Facts(None, INSTALLED))
    assert (kind, True) == ("config", "/no/python cannot be started" in sentence)


def test_options_are_sorted_by_what_understands_them(tmp_path: Path) -> None:
    (tmp_path / "limits.txt").write_text("six<2\n")
    entries = ["--index-url https://a.example/simple --trusted-host a.example", "--extra-index-url https://b.example/s"]
    entries += [
        "--find-links wheels",
        "-c limits.txt",
        "--pre",
        "--no-binary six",
        "--timeout 5",
        "--use-wheel",
        "-U",
        "six",
    ]
    recipe = resolve(wish("python=3.7", pip=entries, folder=str(tmp_path)), facts())
    options = recipe.options
    assert "https://a.example/simple" == options.indexes.main
    assert (("https://b.example/s",), ("a.example",)) == (options.indexes.extra, options.indexes.trusted)
    assert (str(tmp_path / "wheels"),) == options.indexes.links
    assert [("--constraint", str(tmp_path / "limits.txt"))] == options.files
    assert (["--pre", "--no-binary six"], {"timeout": "5"}) == (options.lines, options.settings)
    assert ["--use-wheel: left out, pip has no such option any more"] == recipe.notes


def test_a_relative_path_needs_the_snapshot() -> None:
    kind, sentence = problem(wish("python=3.7", pip=["--find-links wheels"]), facts())
    assert (kind, True) == ("config", sentence.startswith("--find-links wheels is relative to the snapshot"))


def test_a_package_of_the_snapshot_is_installed_as_a_copy(tmp_path: Path) -> None:
    (tmp_path / "package").mkdir()
    asked = wish("python=3.7", pip=["-e ./package[extra]", "./package"], folder=str(tmp_path))
    recipe = resolve(asked, facts())
    assert [f"{tmp_path}/package[extra]", f"{tmp_path}/package"] == recipe.packages
    assert ["-e ./package[extra]: installed as a copy, as the environment outlives the snapshot"] == recipe.notes


def test_what_a_base_environment_lacks_is_to_be_added() -> None:
    has = {"python": "3.6.8", "numpy": "1.16.4", "six": "1.11.0"}
    asked = wish("python=3.6.2", "numpy=1.16", "six>=1.12", "pandas", "azureml-core")
    missing, notes = merged_base(asked, has)
    assert ["six>=1.12", "pandas"] == missing
    assert ["python=3.6.2: 3.6.8 is used, which the base environment has", f"azureml-core: {STAND_IN}"] == notes


def test_every_real_file_resolves_with_its_substitutions_listed() -> None:
    files = sorted(reference().glob("*/*/*/*conda_dependencies.yml"))
    assert len(files) > 40
    for path in files:
        conda = normalised(read_text(path.read_bytes(), path.name))
        recipe = resolve(read_wish({"conda": conda, "cache": "/cache"}), facts())
        texts = [each for each in conda["dependencies"] if isinstance(each, str)]
        texts += [each for part in conda["dependencies"] if isinstance(part, dict) for each in part["pip"]]
        assert "3.6.15" == python_of(recipe)
        # What is neither substituted nor left out is in the pip part as it was written.
        said = {note.partition(": ")[0] for note in recipe.notes}
        assert set(texts) == said | (set(recipe.packages) & set(texts)), path
        assert not [each for each in recipe.packages if "azureml" in each]
