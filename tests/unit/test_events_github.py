"""Deliveries of GitHub are believed by their signature only."""

import pytest

from runyard.errors import AuthError, EventError
from runyard.events.github import delivery, sign, verify

SECRET = "It's a Secret to Everybody"
BODY = b"Hello, World!"
SIGNATURE = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"


def test_githubs_own_example_is_signed_and_verified() -> None:
    assert sign(SECRET, BODY) == SIGNATURE
    verify(SECRET, BODY, SIGNATURE)


@pytest.mark.parametrize(
    ("secret", "body", "header"),
    [
        (SECRET, BODY, None),
        (SECRET, BODY, ""),
        (SECRET, BODY + b" ", SIGNATURE),
        (SECRET + "x", BODY, SIGNATURE),
        (SECRET, BODY, SIGNATURE.removeprefix("sha256=")),
        (SECRET, BODY, SIGNATURE[:-1]),
        (SECRET, BODY, "sha256=\u00e9\ud800"),
        ("", BODY, sign("", BODY)),
    ],
)
def test_anything_else_is_refused_without_showing_the_secret(secret: str, body: bytes, header: str | None) -> None:
    with pytest.raises(AuthError) as caught:
        verify(secret, body, header)
    assert SECRET not in caught.value.message
    assert "757107" not in caught.value.message


def test_a_deliverys_names_are_found_in_any_casing() -> None:
    assert delivery({"x-github-delivery": "72d3162e", "X-GITHUB-EVENT": "push", "Other": "x"}) == ("72d3162e", "push")
    with pytest.raises(EventError, match="X-GitHub-Delivery"):
        delivery({"X-GitHub-Event": "push"})
    with pytest.raises(EventError, match="X-GitHub-Event"):
        delivery({"X-GitHub-Delivery": "1", "X-GitHub-Event": " "})
