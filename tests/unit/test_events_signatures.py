"""Signatures of deliveries: public test vectors, every scheme both ways, and whatever a stranger may send."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runyard.errors import AuthError, ConfigError
from runyard.events.signatures import (
    BODY,
    SCHEMES,
    STANDARD,
    STRIPE,
    TIMESTAMPED,
    Signing,
    check_secret,
    check_signing,
    header_of,
    new_secret,
    sign,
    sign_standard,
    verify,
)

NOW = 1_614_265_330.0
STANDARD_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
STANDARD_BODY = b'{"test": 2432232314}'
STANDARD_HEADERS = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": "1614265330",
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}
GITHUB_SECRET = "It's a Secret to Everybody"
GITHUB_SIGNATURE = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"


def proven(signing: Signing, headers: dict[str, str], body: bytes, *keys: str, now: float = NOW) -> tuple[int, str]:
    proof = verify(signing, keys, header_of(headers), body, now=now)
    return proof.key, proof.ident


def test_the_vector_of_standard_webhooks_is_signed_and_verified() -> None:
    ident = STANDARD_HEADERS["webhook-id"]
    assert STANDARD_HEADERS == sign_standard(STANDARD_SECRET, ident=ident, timestamp=NOW, body=STANDARD_BODY)
    assert (0, ident) == proven(Signing(scheme=STANDARD), STANDARD_HEADERS, STANDARD_BODY, STANDARD_SECRET)


def test_the_prefix_of_a_standard_secret_may_be_left_out() -> None:
    bare = STANDARD_SECRET.removeprefix("whsec_")
    assert 0 == proven(Signing(scheme=STANDARD), STANDARD_HEADERS, STANDARD_BODY, bare)[0]


def test_one_of_several_standard_signatures_is_enough() -> None:
    wrong = "v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc="
    several = " ".join([wrong, wrong.replace("v1", "v2"), STANDARD_HEADERS["webhook-signature"], "v1a,x", wrong])
    headers = {**STANDARD_HEADERS, "webhook-signature": several}
    assert 0 == proven(Signing(scheme=STANDARD), headers, STANDARD_BODY, STANDARD_SECRET)[0]


def test_a_standard_signature_of_another_version_is_none() -> None:
    other = STANDARD_HEADERS["webhook-signature"].replace("v1", "v2")
    with pytest.raises(AuthError):
        proven(
            Signing(scheme=STANDARD), {**STANDARD_HEADERS, "webhook-signature": other}, STANDARD_BODY, STANDARD_SECRET
        )


def test_githubs_example_is_one_of_a_body_alone() -> None:
    signing = Signing(scheme=BODY, header="X-Hub-Signature-256")
    for value in (GITHUB_SIGNATURE, f"sha256={GITHUB_SIGNATURE}", GITHUB_SIGNATURE.upper()):
        assert 0 == proven(signing, {"x-hub-signature-256": value}, b"Hello, World!", GITHUB_SECRET)[0]


def test_a_timestamped_signature_is_of_the_time_a_dot_and_the_body() -> None:
    wanted = hmac.new(b"secret-of-ours", b"1614265330.{}", hashlib.sha512).digest()
    headers = {"X-Runyard-Timestamp": "1614265330", "X-Runyard-Signature": base64.b64encode(wanted).decode()}
    signing = Signing(algorithm="sha512", encoding="base64")
    assert 0 == proven(signing, headers, b"{}", "secret-of-ours")[0]
    assert (
        f"sha512={headers['X-Runyard-Signature']}"
        == sign(signing, "secret-of-ours", b"{}", timestamp=NOW)["X-Runyard-Signature"]
    )


def test_a_stripe_header_may_hold_several_signatures_and_other_pairs() -> None:
    right = hmac.new(b"secret-of-ours", b"1614265330.{}", hashlib.sha256).hexdigest()
    header = f"t=1614265330,v1={'0' * 64},v1={right},v0=6ffb"
    assert 0 == proven(Signing(scheme=STRIPE), {"Stripe-Signature": header}, b"{}", "secret-of-ours")[0]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_any_of_the_valid_secrets_proves_and_says_which(scheme: str) -> None:
    signing = Signing(scheme=scheme)
    old, new = new_secret(scheme), new_secret(scheme)
    headers = sign(signing, old, b"{}", timestamp=NOW, ident="d-1")
    assert 1 == proven(signing, headers, b"{}", new, old)[0]
    with pytest.raises(AuthError):
        proven(signing, headers, b"{}", new)


@pytest.mark.parametrize("scheme", [TIMESTAMPED, STRIPE, STANDARD])
@pytest.mark.parametrize(("off", "said"), [(-301, "301 s ahead"), (301, "301 s ago")])
def test_a_delivery_of_another_time_is_refused_both_ways(scheme: str, off: int, said: str) -> None:
    signing, secret = Signing(scheme=scheme), new_secret(scheme)
    headers = sign(signing, secret, b"{}", timestamp=NOW, ident="d-1")
    with pytest.raises(AuthError, match=said):
        proven(signing, headers, b"{}", secret, now=NOW + off)
    proven(signing, headers, b"{}", secret, now=NOW + off - (1 if off > 0 else -1))
    proven(replace(signing, tolerance=400.0), headers, b"{}", secret, now=NOW + off)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_what_is_forged_is_refused_without_showing_a_secret(scheme: str) -> None:
    signing, secret = Signing(scheme=scheme), new_secret(scheme)
    headers = sign(signing, secret, b"{}", timestamp=NOW, ident="d-1")
    name = signing.signature_header
    forgeries = [
        {},
        {name: ""},
        {**headers, name: headers[name][:-3]},
        {**headers, name: "\u00e9\udc80"},
        sign(signing, new_secret(scheme), b"{}", timestamp=NOW, ident="d-1"),
        sign(signing, secret, b"{ }", timestamp=NOW, ident="d-1"),
    ]
    for forged in forgeries:
        with pytest.raises(AuthError) as caught:
            proven(signing, forged, b"{}", secret)
        assert secret not in caught.value.message
        assert headers[name][-20:] not in caught.value.message


@pytest.mark.parametrize("changed", ["webhook-id", "webhook-timestamp"])
def test_a_standard_signature_covers_the_id_and_the_time(changed: str) -> None:
    headers = {**STANDARD_HEADERS, changed: "1614265331"}
    with pytest.raises(AuthError):
        proven(Signing(scheme=STANDARD), headers, STANDARD_BODY, STANDARD_SECRET)


@pytest.mark.parametrize(
    ("text", "said"), [("1614265330000", "milliseconds"), ("soon", "digits"), ("-5", "digits"), ("1e9", "digits")]
)
def test_a_timestamp_of_another_form_is_refused_in_words(text: str, said: str) -> None:
    headers = {"X-Runyard-Timestamp": text, "X-Runyard-Signature": "0" * 64}
    with pytest.raises(AuthError, match=said):
        proven(Signing(), headers, b"{}", "secret-of-ours")


@pytest.mark.parametrize(
    "changes", [{"scheme": "rsa"}, {"algorithm": "sha1"}, {"algorithm": "md5"}, {"encoding": "utf"}, {"tolerance": 0.0}]
)
def test_a_way_of_signing_that_is_not_offered_is_refused(changes: dict[str, str]) -> None:
    with pytest.raises(ConfigError):
        check_signing(replace(Signing(), **changes))  # type: ignore[arg-type]


@pytest.mark.parametrize("secret", ["whsec_", "whsec_c2hvcnQ=", "whsec_not base64 at all", "a plain text of mine"])
def test_a_standard_secret_of_another_form_is_refused_without_being_shown(secret: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_secret(Signing(scheme=STANDARD), secret)
    assert secret == "whsec_" or secret not in caught.value.message


NAMES = ("X-Runyard-Signature", "X-Runyard-Timestamp", "Stripe-Signature", *STANDARD_HEADERS)
TOKENS = ["t=1614265330", "1614265330", "v1=", "v1,", ",", " ", "sha256=", "0" * 64, "a", "=", "\udc80", "\u0661"]
VALUES = st.lists(st.sampled_from(TOKENS), max_size=6).map("".join)
HEADERS = st.lists(VALUES, min_size=len(NAMES), max_size=len(NAMES)).map(lambda v: dict(zip(NAMES, v, strict=True)))


@given(scheme=st.sampled_from(SCHEMES), headers=HEADERS, body=st.binary(max_size=50))
def test_no_headers_prove_anything_but_a_signature_and_none_break_the_reader(
    scheme: str, headers: dict[str, str], body: bytes
) -> None:
    with pytest.raises(AuthError):
        proven(Signing(scheme=scheme), headers, body, STANDARD_SECRET)


@given(
    scheme=st.sampled_from(SCHEMES),
    algorithm=st.sampled_from(["sha256", "sha512"]),
    encoding=st.sampled_from(["hex", "base64"]),
    body=st.binary(max_size=200),
    flip=st.integers(min_value=0),
)
def test_what_is_signed_proves_and_one_changed_byte_does_not(
    scheme: str, algorithm: str, encoding: str, body: bytes, flip: int
) -> None:
    signing = Signing(scheme=scheme, algorithm=algorithm, encoding=encoding)
    headers = sign(signing, STANDARD_SECRET, body, timestamp=NOW, ident="d-1")
    assert 0 == proven(signing, headers, body, STANDARD_SECRET)[0]
    place = flip % (len(body) + 1)
    changed = (
        body[:place] + b"\x00" + body[place + 1 :] if body[place : place + 1] != b"\x00" else body[:place] + b"\x01"
    )
    with pytest.raises(AuthError):
        proven(signing, headers, changed, STANDARD_SECRET)
