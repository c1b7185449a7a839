"""Secrets are taken out of documents whole, and put back by place alone."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from runyard.runconfig.concealed import conceal, reveal
from runyard.runconfig.explain_source import masked_source
from runyard.runconfig.redact import MASK, is_stored_name, redacted
from runyard.runner.sealed import UnfitError, at, pointer_to


def test_a_document_without_secrets_is_itself() -> None:
    document = {"script": "train.py", "arguments": ["--alpha", "0.5"], "tags": {"a": "b"}}
    masked, values = conceal(document)
    assert masked is document
    assert {} == values


@pytest.mark.parametrize(
    ("document", "pointers"),
    [
        ({"environmentVariables": {"HF_TOKEN": "abc", "A": "b"}}, ["/environmentVariables/HF_TOKEN"]),
        ({"baseImageRegistry": {"password": "hunter2", "username": "me"}}, ["/baseImageRegistry/password"]),
        ({"arguments": ["--password", "hunter2", "--n", "3"]}, ["/arguments/1"]),
        ({"arguments": ["--token=hunter2"]}, ["/arguments/0"]),
        ({"password": 12345}, ["/password"]),
        ({"secret": {"a": ["b"]}}, ["/secret"]),
        ({"pip": ["numpy", "--index-url https://me:tok@host/simple"]}, ["/pip/1"]),
        ({"a/b~c": {"password": "x"}}, ["/a~1b~0c/password"]),
        ({"text": "it is ghp_0123456789abcdefghij01"}, ["/text"]),
        (
            {"environmentVariables": {"FOO": "x"}, "runyard": {"secret_variables": ["FOO"]}},
            ["/environmentVariables/FOO"],
        ),
        ({"environment_variables": {"FOO": "x"}, "secretVariables": ["FOO"]}, ["/environment_variables/FOO"]),
        (
            {
                "runconfig": {
                    "Runyard": {"secretVariables": ["FOO"]},
                    "environment": {"EnvironmentVariables": {"FOO": "x"}},
                }
            },
            ["/runconfig/environment/EnvironmentVariables/FOO"],
        ),
        ({"runyard": {"secrets": {"HF_TOKEN": "hf-token", "B": "Not A Name"}}}, ["/runyard/secrets/B"]),
    ],
)
def test_what_is_secret_goes_whole_and_comes_back(document: dict[str, Any], pointers: list[str]) -> None:
    before = json.dumps(document)
    masked, values = conceal(document)
    assert pointers == list(values)
    assert [MASK] * len(pointers) == [at(masked, pointer) for pointer in pointers]
    assert document == reveal(masked, values)
    assert before == json.dumps(document)


def test_names_that_are_marked_beside_the_document_count() -> None:
    masked, values = conceal({"environment_variables": {"FOO": "x", "BAR": "y"}, "FOO": "z"}, ["FOO"])
    assert {"environment_variables": {"FOO": MASK, "BAR": "y"}, "FOO": "z"} == masked
    assert {"/environment_variables/FOO": "x"} == values


def test_a_mask_that_an_author_wrote_asks_for_nothing() -> None:
    document = {"password": MASK, "a": MASK, "token": "real"}
    masked, values = conceal(document)
    assert {"/token": "real"} == values
    assert document == reveal(masked, values)


def test_empty_values_stay() -> None:
    document = {"password": "", "environmentVariables": {"FOO": ""}, "secretVariables": ["FOO"], "token": None}
    assert (document, {}) == conceal(document)


@pytest.mark.parametrize("pointer", ["/b", "/a/0/1", "/a/7", "/a/x", "/c/d"])
def test_a_place_that_is_not_there_is_an_error_and_no_new_key(pointer: str) -> None:
    with pytest.raises(UnfitError) as caught:
        reveal({"a": ["x"], "c": "text"}, {pointer: "canary"})
    assert "canary" not in str(caught.value)


def test_in_what_is_stored_nothing_is_left_that_would_be_masked() -> None:
    """Any document: nothing that is masked for people is stored, and nothing is lost."""
    rng = random.Random(7)
    keys = [
        "password",
        "token",
        "a",
        "environmentVariables",
        "FOO",
        "runyard",
        "secret_variables",
        "secrets",
        "x/y~z",
        "",
    ]
    texts = ["", "plain", MASK, "https://u:p@h/", "--password", "--token=x", "FOO", "AKIAABCDEFGHIJKLMNOP", "a=b"]

    def grow(depth: int) -> Any:
        match rng.randrange(5 if depth else 3):
            case 0:
                return rng.choice(texts)
            case 1:
                return rng.choice([None, True, 0, 1.5])
            case 2:
                return rng.choice(texts)
            case 3:
                return [grow(depth - 1) for _ in range(rng.randrange(4))]
            case _:
                return {rng.choice(keys): grow(depth - 1) for _ in range(rng.randrange(4))}

    for _ in range(3000):
        document = {"document": grow(4)}
        masked, values = conceal(document, ["FOO"])
        assert masked == redacted(masked, ["FOO"])
        assert document == reveal(masked, values)


def test_pointers_spell_any_key() -> None:
    assert "/a~1b/~0/0/" == pointer_to("a/b", "~", 0, "")
    assert 5 == at({"a/b": {"~": [{"": 5}]}}, pointer_to("a/b", "~", 0, ""))


@pytest.mark.parametrize(
    ("name", "legal"),
    [
        ("hf-token", True),
        ("a", True),
        ("A", False),
        ("a_b", False),
        ("-a", False),
        ("", False),
        ("x" * 101, False),
        (5, False),
    ],
)
def test_names_of_stored_secrets(name: object, legal: bool) -> None:
    assert legal is is_stored_name(name)


def test_the_text_of_a_file_shows_no_variable_that_it_marks() -> None:
    text = (
        "environmentVariables:\n  PLAIN: canary-1 # of mine\n  OPEN: shown\n"
        "environment:\n  environmentVariables: {PLAIN: canary-2}\n"
        "runyard:\n  secret_variables: [PLAIN]\n  secrets: {HF_TOKEN: hf-token, B: Not A Name}\nPLAIN: kept\n"
    )
    shown = masked_source(text.encode(), "a.runconfig")
    assert (
        text.replace("canary-1", f'"{MASK}"').replace("canary-2", f'"{MASK}"').replace("Not A Name", f'"{MASK}"')
        == shown
    )
