"""Webhooks at their public door: proven, forged, repeated, too large, of another type, filtered, paused, counted."""

from __future__ import annotations

import json
from typing import Any

import pytest

from runyard.accept import doors
from runyard.api import deliveries
from runyard.api.guard import MAX_BODY
from runyard.events.delivery import MOST_EVENTS
from runyard.events.endings import HOPS
from runyard.events.signatures import Signing
from runyard.reconcile import prune
from tests.served import Served
from tests.unit.hooked import add, now, runs, send, served
from tests.webhooks import (
    ORIGIN,
    SECRET,
    Sent,
    binary,
    cloud_event,
    grid,
    grid_event,
    packed,
    shown,
    signed,
    structured,
)

__all__ = ["served"]  # a fixture


@pytest.mark.parametrize("make", [structured, binary])
def test_a_cloud_event_starts_its_run_once_in_either_mode(served: Served, make: Any) -> None:
    add(served, "cloudevents")
    first, again = send(served, make(cloud_event())), send(served, make(cloud_event()))
    assert (202, 202) == (first.status_code, again.status_code)
    assert first.json()["runId"] == again.json()["runId"]
    assert [("--alpha=0.25",)] == runs(served)
    origin = served.house.only().origin
    assert ("webhook", "hook", "A234-1234-1234") == (origin.source, origin.name, origin.event_id)


def test_endings_that_lead_back_by_a_url_are_counted_and_the_chain_ends(served: Served) -> None:
    add(served, "cloudevents")

    def ending(hops: str, ident: str) -> dict[str, Any]:
        data = {"alpha": 1, "tags": {HOPS: hops}}
        return cloud_event(ident, type="io.runyard.run.completed", data=data)

    assert 202 == send(served, structured(ending("9", "a"))).status_code
    assert {HOPS: "10"} == served.house.only().tags
    answer = send(served, structured(ending("10", "b")))
    assert (400, True) == (answer.status_code, "10 runs that started one another" in answer.text)
    assert 1 == len(runs(served))


def test_what_an_event_of_another_type_says_of_hops_counts_nothing(served: Served) -> None:
    add(served, "cloudevents")
    assert 202 == send(served, structured(cloud_event(data={"alpha": 1, "tags": {HOPS: "99"}}))).status_code
    assert {} == served.house.only().tags


def test_the_same_id_of_another_source_is_another_event(served: Served) -> None:
    add(served, "cloudevents")
    for source in ("/a", "/b", "/a"):
        assert 202 == send(served, structured(cloud_event(source=source))).status_code
    assert 2 == len(runs(served))


def test_the_events_of_a_batch_are_runs_of_their_own_and_a_repetition_finds_them(served: Served) -> None:
    add(served, "eventgrid")
    first = send(served, grid([grid_event("1"), grid_event("2"), grid_event("1")])).json()["runs"]
    assert ["started", "started", "found"] == [each["outcome"] for each in first]
    again = send(served, grid([grid_event("2"), grid_event("3")])).json()["runs"]
    assert [("2", "found"), ("3", "started")] == [(each["eventId"], each["outcome"]) for each in again]
    assert 3 == len(runs(served))


def test_one_bad_event_of_a_batch_is_on_record_and_the_others_run(served: Served) -> None:
    add(served, "eventgrid")
    events = [grid_event("1"), grid_event("2", data={}), grid_event("3")]
    for _ in range(2):
        answer = send(served, grid(events))
        assert 202 == answer.status_code
        assert "rejected" == answer.json()["runs"][1]["outcome"]
    served.settle()
    assert ["_rejected", "hooked", "hooked"] == sorted(run.experiment for run in served.house.runs())
    bad = next(run for run in served.house.runs() if run.experiment == "_rejected")
    assert ("webhook", "hook", "2") == (bad.origin.source, bad.origin.name, bad.origin.event_id)
    assert "/data/alpha" in bad.reason


def test_a_batch_that_is_cut_short_by_a_flood_is_taken_whole_when_it_comes_again(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(served, "eventgrid")
    monkeypatch.setattr(doors, "BACKLOG", 3)
    assert 202 == served.submit().status_code
    events = [grid_event(str(number)) for number in range(3)]
    refused = send(served, grid(events))
    assert (429, "10") == (refused.status_code, refused.headers["Retry-After"])
    served.settle()
    assert ["found", "found", "started"] == [each["outcome"] for each in send(served, grid(events)).json()["runs"]]
    assert 4 == len(runs(served))


def test_order_does_not_matter(served: Served) -> None:
    add(served, "cloudevents")
    for ident in ("3", "1", "2", "1", "3"):
        send(served, structured(cloud_event(ident)))
    assert 3 == len(runs(served))


@pytest.mark.parametrize("kind", ["cloudevents", "eventgrid"])
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"X-Runyard-Key": SECRET}, 202),
        ({"X-Runyard-Key": ""}, 401),
        ({"X-Runyard-Key": SECRET[:-1]}, 401),
        ({"X-Runyard-Key": "caf\u00e9"}, 401),
        ({"X-Runyard-Key": "", "Authorization": f"Bearer {SECRET}"}, 202),
        ({"X-Runyard-Key": "", "Authorization": f"bearer {SECRET}"}, 202),
        ({"X-Runyard-Key": "", "Authorization": f"Basic {SECRET}"}, 401),
        ({"X-Runyard-Key": "", "Authorization": "Bearer x"}, 401),
        ({"X-Runyard-Key": "wrong", "Authorization": f"Bearer {SECRET}"}, 401),
    ],
)
def test_who_does_not_show_the_secret_starts_nothing(
    served: Served, kind: str, headers: dict[str, str], status: int
) -> None:
    add(served, kind)
    sent = structured(cloud_event()) if kind == "cloudevents" else grid([grid_event()])
    answer = send(served, sent, **headers)
    assert status == answer.status_code
    assert (1 if status == 202 else 0) == len(runs(served))
    assert SECRET not in answer.text


def test_a_secret_in_the_address_is_no_proof(served: Served) -> None:
    add(served, "cloudevents")
    body, headers = structured(cloud_event())
    headers = {name: text for name, text in headers.items() if name != "X-Runyard-Key"}
    request = served.http.build_request(
        "POST", f"/api/webhooks/hook?access_token={SECRET}", content=body, headers=headers
    )
    del request.headers["Authorization"]
    answer = served.http.send(request)
    assert 401 == answer.status_code
    assert "the address is no place for it" in answer.json()["error"]["message"]
    assert SECRET not in answer.text


def test_the_header_that_shows_the_secret_can_be_named(served: Served) -> None:
    add(served, "cloudevents", secretHeader="X-Team-Key")
    body, kind = packed(cloud_event()), "application/cloudevents+json"
    assert 401 == send(served, shown(body, kind)).status_code
    assert 202 == send(served, shown(body, kind, header="X-Team-Key")).status_code


def test_authorization_can_be_the_only_header(served: Served) -> None:
    add(served, "eventgrid", secretHeader="Authorization")
    assert 401 == send(served, grid([grid_event()])).status_code
    assert 202 == send(served, grid([grid_event()]), Authorization=f"Bearer {SECRET}").status_code


@pytest.mark.parametrize("method", ["PUT", "PATCH", "TRACE", "CONNECT"])
def test_other_methods_are_not_taken(served: Served, method: str) -> None:
    add(served, "cloudevents")
    answer = send(served, structured(cloud_event()), method=method)
    assert 405 == answer.status_code
    assert "POST" in answer.headers["Allow"]
    assert [] == runs(served)


@pytest.mark.parametrize("method", ["GET", "DELETE", "HEAD"])
def test_what_its_owner_may_do_needs_the_token_and_the_host(served: Served, method: str) -> None:
    add(served, "cloudevents")
    assert 403 == send(served, (b"", {"X-Runyard-Key": SECRET}), method=method).status_code
    assert 401 == send(served, (b"", {"X-Runyard-Key": SECRET}), method=method, Host="127.0.0.1").status_code
    assert 200 == served.http.get("/api/webhooks/hook").status_code


@pytest.mark.parametrize("path", ["test", "rotate", "pause", "resume", "secrets/1", "secrets"])
def test_what_changes_a_webhook_needs_the_token_and_the_host(served: Served, path: str) -> None:
    add(served, "cloudevents")
    for host, status in (("tunnel.example", 403), ("127.0.0.1", 401)):
        assert status == send(served, (b"{}", {"X-Runyard-Key": SECRET}), f"hook/{path}", Host=host).status_code


def test_an_unknown_webhook_is_not_found_by_any_delivery(served: Served) -> None:
    for sent in (structured(cloud_event()), (b"x" * (MAX_BODY + 1), {"Content-Type": "application/json"})):
        assert 404 == send(served, sent, "nobody").status_code
    assert 404 == send(served, (b"", ORIGIN), "nobody", "OPTIONS").status_code


@pytest.mark.parametrize(
    ("kind", "sent"),
    [
        ("github", shown(b"{}", "text/xml")),
        ("hmac", signed(b"{}", Signing(), 1_000_000_000.0, kind="application/x-www-form-urlencoded")),
        ("cloudevents", shown(packed(cloud_event()), "application/json")),
        ("cloudevents", shown(packed(cloud_event()), "application/cloudevents+xml")),
        ("eventgrid", shown(packed([grid_event()]), "text/plain")),
        ("eventgrid", shown(packed([grid_event()]), "application/json; charset=latin-1")),
    ],
)
def test_content_of_another_type_is_said_to_be_so(served: Served, kind: str, sent: Sent) -> None:
    add(served, kind)
    if kind == "github":
        from runyard.events.github import sign as github_sign

        sent = (sent[0], {**sent[1], "X-Hub-Signature-256": github_sign(SECRET, sent[0])})
    answer = send(served, sent)
    assert (415, "MediaTypeError") == (answer.status_code, answer.json()["error"]["code"])
    assert [] == runs(served)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"NaN", b'{"alpha": 1e999}', b'"text"', b"[" * 50_000])
def test_what_is_not_the_agreed_json_is_refused_in_one_sentence(served: Served, body: bytes) -> None:
    add(served, "cloudevents", name="a")
    add(served, "eventgrid", name="b")
    add(served, "hmac", name="c", pointer="/alpha")
    for name, sent in (
        ("a", shown(body, "application/cloudevents+json")),
        ("b", shown(body, "application/json")),
        ("c", signed(body, Signing(), now(served))),
    ):
        answer = send(served, sent, name)
        assert 400 == answer.status_code, answer.text
        assert "\n" not in answer.json()["error"]["message"]
    assert [] == runs(served)


@pytest.mark.parametrize("kind", ["hmac", "cloudevents", "eventgrid"])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_delivery_larger_than_its_kind_may_be_is_refused(served: Served, kind: str, chunked: bool) -> None:
    add(served, kind)
    data = b"x" * (MAX_BODY + 1)
    content: Any = iter([data[:70_000], data[70_000:]]) if chunked else data
    answer = served.http.post("/api/webhooks/hook", content=content, headers={"X-Runyard-Key": SECRET})
    assert (413, True) == (answer.status_code, "1 MiB" in answer.json()["error"]["message"])
    assert 1 == served.http.get("/api/webhooks/hook").json()["deliveries"]["refused"]


def test_few_large_deliveries_are_taken_in_at_a_time(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    from runyard.events.github import sign as github_sign

    add(served, "github", pointer="/alpha")
    body = packed({"alpha": 1, "padding": "x" * MAX_BODY})
    names = {"X-GitHub-Event": "push", "X-GitHub-Delivery": "d-1", "X-Hub-Signature-256": github_sign(SECRET, body)}
    sent = (body, {"Content-Type": "application/json", **names})
    with monkeypatch.context() as patched:
        patched.setattr(deliveries, "LARGE", 0)
        refused = send(served, sent)
        assert (429, "1") == (refused.status_code, refused.headers["Retry-After"])
    for _ in range(deliveries.LARGE + 1):  # each leaves room behind
        assert 202 == send(served, sent).status_code


def test_too_many_events_are_refused(served: Served) -> None:
    add(served, "eventgrid")
    assert 400 == send(served, grid([grid_event(str(each)) for each in range(MOST_EVENTS + 1)])).status_code
    assert [] == runs(served)


@pytest.mark.parametrize(
    ("filters", "started"),
    [
        ({"events": ["com.example.someevent"]}, True),
        ({"events": ["com.example.other"]}, False),
        ({"subjectPrefix": "models/"}, True),
        ({"subjectPrefix": "data/"}, False),
        ({"subjectSuffix": "/ridge"}, True),
        ({"subjectSuffix": "/lasso"}, False),
        ({"events": ["com.example.someevent"], "subjectPrefix": "models/", "subjectSuffix": "ridge"}, True),
    ],
)
def test_what_the_filters_leave_out_is_answered_and_starts_nothing(
    served: Served, filters: dict[str, Any], started: bool
) -> None:
    add(served, "cloudevents", name="cloud", **filters)
    answer = send(served, structured(cloud_event()), "cloud")
    assert (202 if started else 200) == answer.status_code
    assert (1 if started else 0) == len(runs(served))


def test_an_event_may_not_choose_what_only_the_template_may(served: Served) -> None:
    add(served, "cloudevents", pointer="/data/alpha")
    assert 202 == send(served, structured(cloud_event(data={"alpha": "--target=x", "snapshot": "y/z.zip"}))).status_code
    assert 400 == send(served, structured(cloud_event("2", data={"alpha": ["a", "b"]}))).status_code
    assert [("--alpha=--target=x",)] == runs(served)


def test_a_paused_webhook_asks_to_come_again_and_forgets_nothing(served: Served) -> None:
    add(served, "cloudevents")
    assert served.http.post("/api/webhooks/hook/pause").json()["paused"]
    refused = send(served, structured(cloud_event()))
    assert (503, "300") == (refused.status_code, refused.headers["Retry-After"])
    assert 401 == send(served, structured(cloud_event(), "wrong")).status_code
    assert 200 == send(served, (b"", {**ORIGIN, "X-Runyard-Key": SECRET}), method="OPTIONS").status_code
    assert not served.http.post("/api/webhooks/hook/resume").json()["paused"]
    assert 202 == send(served, structured(cloud_event())).status_code
    assert 1 == len(runs(served))


def test_a_delivery_whose_run_was_deleted_is_a_conflict_and_does_not_hold_up_a_batch(served: Served) -> None:
    add(served, "eventgrid")
    run = send(served, grid([grid_event("1")])).json()["runId"]
    served.settle()
    served.house.target.end(f"{run}/1")
    served.settle(60)
    served.house.clock.advance(100)
    assert 1 == prune(served.house.ports, runs_older_than=1).runs
    assert 409 == send(served, grid([grid_event("1")])).status_code
    both = send(served, grid([grid_event("1"), grid_event("2")])).json()["runs"]
    assert ["deleted", "started"] == [each["outcome"] for each in both]


def test_what_becomes_of_deliveries_is_counted_without_a_write(served: Served) -> None:
    add(served, "cloudevents")
    send(served, structured(cloud_event()))
    send(served, structured(cloud_event()))
    before = json.dumps([hook.__repr__() for hook in served.house.ports.webhooks.list()])
    for _ in range(20):
        send(served, structured(cloud_event(), "wrong"))
    found = served.http.get("/api/webhooks/hook").json()
    counted = {name: found["deliveries"][name] for name in ("accepted", "runs", "refused")}
    assert {"accepted": 2, "runs": 1, "refused": 20} == counted
    assert "not that of this webhook" in found["deliveries"]["lastRefusal"]
    assert found["secrets"][0]["lastUsedTimeUtc"] == found["deliveries"]["lastAcceptedTimeUtc"]
    assert before == json.dumps([hook.__repr__() for hook in served.house.ports.webhooks.list()])
    served.http.delete("/api/webhooks/hook")
    add(served, "cloudevents")
    assert 0 == served.http.get("/api/webhooks/hook").json()["deliveries"]["refused"]
