"""Deliveries of GitHub are believed by their signature only."""

import pytest

from runyard.errors import AuthError, EventError, MediaTypeError
from runyard.events.delivery import Delivery
from runyard.events.github import SIGNING, read, sign
from runyard.events.signatures import header_of, verify

SECRET = "It's a Secret to Everybody"
BODY = b"Hello, World!"
SIGNATURE = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"


def check(secret: str, body: bytes, header: str | None) -> None:
    headers = {} if header is None else {"X-Hub-Signature-256": header}
    verify(SIGNING, [secret], header_of(headers), body, now=0)


def test_githubs_own_example_is_signed_and_verified() -> None:
    assert sign(SECRET, BODY) == SIGNATURE
    check(SECRET, BODY, SIGNATURE)


@pytest.mark.parametrize(
    ("secret", "body", "header"),
    [
        (SECRET, BODY, None),
        (SECRET, BODY, ""),
        (SECRET, BODY + b" ", SIGNATURE),
        (SECRET + "x", BODY, SIGNATURE),
        (SECRET, BODY, SIGNATURE.replace("sha256", "sha1")),
        (SECRET, BODY, SIGNATURE[:-1]),
        (SECRET, BODY, "sha256=\u00e9\ud800"),
    ],
)
def test_anything_else_is_refused_without_showing_the_secret(secret: str, body: bytes, header: str | None) -> None:
    with pytest.raises(AuthError) as caught:
        check(secret, body, header)
    assert SECRET not in caught.value.message
    assert "757107" not in caught.value.message


def test_a_deliverys_names_are_found_in_any_casing() -> None:
    headers = {"x-github-delivery": "72d3162e", "X-GITHUB-EVENT": "push", "Other": "x"}
    (event,) = read(Delivery.of(headers.items(), b'{"a": 1}'))
    assert (event.id, event.identity, event.type, event.payload) == ("72d3162e", ("72d3162e",), "push", {"a": 1})
    with pytest.raises(EventError, match="X-GitHub-Delivery"):
        read(Delivery.of([("X-GitHub-Event", "push")], b"{}"))
    with pytest.raises(EventError, match="X-GitHub-Event"):
        read(Delivery.of([("X-GitHub-Delivery", "1"), ("X-GitHub-Event", " ")], b"{}"))


def test_a_form_of_github_is_told_which_type_is_needed() -> None:
    headers = [
        ("X-GitHub-Delivery", "1"),
        ("X-GitHub-Event", "push"),
        ("Content-Type", "application/x-www-form-urlencoded"),
    ]
    with pytest.raises(MediaTypeError, match="application/json"):
        read(Delivery.of(headers, b"payload=%7B%7D"))
