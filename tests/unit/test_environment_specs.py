"""Conda's package wishes: taken apart, matched with versions, and said as pip says them."""

from __future__ import annotations

import pytest

from runyard.runner.environments.specs import Spec, for_pip, matches, target
from runyard.runner.problems import Problem


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("numpy", ("", "numpy", "", "")),
        ("NumPy", ("", "numpy", "", "")),
        ("numpy=1.16", ("", "numpy", "=1.16", "")),
        ("numpy==1.16.2", ("", "numpy", "==1.16.2", "")),
        ("numpy=1.16.2=py36_0", ("", "numpy", "==1.16.2", "py36_0")),
        ("numpy==1.16.2=py36_0", ("", "numpy", "==1.16.2", "py36_0")),
        ("numpy 1.16.2 py36_0", ("", "numpy", "1.16.2", "py36_0")),
        ("pandas 0.23.*", ("", "pandas", "0.23.*", "")),
        ("pandas >=0.23, <1", ("", "pandas", ">=0.23,<1", "")),
        ("pandas=*", ("", "pandas", "", "")),
        ("pandas *", ("", "pandas", "", "")),
        ("conda-forge::pandas>=0.23", ("conda-forge", "pandas", ">=0.23", "")),
        ("pandas[version='>=0.23,<1', build=py36_0]", ("", "pandas", ">=0.23,<1", "py36_0")),
        ('pandas[version="0.23.4"]', ("", "pandas", "0.23.4", "")),
        (
            "https://host.example/linux-64/pandas-0.23.4-py36_0.tar.bz2",
            ("https://host.example/linux-64", "pandas", "==0.23.4", "py36_0"),
        ),
    ],
)
def test_a_wish_is_taken_apart(text: str, expected: tuple[str, str, str, str]) -> None:
    spec = Spec(text)
    assert expected == (spec.channel, spec.name, spec.version, spec.build)


@pytest.mark.parametrize(
    ("text", "expected", "lost"),
    [
        ("numpy", "", []),
        ("numpy=1.16", "==1.16.*", []),
        ("numpy==1.16.2", "==1.16.2", []),
        ("numpy 1.16.2", "==1.16.2", []),
        ("numpy=1.16.*", "==1.16.*", []),
        ("numpy==1.16.*", "==1.16.*", []),
        ("pandas 0.23.*", "==0.23.*", []),
        ("pandas 0.23*", "==0.23.*", []),
        ("numpy=1.16.2=py36_0", "==1.16.2", ["the build py36_0 is dropped"]),
        ("numpy>=1.15,<2", ">=1.15,<2", []),
        ("numpy!=1.15.*", "!=1.15.*", []),
        ("numpy~=1.15.2", "~=1.15.2", []),
        ("numpy 1.8|1.9.*", "==1.9.*", ["of its alternatives the last is taken"]),
        ("numpy=1.0rc1", "==1.0rc1", []),
    ],
)
def test_a_version_is_said_as_pip_says_it(text: str, expected: str, lost: list[str]) -> None:
    assert (expected, lost) == for_pip(Spec(text))


@pytest.mark.parametrize("text", ["jpeg=9d", "openssl=1.0.2o", "numpy ^1\\.8$"])
def test_a_version_that_pip_does_not_know_is_said(text: str) -> None:
    with pytest.raises(Problem) as caught:
        for_pip(Spec(text))
    assert caught.value.message.startswith(f"{text}: ")
    assert "is no version that pip understands" in caught.value.message
    assert caught.value.error_class == "user"


@pytest.mark.parametrize(
    ("version", "found", "expected"),
    [
        ("=3.6", (3, 6, 15), True),
        ("=3.6.2", (3, 6, 15), False),
        ("=3", (3, 11, 7), True),
        ("=3.1", (3, 11, 7), False),
        ("==3.6", (3, 6, 0), True),
        ("==3.6", (3, 6, 1), False),
        ("3.6.*", (3, 6, 15), True),
        (">=3.6,<3.8", (3, 7, 16), True),
        (">=3.6,<3.8", (3, 8, 0), False),
        ("3.5.*|3.7.*", (3, 7, 16), True),
        ("3.5.*|3.7.*", (3, 6, 15), False),
        ("!=3.6.*", (3, 6, 15), False),
        ("~=3.6", (3, 9, 18), True),
        ("~=3.6.2", (3, 7, 0), False),
        ("<=3.6", (3, 6, 0), True),
        (">3.6", (3, 6, 1), True),
        ("", (2, 7, 18), True),
    ],
)
def test_a_constraint_allows_versions(version: str, found: tuple[int, ...], expected: bool) -> None:
    assert expected == matches(version, found)


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("=3.6.2", (3, 6, 2)),
        (">=3.5,<3.6", (3, 5)),
        ("<3.4", (3, 4)),
        ("!=3.6.1", None),
        ("", None),
    ],
)
def test_nearness_is_measured_from_what_a_constraint_is_about(version: str, expected: tuple[int, ...] | None) -> None:
    assert expected == target(version)
