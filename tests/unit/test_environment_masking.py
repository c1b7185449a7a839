"""Credentials that a masker was told of stand in nothing that it gives back."""

from __future__ import annotations

import base64
from urllib.parse import quote

import pytest

from runyard.runner.environments.masking import MASK, Masker, mask_urls, variables_named

SECRET = "s3cr+t/Wörd"


@pytest.mark.parametrize(
    "url",
    [
        f"https://user:{quote(SECRET, safe='')}@host.example/simple",
        f"https://{quote(SECRET, safe='')}@host.example/simple",
        f"https://host.example/t/{quote(SECRET, safe='')}/channel",
        f"https://host.example/simple?sig={quote(SECRET, safe='')}&x=1",
        f"--proxy user:{quote(SECRET, safe='')}@host.example:80",
    ],
)
def test_a_secret_is_masked_in_each_way_of_writing_it(url: str) -> None:
    masker = Masker()
    masker.learn([url])
    basic = base64.b64encode(f"user:{SECRET}".encode()).decode()
    forms = [
        url,
        SECRET,
        quote(SECRET),
        quote(SECRET, safe=""),
        *([basic] if "user:" in url and "proxy" not in url else []),
    ]
    for form in forms:
        shown = masker(f"before {form} after")
        assert MASK in shown
        for each in forms[1:]:
            assert each not in shown


def test_urls_that_it_was_not_told_of_are_masked_too() -> None:
    assert f"at https://{MASK}@h.example/x" == mask_urls("at https://user:password@h.example/x")
    assert f"https://h.example/x?token={MASK}&a=1" == mask_urls("https://h.example/x?token=abc&a=1")


@pytest.mark.parametrize(
    "text",
    [
        "https://h.example:8080/x",
        "git+ssh://git@h.example/x",
        "https://${USER}:${TOKEN}@h.example/x",
        "six==1.0 @ home",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert text == Masker()(text)


def test_a_user_beside_a_password_is_masked_in_urls_only() -> None:
    masker = Masker()
    masker.learn(["https://build:password123@h.example/"])
    assert f"the build of https://{MASK}@h.example/: {MASK}" == masker(
        "the build of https://build:password123@h.example/: password123"
    )


def test_short_secrets_do_not_riddle_other_texts() -> None:
    masker = Masker()
    masker.learn(["https://u:a@h.example/"])
    assert f"a package at https://{MASK}@h.example/" == masker("a package at https://u:a@h.example/")


def test_variables_that_are_named_for_secrets_are_masked() -> None:
    masker = Masker()
    masker.learn_variables({"API_TOKEN": "abcdefgh", "OMP_NUM_THREADS": "4444"})
    assert f"{MASK} 4444" == masker("abcdefgh 4444")
    assert {"variables": {"API_TOKEN": MASK, "N": "1"}, "l": ["x"]} == masker.deep(
        {"variables": {"API_TOKEN": "other", "N": "1"}, "l": ["x"]}
    )


def test_variables_in_braces_are_found() -> None:
    texts = ["https://${USER}:${TOKEN}@h.example", "${MISSING}"]
    assert [("TOKEN", "t"), ("USER", "u")] == variables_named(texts, {"TOKEN": "t", "USER": "u"})
