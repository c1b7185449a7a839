"""A payload's value becomes one text, and never names what runs or where."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runyard.errors import EventError
from runyard.events.submission import Submission
from runyard.events.template import check, fill

LEAST = {"experiment": "e", "snapshot": "snapshots/a.zip"}
PAYLOAD = {
    "alpha": 0.1,
    "n": 3,
    "on": True,
    "nothing": None,
    "ref": "refs/heads/main",
    "a/b": {"c~d": "deep"},
    "commits": [{"id": "abc"}, {"id": "def"}],
    "": "empty key",
    "evil": "--output=/etc/passwd",
    "braces": "{/alpha}",
}


def arguments(*texts: object) -> list[object]:
    filled = fill({**LEAST, "arguments": list(texts)}, PAYLOAD)["arguments"]
    assert isinstance(filled, list)
    return filled


def test_pointers_become_the_payloads_values() -> None:
    assert arguments("{/alpha}", "--n={/n}", "x-{/ref}-{/commits/1/id}", "{/a~1b/c~0d}", "{/}", "{/on}", 5, None, "plain") == [
        "0.1", "--n=3", "x-refs/heads/main-def", "deep", "empty key", "true", 5, None, "plain",
    ]  # fmt: skip


def test_the_other_fields_that_may_hold_pointers() -> None:
    template = {
        **LEAST,
        "id": "{/commits/0/id}",
        "displayName": "run of {/ref}",
        "tags": {"ref": "{/ref}"},
        "environmentVariables": {"ALPHA": "{/alpha}"},
    }
    assert fill(template, PAYLOAD) == {
        **LEAST,
        "id": "abc",
        "displayName": "run of refs/heads/main",
        "tags": {"ref": "refs/heads/main"},
        "environmentVariables": {"ALPHA": "0.1"},
    }
    assert Submission.of(fill(template, PAYLOAD)).display_name == "run of refs/heads/main"


@pytest.mark.parametrize(
    "change",
    [
        {"target": "{/ref}"},
        {"snapshot": "snapshots/{/ref}.zip"},
        {"snapshot": {"container": "snapshots", "name": "{/ref}"}},
        {"runconfig": "{/ref}"},
        {"runconfig": {"arguments": ["{/ref}"]}},
        {"experiment": "{/ref}"},
        {"script": "{/ref}"},
        {"environmentVariables": {"{/ref}": "x"}},
        {"environment_variables": {"{/ref}": "x"}},
        {"tags": {"{/ref}": "x"}},
        {"arguments": [["{/ref}"]]},
        {"priority": "{/n}"},
    ],
)
def test_pointers_name_nothing_that_decides_what_runs(change: dict[str, object]) -> None:
    for use in (check, lambda template: fill(template, PAYLOAD)):
        with pytest.raises(EventError, match="pointers may stand in"):
            use({**LEAST, **change})


def test_a_sound_template_passes_the_check() -> None:
    check({**LEAST, "arguments": ["--alpha={/alpha}"], "tags": {"a": "{/b}"}, "display_name": "{/c}"})


@pytest.mark.parametrize("text", ["{/evil}", "-{/ref}", "--{/ref}", "--{/ref}=1", "{/evil}=x", "-{/n}x"])
def test_a_value_is_never_an_option(text: str) -> None:
    with pytest.raises(EventError, match="join it to its option"):
        arguments(text)


def test_a_value_may_begin_with_a_dash_behind_its_option() -> None:
    assert arguments("--file={/evil}", "-o={/evil}", "x{/evil}") == [
        "--file=--output=/etc/passwd",
        "-o=--output=/etc/passwd",
        "x--output=/etc/passwd",
    ]


def test_a_value_is_not_a_template() -> None:
    assert arguments("{/braces}", "{alpha}", "{{/alpha}}") == ["{/alpha}", "{alpha}", "{0.1}"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{/missing}", "nothing at /missing"),
        ("{/alpha/x}", "nothing at /alpha/x"),
        ("{/commits/2/id}", "nothing at /commits/2/id"),
        ("{/commits/-1}", "nothing at"),
        ("{/commits/01}", "nothing at"),
        ("{/commits}", "/commits is a list or an object"),
        ("{/nothing}", "/nothing is null"),
        ("{/a~1b}", "a list or an object"),
    ],
)
def test_a_pointer_without_a_scalar_is_named(text: str, says: str) -> None:
    with pytest.raises(EventError, match=says):
        arguments(text)


def test_a_value_is_bounded() -> None:
    for value in ("x" * 5000, "a\0b"):
        with pytest.raises(EventError, match="longer than"):
            fill({"arguments": ["{/x}"]}, {"x": value})


def test_half_of_a_character_is_named() -> None:
    with pytest.raises(EventError, match="the payload's /x holds half of a character"):
        fill({"tags": {"of": "{/x}"}}, {"x": "a\ud800"})


@given(st.text(max_size=20))
def test_any_text_stays_one_item_and_no_option(value: str) -> None:
    try:
        filled = fill({"arguments": ["{/x}", "--a={/x}"]}, {"x": value})["arguments"]
    except EventError:
        assert value.startswith("-") or "\0" in value
    else:
        assert filled == [value, f"--a={value}"]
