"""Handshakes: answered to who shows the secret, and nothing that they name is fetched."""

from __future__ import annotations

import pytest

from runyard.events.signatures import STANDARD
from tests.served import Served
from tests.unit.hooked import add, runs, send, served
from tests.webhooks import (
    CODE,
    ORIGIN,
    SECRET,
    grid,
    grid_event,
    validation_event,
)

__all__ = ["served"]  # a fixture


def test_the_cloud_events_handshake_is_answered_to_who_shows_the_secret(served: Served) -> None:
    for kind in ("cloudevents", "eventgrid"):
        add(served, kind, name=kind)
        assert 401 == send(served, (b"", ORIGIN), kind, "OPTIONS").status_code
        answer = send(served, (b"", {**ORIGIN, "X-Runyard-Key": SECRET}), kind, "OPTIONS")
        wanted = ("eventgrid.azure.net", "120", "POST")
        names = ("WebHook-Allowed-Origin", "WebHook-Allowed-Rate", "Allow")
        assert (200, b"") == (answer.status_code, answer.content)
        assert wanted == tuple(answer.headers[name] for name in names)
        assert "Access-Control-Allow-Origin" not in answer.headers
        nobody = send(served, (b"", {"X-Runyard-Key": SECRET}), kind, "OPTIONS")
        assert (400, False) == (nobody.status_code, "WebHook-Allowed-Origin" in nobody.headers)


def test_a_handshake_may_be_opened_and_deliveries_still_need_the_secret(served: Served) -> None:
    add(served, "eventgrid", openHandshake=True)
    assert 200 == send(served, (b"", ORIGIN), method="OPTIONS").status_code
    body, headers = grid([validation_event()], "wrong")
    answer = send(served, (body, {**headers, "aeg-event-type": "SubscriptionValidation"}))
    assert (200, {"validationResponse": CODE}) == (answer.status_code, answer.json())
    for kind in ("SubscriptionValidation", "Notification"):
        body, headers = grid([grid_event()], "wrong")
        assert 401 == send(served, (body, {**headers, "aeg-event-type": kind})).status_code
    assert [] == runs(served)


def test_where_deliveries_are_signed_a_handshake_needs_nothing(served: Served) -> None:
    add(served, "cloudevents", scheme=STANDARD)
    assert 200 == send(served, (b"", ORIGIN), method="OPTIONS").status_code


def test_event_grids_handshake_is_answered_with_its_code_and_nothing_is_fetched(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[object] = []
    monkeypatch.setattr("socket.create_connection", lambda *args, **_: fetched.append(args))
    add(served, "eventgrid")
    answer = send(served, grid([validation_event()]))
    assert (200, {"validationResponse": CODE}) == (answer.status_code, answer.json())
    assert 401 == send(served, grid([validation_event()], "wrong")).status_code
    callback = {"WebHook-Request-Callback": "https://rp.example/confirm?id=1", "X-Runyard-Key": SECRET}
    assert 200 == send(served, (b"", {**ORIGIN, **callback}), method="OPTIONS").status_code
    assert ([], []) == (fetched, runs(served))
    assert served.http.get("/api/webhooks/hook").json()["deliveries"]["lastHandshakeTimeUtc"] is not None


@pytest.mark.parametrize("kind", ["github", "hmac"])
def test_kinds_without_a_handshake_have_no_such_method(served: Served, kind: str) -> None:
    add(served, kind)
    assert 405 == send(served, (b"", ORIGIN), method="OPTIONS").status_code
