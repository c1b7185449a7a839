"""Wrong and hostile conda files end in one clear sentence, quickly."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runyard.environment.conda import CondaDependencies
from runyard.errors import RunconfigError
from runyard.runconfig import yaml12

WRONG = {
    "dependancies:\n- a\n": "c.yml, line 1: the key 'dependancies' is unknown; did you mean 'dependencies'?",
    "name: x\nchannel: [a]\n": "c.yml, line 2: the key 'channel' is unknown; did you mean 'channels'?",
    "dependencies:\n- python=3.6\n- 3.10\n": "c.yml, line 3: 3.10 is a number, not a package; a package is a text",
    "dependencies: [true]\n": "c.yml, line 1: true is a truth value, not a package",
    "dependencies:\n- [a]\n": "c.yml, line 2: a list is no package; a package is a text such as 'python=3.6.2'",
    "dependencies:\n- a\n-\n": "c.yml, line 3: nothing is no package",
    'dependencies:\n- pip: ["a\\N--index-url x"]\n': "c.yml, line 2: 'pip' has an entry of several lines; write one a line",
    "dependencies: ['']\n": "c.yml, line 1: 'dependencies' has an empty text",
    "dependencies:\n- pip: [a]\n  numpy: 1\n": "c.yml, line 3: the key 'numpy' is not allowed among the dependencies",
    "dependencies:\n- python: 3.10\n": "c.yml, line 2: the key 'python' is not allowed among the dependencies; only 'pip:' with a list of "
    "packages is; a package is a text, such as '- python=1.0'",
    "dependencies:\n- pips:\n  - a\n": "c.yml, line 2: the key 'pips' is not allowed among the dependencies; did you mean 'pip'?",
    "dependencies:\n- {}\n": "c.yml, line 2: an empty mapping is no package",
    "dependencies:\n- pip: numpy\n": "c.yml, line 2: 'pip' must be a list ('- …' on each line), not a text",
    "dependencies:\n- pip:\n  - a\n  - 1.0\n": "c.yml, line 4: 1.0 is a number, not a package; an entry is a text",
    "dependencies:\n- pip:\n  - {a: 1}\n": "c.yml, line 3: a mapping is no package",
    "dependencies:\n  numpy: 1\n": "c.yml, line 1: 'dependencies' must be a list ('- …' on each line), not a mapping",
    "channels: conda-forge\n": "c.yml, line 1: 'channels' must be a list",
    "channels:\n- a\n- 1.10\n": "c.yml, line 3: 'channels' has a number where a text belongs",
    "name: [a]\n": "c.yml, line 1: 'name' must be a text, not a list",
    "variables: [A=1]\n": "c.yml, line 1: 'variables' must be a mapping of names to texts, not a list",
    "variables:\n  B: 1\n  A: [1]\n": "c.yml, line 3: the variable 'A' must be a text, not a list",
    "Name: a\nname: b\n": "c.yml, line 2: the key 'name' is there twice, in another casing",
    "numpy==1.0\npandas\n": "c.yml, line 1: a conda file is a mapping with 'dependencies:', not a text; a requirements.txt",
    "- numpy\n": "c.yml, line 1: a conda file is a mapping with 'dependencies:', not a list",
    "dependencies:\n- a: b: c\n": "c.yml, line 2: mapping values are not allowed",
    '{"dependencies": [1]}': "c.yml, line 1: 1 is a number, not a package",
}


@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_file_gets_one_sentence_with_its_line(text: str) -> None:
    with pytest.raises(RunconfigError) as caught:
        CondaDependencies.from_text(text, "c.yml")
    assert str(caught.value).startswith(WRONG[text])
    assert "\n" not in str(caught.value)


def test_a_wrong_value_inside_a_run_configuration_is_named_with_its_line_there() -> None:
    document: Any = yaml12.load(b"python:\n  condaDependencies:\n    name: x\n    dependancies: [a]\n", "r")
    with pytest.raises(RunconfigError, match=r"^x\.runconfig, line 4: the key 'dependancies' is unknown"):
        CondaDependencies.from_document(document["python"]["condaDependencies"], "x.runconfig")
    with pytest.raises(RunconfigError, match=r"^condaDependencies: a conda file is a mapping"):
        CondaDependencies(_underlying_structure=["a"])  # type: ignore[arg-type]


def test_keys_in_another_casing_and_keys_of_other_tools_are_taken() -> None:
    conda = CondaDependencies.from_text(
        "Name: x\nDependencies: [a, {PIP: [b]}]\nCHANNELS: [c]\nplatforms: [linux-64]\n"
    )
    assert (["a"], ["b"], ["c"]) == (conda.conda_packages, conda.pip_packages, conda.conda_channels)
    assert ["platforms"] == conda.unknown_keys


def test_a_missing_file_and_a_folder_are_named(tmp_path: Any) -> None:
    with pytest.raises(RunconfigError, match="there is no conda file at"):
        CondaDependencies.load(tmp_path / "none.yml")
    with pytest.raises(RunconfigError, match="cannot be read: Is a directory"):
        CondaDependencies(tmp_path)


HOSTILE = {
    "too large": b" " * (2 << 20),
    "nested": b"[" * 5000,
    "nested in JSON": b'{"dependencies": ' + b"[" * 3000 + b"]" * 3000 + b"}",
    "a long integer": b"dependencies: [" + b"9" * 5000 + b"]",
    "aliases": b"a: &a [x,x,x,x,x,x,x,x,x]\n"
    + b"".join(b"%c: &%c [%s]\n" % (98 + n, 98 + n, b",".join([b"*%c" % (97 + n)] * 9)) for n in range(9)),
    "an alias of itself": b"dependencies: &d [*d]",
    "many entries": b"dependencies:\n" + b"- a\n" * 20_000,
    "a long entry": b"dependencies:\n- " + b"a" * 100_000,
    "NUL": b"dependencies:\n- a\0",
    "Latin-1": b"dependencies:\n- caf\xe9\n",
    "two documents": b"name: a\n---\nname: b\n",
    "a tag": b"!!python/object/apply:os.system ['true']",
    "a list as key": b"? [a]\n: b\n",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_file_is_refused_in_time(kind: str) -> None:
    start = time.process_time()
    with pytest.raises(RunconfigError) as caught:
        CondaDependencies.from_text(HOSTILE[kind], "c.yml")
    assert time.process_time() - start < 1
    assert str(caught.value).startswith("c.yml")
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    "entry",
    [
        "#" * 30_000,
        "a " * 15_000,
        "[version=" * 3_000,
        "foo; " + "(" * 4_000,
        "-" * 30_000,
        "a" + "-" * 30_000,
        "a" + "[" * 30_000,
        "git+https://" + "@a/" * 9_000,
        "https" + "://a:" * 6_000,
        "-- " * 10_000,
        "a" + ",a" * 15_000,
    ],
    ids=lambda entry: f"{entry[:8]}…",
)
def test_an_entry_made_to_be_slow_is_not(entry: str) -> None:
    start = time.process_time()
    for document in ({"dependencies": [entry]}, {"dependencies": [{"pip": [entry]}]}, {"channels": [entry]}):
        conda = CondaDependencies.from_text(CondaDependencies.from_document(document).to_bytes())
        conda.digest()
        conda.get_python_version()
        assert "\n" in str(conda)
        conda.add_pip_package("foo")
        assert conda == CondaDependencies.from_text(conda.to_bytes())
    assert time.process_time() - start < 2


def test_ten_thousand_packages_are_compared_and_changed_in_time() -> None:
    conda = "".join(f"- p{n}=1\n" for n in range(5000))
    pip = "".join(f"  - q{n}==1\n" for n in range(4900))
    start = time.process_time()
    many = CondaDependencies.from_text(f"dependencies:\n{conda}- pip:\n{pip}")
    many.digest()
    many.add_pip_package("q77==2")
    assert 1 == many.serialize_to_string().count("==2")
    assert time.process_time() - start < 3


def taken_or_refused(make: Callable[[], CondaDependencies], start: str) -> CondaDependencies | None:
    """What is made, or ``None`` after a sentence that begins as it should."""
    sentence = ""
    try:
        return make()
    except RunconfigError as error:
        sentence = str(error)
    assert sentence.startswith(start)
    return None


def test_a_thousand_packages_are_added_one_by_one_in_time() -> None:
    start = time.process_time()
    names = [f"p{n}" for n in range(1000)]
    conda = CondaDependencies.create(pip_packages=names, conda_packages=names)
    assert names == conda.pip_packages
    assert time.process_time() - start < 5


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace")))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    conda = taken_or_refused(lambda: CondaDependencies.from_text(data, "c.yml"), "c.yml")
    assert conda is None or data == conda.to_bytes()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["pip", "a", "name"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(["name", "channels", "dependencies", "variables", "prefix", "other"]), JSON))
def test_any_value_at_any_key_is_taken_or_refused(document: dict[str, object]) -> None:
    conda = taken_or_refused(lambda: CondaDependencies(_underlying_structure=document), "condaDependencies: ")
    assert conda is None or conda.digest() == CondaDependencies.from_text(conda.to_bytes()).digest()


REFUSED: list[tuple[Callable[[CondaDependencies], object], str]] = [
    (lambda conda: conda.add_conda_package("numpy, pandas"), "is not one package; write 'name'"),
    (lambda conda: conda.add_conda_package("dask[complete]"), "has extras, which conda does not know"),
    (lambda conda: conda.add_conda_package("3.10"), "3.10 is a number, not a package"),
    (lambda conda: conda.add_conda_package(3.10), "a conda package must be a text, not float; write it in quotes"),  # type: ignore[arg-type]
    (lambda conda: conda.add_conda_package("a\nb"), "must be one line of text"),
    (lambda conda: conda.remove_conda_package("python"), "python must not be removed"),
    (lambda conda: conda.add_pip_package("numpy=1.15"), "is written as for conda; pip wants 'numpy==1.15'"),
    (lambda conda: conda.add_pip_package("a b"), "is no requirement that pip understands"),
    (lambda conda: conda.add_pip_package("a; nonsense"), "the marker 'nonsense' is not one"),
    (lambda conda: conda.add_pip_package("--pre"), "is an option of pip; use set_pip_option"),
    (lambda conda: conda.remove_pip_package("--pre"), "is an option of pip; use remove_pip_option"),
    (lambda conda: conda.set_pip_option("pre"), "an option begins with '-'"),
    (lambda conda: conda.remove_pip_option("pre"), "an option begins with '-'"),
    (lambda conda: conda.set_pip_option("--indexurl x"), "did you mean --index-url?"),
    (lambda conda: conda.set_pip_option("--index-url"), "the option --index-url needs a value"),
    (lambda conda: conda.set_pip_requirements("numpy"), "must be a list of texts, not str"),  # type: ignore[arg-type]
    (lambda conda: conda.set_python_version(3.10), "since the number 3.10 is 3.1"),  # type: ignore[arg-type]
    (lambda conda: conda.set_python_version("latest"), "is no version of Python"),
    (lambda conda: conda.add_cntk_package("tpu"), "core_type is 'tpu'; 'cpu' and 'gpu' are allowed"),
    (lambda _: CondaDependencies.create(conda_packages="numpy"), "must be a list of texts, not str"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("call", "sentence"), REFUSED, ids=[sentence[:30] for _, sentence in REFUSED])
def test_a_wrong_argument_is_refused_and_changes_nothing(
    call: Callable[[CondaDependencies], object], sentence: str
) -> None:
    conda = CondaDependencies()
    with pytest.raises(RunconfigError) as caught:
        call(conda)
    assert sentence in str(caught.value)
    assert conda == CondaDependencies()
