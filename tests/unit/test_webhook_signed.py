"""Deliveries that are signed, in each scheme: the window of time, forgeries, and what makes one the same as another."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runyard.events.signatures import BODY, SCHEMES, STANDARD, STRIPE, TIMESTAMPED, Signing
from tests.served import Served
from tests.unit.hooked import add, now, runs, send, served
from tests.webhooks import (
    binary,
    cloud_event,
    packed,
    signed,
    structured,
)

__all__ = ["served"]  # a fixture


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_signed_delivery_starts_its_run_once_within_the_window(served: Served, scheme: str) -> None:
    add(served, "hmac", pointer="/alpha", scheme=scheme)
    sent = signed(b'{"alpha": 1}', Signing(scheme=scheme), now(served))
    first = send(served, sent)
    assert 202 == first.status_code, first.text
    served.house.clock.advance(299)
    assert first.json()["runId"] == send(served, sent).json()["runId"]
    assert [("--alpha=1",)] == runs(served)
    served.house.clock.advance(2)
    late = send(served, sent)
    assert (202 if scheme == BODY else 401) == late.status_code
    assert 1 == len(served.house.runs())


@pytest.mark.parametrize("scheme", [TIMESTAMPED, STRIPE, STANDARD])
@pytest.mark.parametrize("off", [-301, 301])
def test_a_stale_or_future_delivery_is_refused_in_one_sentence(served: Served, scheme: str, off: int) -> None:
    add(served, "hmac", pointer="/alpha", scheme=scheme)
    answer = send(served, signed(b'{"alpha": 1}', Signing(scheme=scheme), now(served) + off))
    assert 401 == answer.status_code
    assert "301 s" in answer.json()["error"]["message"]
    assert [] == runs(served)
    assert "301 s" in served.http.get("/api/webhooks/hook").json()["deliveries"]["lastRefusal"]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_what_is_signed_by_another_or_changed_is_refused(served: Served, scheme: str) -> None:
    add(served, "hmac", pointer="/alpha", scheme=scheme)
    signing = Signing(scheme=scheme)
    body, headers = signed(b'{"alpha": 1}', signing, now(served))
    other = "whsec_" + "QUFB" * 10 if scheme == STANDARD else "another-secret-0123"
    forged = signed(body, signing, now(served), secret=other)
    kind = {"Content-Type": "application/json"}
    for sent in (forged, (b'{"alpha": 2}', headers), (body, kind), (body, {**headers, signing.signature_header: "x"})):
        assert 401 == send(served, sent).status_code
    assert [] == runs(served)


def test_a_signature_header_that_is_there_twice_is_refused(served: Served) -> None:
    add(served, "hmac", pointer="/alpha")
    body, headers = signed(b'{"alpha": 1}', Signing(), now(served))
    twice = [(name.encode(), text.encode()) for name, text in [*headers.items(), ("X-Runyard-Signature", "0" * 64)]]
    assert 400 == served.http.post("/api/webhooks/hook", content=body, headers=twice).status_code
    assert [] == runs(served)


@pytest.mark.parametrize("scheme", [TIMESTAMPED, STRIPE, BODY])
def test_the_form_of_a_signature_can_be_chosen(served: Served, scheme: str) -> None:
    chosen = Signing(
        scheme=scheme, header="X-Sig", timestamp_header="X-Time", algorithm="sha512", encoding="base64", tolerance=5.0
    )
    add(
        served,
        "hmac",
        pointer="/alpha",
        scheme=scheme,
        signatureHeader="X-Sig",
        algorithm="sha512",
        encoding="base64",
        **({"timestampHeader": "X-Time"} if scheme == TIMESTAMPED else {}),
        **({} if scheme == BODY else {"toleranceSeconds": 5}),  # type: ignore[arg-type]
    )
    assert 202 == send(served, signed(b'{"alpha": 1}', chosen, now(served) - 5)).status_code
    if scheme != BODY:
        assert 401 == send(served, signed(b'{"alpha": 2}', chosen, now(served) - 6)).status_code
    assert 401 == send(served, signed(b'{"alpha": 3}', replace(chosen, algorithm="sha256"), now(served))).status_code


def test_without_a_name_of_its_own_a_delivery_is_its_time_and_body(served: Served) -> None:
    add(served, "hmac", pointer="/alpha")
    at = now(served)
    for body, when in ((b'{"alpha": 1}', at), (b'{"alpha": 1}', at), (b'{"alpha": 1}', at - 1), (b'{"alpha": 2}', at)):
        assert 202 == send(served, signed(body, Signing(), when)).status_code
    assert 3 == len(runs(served))


def test_a_named_header_is_a_deliverys_identity(served: Served) -> None:
    add(served, "hmac", pointer="/alpha", idHeader="X-Event-Id")
    at = now(served)
    for when, ident in ((at, "e-1"), (at - 5, "e-1"), (at, "e-2")):
        assert 202 == send(served, signed(b'{"alpha": 1}', Signing(), when), **{"X-Event-Id": ident}).status_code
    missing = send(served, signed(b'{"alpha": 1}', Signing(), at))
    assert (400, True) == (missing.status_code, "X-Event-Id" in missing.json()["error"]["message"])
    for wrong in ("x" * 201, "caf\x85", "a\tb"):
        assert 400 == send(served, signed(b'{"alpha": 1}', Signing(), at), **{"X-Event-Id": wrong}).status_code
    assert 2 == len(runs(served))


def test_a_pointer_into_the_payload_is_a_deliverys_identity(served: Served) -> None:
    add(served, "hmac", pointer="/alpha", idPointer="/event/id")
    at = now(served)
    for when, ident in ((at, "e-1"), (at - 5, "e-1"), (at, "e-2")):
        body = packed({"alpha": when, "event": {"id": ident}})
        assert 202 == send(served, signed(body, Signing(), when)).status_code
    assert 400 == send(served, signed(b'{"alpha": 1}', Signing(), at)).status_code
    assert 2 == len(runs(served))


def test_an_event_of_stripes_form_keeps_its_identity_when_it_is_signed_anew(served: Served) -> None:
    add(served, "hmac", pointer="/data/alpha", scheme=STRIPE, events=["model.released"])
    body = packed({"id": "evt_1", "type": "model.released", "data": {"alpha": 3}})
    for off in (0, 7, 90):
        assert 202 == send(served, signed(body, Signing(scheme=STRIPE), now(served) + off)).status_code
    other = packed({"id": "evt_2", "type": "invoice.paid", "data": {"alpha": 3}})
    assert 200 == send(served, signed(other, Signing(scheme=STRIPE), now(served))).status_code
    assert [("--alpha=3",)] == runs(served)


def test_a_standard_webhook_is_the_same_delivery_at_each_try(served: Served) -> None:
    add(served, "hmac", pointer="/alpha", scheme=STANDARD)
    for off in (0, 5, 200):
        sent = signed(b'{"alpha": 1}', Signing(scheme=STANDARD), now(served) + off, ident="msg_1")
        assert 202 == send(served, sent).status_code
    assert 1 == len(runs(served))


def test_a_cloud_event_may_be_signed_instead_of_showing_the_secret(served: Served) -> None:
    add(served, "cloudevents", scheme=STANDARD)
    kind = "application/cloudevents+json"
    signing = Signing(scheme=STANDARD)
    for ident in ("msg_1", "msg_2"):  # the event is what counts, not the try
        assert (
            202 == send(served, signed(packed(cloud_event()), signing, now(served), ident=ident, kind=kind)).status_code
        )
    assert 401 == send(served, structured(cloud_event("2"))).status_code
    body, headers = binary(cloud_event("3"))
    assert 415 == send(served, (body, {**headers, **signed(body, signing, now(served))[1]})).status_code
    assert 1 == len(runs(served))
