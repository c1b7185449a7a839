"""``requirements.txt`` is read as pip reads it."""

import codecs
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runyard.environment.conda import CondaDependencies
from runyard.environment.requirements import read_requirements
from runyard.errors import RunconfigError

FILE = """\
# what the script needs
--index-url https://user:token@host/simple   # ours
-r base.txt
-c constraints.txt
numpy>=1.15,<2     # arrays
Scikit_Learn[alldeps] == 0.20.* ; python_version < "3.7"
torch==1.4.0 \\
    --hash=sha256:aaaa \\
    --hash=sha256:bbbb
# a comment \\
pandas
-e git+https://host/a/b.git@v1#egg=mine
https://host/wheels/other-1.0-py3-none-any.whl
./local/folder
private @ https://host/private.zip

last\\
==1.0
"""


def test_a_file_becomes_a_conda_document_with_its_lines_joined_and_its_comments_gone() -> None:
    conda = CondaDependencies.from_requirements(FILE)
    assert ["--index-url https://user:token@host/simple", "-r base.txt", "-c constraints.txt"] == conda.pip_options
    assert [
        "numpy>=1.15,<2",
        'Scikit_Learn[alldeps] == 0.20.* ; python_version < "3.7"',
        "torch==1.4.0 --hash=sha256:aaaa --hash=sha256:bbbb",
        "pandas",
        "-e git+https://host/a/b.git@v1#egg=mine",
        "https://host/wheels/other-1.0-py3-none-any.whl",
        "./local/folder",
        "private @ https://host/private.zip",
        "last==1.0",
    ] == conda.pip_packages
    assert [] == conda.conda_packages
    assert conda == CondaDependencies.from_text(conda.to_bytes())


def test_python_is_asked_for_only_where_a_version_is_given() -> None:
    assert CondaDependencies.from_requirements("numpy").get_python_version() is None
    assert "3.8" == CondaDependencies.from_requirements("numpy", python_version="3.8").get_python_version()
    assert [] == CondaDependencies.from_requirements("# nothing\n\n").pip_packages


@pytest.mark.parametrize(
    "data",
    [
        codecs.BOM_UTF8 + "é==1".replace("é", "e").encode() + " # é".encode(),
        "e==1 # é".encode("utf-16"),
        codecs.BOM_UTF16_BE + "e==1 # é".encode("utf-16-be"),
        "e==1 # é".encode("utf-32"),
        "# -*- coding: latin-1 -*-\ne==1 # é".encode("latin-1"),
        "\n# vim: set fileencoding=cp1252 :\r\ne==1 # é".encode("cp1252"),
        "e==1 # é".encode(),
    ],
    ids=["UTF-8 mark", "UTF-16", "UTF-16 BE", "UTF-32", "declared", "declared in line 2", "UTF-8"],
)
def test_encodings_are_told_by_their_mark_or_their_declaration(data: bytes) -> None:
    assert ["e==1"] == read_requirements(data)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"a\nnumpy=1.15\n", "r.txt, line 2: 'numpy=1.15' is written as for conda; pip wants 'numpy==1.15'"),
        (b"a\n\nnumpy pandas\n", "r.txt, line 3: 'numpy pandas' is no requirement that pip understands"),
        (b"a\\\n b\nc\n", "r.txt, line 1: 'a b' is no requirement"),
        (b"--indexurl https://u:p@h\n", "r.txt, line 1: '--indexurl' is no option of pip; did you mean --index-url?"),
        (b"-r\n", "r.txt, line 1: the option --requirement needs a value"),
        (b"a; python == 3\n", "r.txt, line 1: the marker 'python == 3' is not one"),
        (b"a\n3.10\n", "r.txt, line 2: 3.10 is a number, not a package"),
        (b"a\nb\xe9\n", "r.txt, line 2: not text in utf-8; save the file as UTF-8"),
        (b"# coding: hex\na\n", "r.txt: 'hex' is no text encoding"),
        (b"# coding: nonsense\na\n", "r.txt: 'nonsense' is no text encoding"),
        (b"a\nb\0\n", "r.txt, line 2: a NUL byte"),
        (b"name: x\ndependencies:\n- a\n", "r.txt, line 1: 'name: x' is no requirement that pip understands"),
        (b"a\n" * (1 << 20), "r.txt has 2,097,152 characters"),
        (b"=https://user:s3cr3t@host/", "r.txt, line 1: '=https://********@host/' is no requirement"),
    ],
)
def test_what_pip_would_refuse_is_named_with_its_line(data: bytes, sentence: str) -> None:
    start = time.process_time()
    with pytest.raises(RunconfigError) as caught:
        read_requirements(data, "r.txt")
    assert str(caught.value).startswith(sentence)
    assert time.process_time() - start < 1


def test_an_option_that_only_a_newer_pip_knows_is_left_to_pip() -> None:
    assert ["--uploaded-prior-to 2026-01-01"] == CondaDependencies.from_requirements(
        "--uploaded-prior-to 2026-01-01\n"
    ).pip_options


@given(st.binary(max_size=120) | st.text("ab=1 \\\n#-;[]<>@:/'\"", max_size=120).map(str.encode))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    refused = ""
    entries: list[str] = []
    try:
        entries = read_requirements(data, "r.txt")
    except RunconfigError as error:
        refused = str(error)
    assert refused.startswith("r.txt" if refused else "")
    conda = CondaDependencies.from_document({"dependencies": [{"pip": entries}]})
    assert conda.digest() == CondaDependencies.from_text(conda.to_bytes()).digest()
