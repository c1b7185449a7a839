"""What every keeper of secrets promises."""

from __future__ import annotations

import pytest

from runyard.errors import ConfigError
from runyard.ports import Secrets

ILLEGAL = ["", "a/b", "../x", "a b", "a_b", "a.b", "ü", "a\0", "a\n", "x" * 128]


@pytest.mark.parametrize("value", ["s3cret", "", "two\r\nlines\n", "ü\0", "x" * 25_000])
def test_a_secret_comes_back_as_it_was_set(secrets: Secrets, value: str) -> None:
    secrets.set("a-Name-1", value)
    assert secrets.get("a-Name-1") == value


def test_setting_again_replaces(secrets: Secrets) -> None:
    secrets.set("a", "one")
    secrets.set("a", "two")
    assert secrets.get("a") == "two"


def test_names_are_sorted_and_without_values(secrets: Secrets) -> None:
    for name in ("b", "c", "a"):
        secrets.set(name, "value")
    assert list(secrets.names()) == ["a", "b", "c"]


def test_removing_tells_whether_it_was_there(secrets: Secrets) -> None:
    secrets.set("a", "x")
    assert secrets.remove("a")
    assert not secrets.remove("a")
    assert secrets.get("a") is None
    assert list(secrets.names()) == []


@pytest.mark.parametrize("name", ILLEGAL, ids=ascii)
def test_an_illegal_name_is_refused_without_the_value_and_finds_nothing(secrets: Secrets, name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        secrets.set(name, "canary")
    assert "canary" not in str(caught.value)
    assert secrets.get(name) is None
    assert not secrets.remove(name)


def test_the_longest_name_is_taken(secrets: Secrets) -> None:
    secrets.set("x" * 127, "v")
    assert secrets.get("x" * 127) == "v"


def test_when_a_secret_was_last_set_is_told(secrets: Secrets) -> None:
    assert secrets.changed("a") is None
    secrets.set("a", "x")
    first = secrets.changed("a")
    assert first is not None
    assert first > 0
    secrets.set("a", "y")
    assert (secrets.changed("a") or 0) >= first
    secrets.remove("a")
    assert secrets.changed("a") is None
    assert secrets.changed("no name") is None
