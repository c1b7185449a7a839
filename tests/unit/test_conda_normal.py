"""What identifies an environment: what matters changes the digest, what does not matter leaves it."""

import json
import random
import string
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from runyard.environment.conda import CondaDependencies, mask_url_credentials
from runyard.errors import RunconfigError

NAMES = st.text(string.ascii_lowercase, min_size=2, max_size=8).filter(lambda name: name != "pip")
CONDA = st.builds("{}{}".format, NAMES, st.sampled_from(["", "=1.2", ">=1.0,<2", "=1.2=py36_0", "[version='>=3']"]))
PIP = st.builds("{}{}".format, NAMES, st.sampled_from(["", "==1.2", ">=1.0,<2", "[b,a]==3", "; python_version < '3'"]))
OPTIONS = st.sampled_from(
    ["--pre", "--index-url https://a.example/s", "--extra-index-url https://b.example", "-r x.txt"]
)
CHANNELS = st.lists(st.sampled_from(["conda-forge", "defaults", "pytorch", "https://c.example/ch"]), unique=True)
DOCUMENTS = st.fixed_dictionaries(
    {
        "channels": CHANNELS,
        "conda": st.lists(CONDA, max_size=5),
        "pip": st.lists(PIP, max_size=5),
        "options": st.lists(OPTIONS, unique=True, max_size=3),
    }
)


def digest_of(parts: dict[str, Any]) -> str:
    dependencies = [*parts["conda"], {"pip": [*parts["options"], *parts["pip"]]}]
    return CondaDependencies.from_document({"channels": parts["channels"], "dependencies": dependencies}).digest()


@given(DOCUMENTS, st.integers(0, 10**6))
def test_comments_order_blanks_casing_name_and_repeated_lines_do_not_matter(parts: dict[str, Any], seed: int) -> None:
    dice = random.Random(seed)

    def shuffled(entries: list[str]) -> list[str]:
        more = [*entries, *dice.sample(entries, dice.randint(0, len(entries)))]
        dice.shuffle(more)
        return [
            dice.choice([entry, entry.replace("=1.2", "= 1.2") if "==" in entry else f"{entry} "]) for entry in more
        ]

    conda = [entry[0].upper() + entry[1:] for entry in shuffled(parts["conda"])]
    packages = [entry.title() if entry.isalpha() else entry for entry in shuffled(parts["pip"])]
    options = [option.replace("--index-url ", "-i  ") for option in parts["options"]]
    cut = dice.randint(0, len(packages))
    dependencies: list[object] = [*conda, {"pip": [*packages[:cut], *options, *packages[cut:]]}]
    dice.shuffle(dependencies)
    document = [("channels", parts["channels"]), ("dependencies", dependencies), ("name", "other"), ("prefix", "/p")]
    dice.shuffle(document)
    text = yaml.safe_dump(dict(document), sort_keys=False, width=10_000)
    commented = "# first\n" + "".join(f"{line}{dice.choice(['', '  # why'])}\n# more\n" for line in text.splitlines())
    assert digest_of(parts) == CondaDependencies.from_text(commented).digest()
    assert digest_of(parts) == CondaDependencies.from_text(json.dumps(dict(document))).digest()


@given(DOCUMENTS, DOCUMENTS)
def test_the_normal_form_is_a_conda_document_that_is_its_own_normal_form(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    conda = CondaDependencies.from_document(
        {"channels": one["channels"], "dependencies": [*one["conda"], *other["conda"]]}
    )
    again = CondaDependencies.from_document(conda.normalised())
    assert conda.normalised() == again.normalised()
    assert conda.digest() == again.digest()


BASE = "channels: [a, b]\ndependencies: [python=3.6.2, numpy=1.15, {pip: [--pre, '-f https://x', 'q[a]==1.0', 'r']}]"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("[a, b]", "[b, a]"),
        ("[a, b]", "[a]"),
        ("python=3.6.2", "python=3.6.3"),
        ("python=3.6.2, ", ""),
        ("numpy=1.15", "numpy==1.15"),
        ("numpy=1.15", "numpy=1.15=py36_0"),
        ("numpy=1.15", "a::numpy=1.15"),
        ("--pre, '-f https://x'", "'-f https://x', --pre"),
        ("--pre, ", ""),
        ("'-f https://x'", "'-f https://y'"),
        ("'-f https://x'", "'-f https://user:token@x'"),
        ("q[a]==1.0", "q==1.0"),
        ("q[a]==1.0", "q[b]==1.0"),
        ("q[a]==1.0", "q[a]==1.0.1"),
        ("'r'", "'r; os_name == \"nt\"'"),
        ("'r'", "'r @ https://x/r.zip'"),
        ("'r'", "'-e git+https://x/r.git@v1#egg=r'"),
        ("channels:", "variables: {A: 1}\nchannels:"),
    ],
)
def test_what_decides_what_is_installed_matters(old: str, new: str) -> None:
    assert old in BASE
    assert CondaDependencies.from_text(BASE).digest() != CondaDependencies.from_text(BASE.replace(old, new)).digest()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Azureml_SDK", "azureml-sdk"),
        ("a[x,Y] >= 1 , < 2", "A[y,x]<2,>=1"),
        ("a; python_version<'3'", 'a ; python_version < "3"'),
        ("a(>=1)", "a>=1"),
        ("-e  .", "--editable=."),
        ("--index-url=https://x", "-i https://x"),
        ("-fhttps://x", "--find-links https://x"),
        ("a==1 --hash=sha256:b --hash=sha256:c", "a==1 --hash=sha256:c --hash=sha256:b"),
        ("a>=1.0.*, <2", "a <2,>=1.0.*"),
    ],
)
def test_ways_to_write_one_pip_entry_are_one(one: str, other: str) -> None:
    first, second = (CondaDependencies.from_document({"dependencies": [{"pip": [text]}]}) for text in (one, other))
    assert first.normalised() == second.normalised()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("NumPy", "numpy"),
        ("numpy >= 1.2 , < 2", "numpy>=1.2,<2"),
        ("conda-forge::NumPy =1.2", "conda-forge::numpy=1.2"),
        ("numpy   1.2  py36_0", "numpy 1.2 py36_0"),
    ],
)
def test_ways_to_write_one_conda_package_are_one(one: str, other: str) -> None:
    first, second = (CondaDependencies.from_document({"dependencies": [text]}) for text in (one, other))
    assert first.digest() == second.digest()


def test_a_repeated_option_counts_when_another_of_its_name_stood_between() -> None:
    def digest(*options: str) -> str:
        return CondaDependencies.from_document({"dependencies": [{"pip": list(options)}]}).digest()

    assert digest("--pre", "-i a", "-i a") == digest("--pre", "-i a")
    assert digest("-i a", "-i b", "-i a") != digest("-i a", "-i b")


def test_an_empty_file_and_empty_lists_are_the_same_environment() -> None:
    texts = [
        "",
        "name: x",
        "channels:\ndependencies:\n",
        "dependencies:\n- pip:\n",
        "variables: {}\n",
        "x-unknown: [1]\n",
    ]
    assert 1 == len({CondaDependencies.from_text(text).digest() for text in texts})


def test_the_digest_stays_what_it_is() -> None:
    """Environments are found by it: a change of the normal form builds them all again."""
    expected = (
        b'{"channels":["a","b"],"dependencies":["numpy=1.15","python=3.6.2",{"pip":["--pre","--find-links https://x",'
    )
    assert expected + b'"q[a]==1.0","r"]}]}' == CondaDependencies.from_text(BASE).canonical_bytes()
    assert "ea933ce7639f04ad" == CondaDependencies.from_text(BASE).digest()[:16]


CANARY = "s3cr3t-canary"


@pytest.mark.parametrize(
    "url",
    [
        f"https://user:{CANARY}@host/simple",
        f"https://{CANARY}@host/simple",
        f"https://user:p@{CANARY}@host/a@v1",
        f"https://user:p/{CANARY}@host/simple",
        f"git+https://user:{CANARY}@host/a.git@v1#egg=a",
        f"https://conda.host/t/{CANARY}/channel",
        f"https://x.blob.host/a.whl?sv=1&sig={CANARY}&se=2",
        f"https://host/a.zip?access_token={CANARY}",
        f"HTTPS://user:{CANARY}@host:8080/",
        f"--proxy user:{CANARY}@proxy:3128",
    ],
)
def test_credentials_in_urls_are_never_shown(url: str) -> None:
    masked = mask_url_credentials(f"see '{url}' and {url}, then")
    assert CANARY not in masked
    assert masked.startswith("see '")
    document = {
        "channels": [url],
        "dependencies": [f"{url}::numpy", {"pip": [f"--extra-index-url {url}", f"a @ {url}"]}],
        "variables": {"API_TOKEN": CANARY, "INDEX": url},
    }
    conda = CondaDependencies.from_document(document)
    for shown in (repr(conda), str(conda), json.dumps(conda.redacted())):
        assert CANARY not in shown
    assert CANARY in conda.serialize_to_string()
    assert CANARY in json.dumps(conda.as_dict())


@pytest.mark.parametrize(
    "text",
    [
        "git+ssh://git@host/a.git@v1",
        "https://host:8080/a@v1",
        "https://${USER}:${TOKEN}@host/",
        "https://host/a.whl?version=1#egg=a",
        "a==1.0; python_version < '3'",
        "user@host",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert text == mask_url_credentials(text)


def test_a_credential_in_a_wrong_entry_is_not_in_the_error() -> None:
    conda = CondaDependencies()
    for add in (conda.add_conda_package, conda.add_pip_package, conda.set_pip_option, conda.set_python_version):
        with pytest.raises(RunconfigError) as caught:
            add(f"=https://user:{CANARY}@host/ x")
        assert CANARY not in str(caught.value)
