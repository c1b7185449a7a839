"""CloudEvents over HTTP, by the examples of the specification; and Event Grid's deliveries, by those of its pages."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runyard.errors import EventError, MediaTypeError
from runyard.events import cloudevents, eventgrid
from runyard.events.delivery import MOST_EVENTS, Delivery, Occurrence
from runyard.events.template import value_at
from tests.webhooks import (
    CODE,
    Sent,
    batched,
    binary,
    cloud_event,
    grid,
    grid_event,
    packed,
    shown,
    structured,
    validation_event,
)


def delivery(sent: Sent, **changes: str | None) -> Delivery:
    body, headers = sent
    merged: dict[str, str | None] = {**{name.lower(): text for name, text in headers.items()}, **changes}
    return Delivery.of([(name, text) for name, text in merged.items() if text is not None], body)


def cloud(sent: Sent, **changes: str | None) -> list[Occurrence]:
    return cloudevents.read(delivery(sent, **changes))


def test_a_structured_event_is_the_document_that_templates_point_into() -> None:
    (event,) = cloud(structured(cloud_event()))
    assert ("A234-1234-1234", ("/mycontext", "A234-1234-1234")) == (event.id, event.identity)
    assert ("com.example.someevent", "models/ridge") == (event.type, event.subject)
    assert ("0.25", "/mycontext", "value") == tuple(
        value_at(event.payload, pointer) for pointer in ("/data/alpha", "/source", "/comexampleextension1")
    )


def test_a_binary_event_is_the_same_event() -> None:
    (one,), (other,) = cloud(structured(cloud_event())), cloud(binary(cloud_event()))
    assert one.identity == other.identity
    assert isinstance(other.payload, dict)
    assert {**cloud_event(), "datacontenttype": "application/json"} == other.payload


def test_a_batch_is_several_events_and_may_be_empty() -> None:
    assert ["a", "b"] == [each.id for each in cloud(batched([cloud_event("a"), cloud_event("b")]))]
    assert [] == cloud(batched([]))


def test_data_in_base64_is_unpacked_if_it_is_json() -> None:
    event = cloud_event(data_base64=base64.b64encode(b'{"alpha": 7}').decode())
    del event["data"]
    assert "7" == value_at(cloud(structured(event))[0].payload, "/data/alpha")
    event["datacontenttype"] = "application/octet-stream"
    assert "data" not in dict(cloud(structured(event))[0].payload)  # type: ignore[call-overload]


def test_binary_data_of_other_types_comes_as_text_or_base64() -> None:
    body, headers = binary(cloud_event())
    (text,) = cloud((b"hello", headers), **{"content-type": "text/plain"})
    (other,) = cloud((b"\xff\x00", headers), **{"content-type": "application/octet-stream"})
    assert ("hello", "/wA=") == (value_at(text.payload, "/data"), value_at(other.payload, "/data_base64"))
    assert body


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro \u20ac \U0001f600"),  # the binding's own example
        ('"a \\"quoted\\" one"', 'a "quoted" one'),
        ("%41%62c", "Abc"),
        ("100%25", "100%"),
    ],
)
def test_attributes_in_headers_are_unquoted_and_decoded_once(written: str, meant: str) -> None:
    (event,) = cloud(binary(cloud_event()), **{"ce-subject": written})
    assert meant == event.subject


@pytest.mark.parametrize("written", ["%C0%A0", "caf\u00e9", "%FF", "a%0Ab", "%00"])
def test_attributes_in_headers_that_are_no_text_are_refused(written: str) -> None:
    with pytest.raises(EventError):
        cloud(binary(cloud_event()), **{"ce-subject": written})


@pytest.mark.parametrize(
    "changes",
    [
        {"specversion": "0.3"},
        {"specversion": None},
        {"id": ""},
        {"id": 7},
        {"id": "x" * 1025},
        {"source": None},
        {"type": "a\nb"},
        {"subject": ""},
        {"time": "yesterday"},
        {"data_base64": "e30="},
    ],
)
def test_an_event_without_the_agreed_attributes_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(EventError) as caught:
        cloud(structured(cloud_event(**changes)))
    assert not isinstance(caught.value, MediaTypeError)
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    "kind",
    [
        "application/cloudevents+avro",
        "application/cloudevents",
        "application/json",
        "text/plain",
        None,
        "no type at all",
    ],
)
def test_what_is_no_cloud_event_by_its_type_is_refused_as_such(kind: str | None) -> None:
    with pytest.raises(MediaTypeError):
        cloud(structured(cloud_event()), **{"content-type": kind})


@pytest.mark.parametrize("name", ["content-encoding", "content-type"])
def test_packed_or_other_text_than_utf8_is_refused(name: str) -> None:
    value = {"content-encoding": "gzip", "content-type": "application/cloudevents+json; charset=utf-16"}[name]
    with pytest.raises(MediaTypeError):
        cloud(structured(cloud_event()), **{name: value})


@pytest.mark.parametrize("header", ["ce-datacontenttype", "ce-data", "ce-data_base64", "ce-Some-Thing", "ce-"])
def test_headers_that_no_binary_event_has_are_refused(header: str) -> None:
    with pytest.raises(EventError):
        cloud(binary(cloud_event()), **{header.lower(): "text/plain"})


def test_an_attribute_that_is_there_twice_is_refused() -> None:
    body, headers = binary(cloud_event())
    with pytest.raises(EventError, match="2 times"):
        cloudevents.read(Delivery.of([*headers.items(), ("CE-ID", "other")], body))


def test_where_the_body_is_signed_attributes_in_headers_do_not_count() -> None:
    with pytest.raises(MediaTypeError, match="signature"):
        cloudevents.read(delivery(binary(cloud_event())), signed=True)
    assert 1 == len(cloudevents.read(delivery(structured(cloud_event())), signed=True))


@pytest.mark.parametrize("body", [b"", b" ", b"{", b"\xff", b"[1]", b"NaN", b"1", b"[" * 100_000])
def test_a_body_that_is_no_event_is_refused_in_words(body: bytes) -> None:
    for kind in ("application/cloudevents+json", "application/cloudevents-batch+json"):
        with pytest.raises(EventError):
            cloud(shown(body, kind))
    with pytest.raises(EventError):
        eventgrid.read(delivery(shown(body, "application/json")))


def test_too_many_events_are_refused_with_the_number_allowed() -> None:
    with pytest.raises(EventError, match="500"):
        cloud(batched([cloud_event(str(number)) for number in range(MOST_EVENTS + 1)]))
    with pytest.raises(EventError, match="maximum events per batch"):
        eventgrid.read(delivery(grid([grid_event(str(number)) for number in range(MOST_EVENTS + 1)])))


def test_a_handshake_is_agreed_to_for_who_asks_and_at_most_at_our_rate() -> None:
    def asked(**headers: str) -> dict[str, str]:
        return cloudevents.allowance(Delivery.of(headers.items()))

    name, rate = "WebHook-Request-Origin", "WebHook-Request-Rate"
    wanted = {"WebHook-Allowed-Origin": "eventemitter.example.com", "WebHook-Allowed-Rate": "120", "Allow": "POST"}
    assert wanted == asked(**{name: "eventemitter.example.com", rate: "120"})
    assert "6000" == asked(**{name: "a.example", rate: "9999999"})["WebHook-Allowed-Rate"]
    assert "6000" == asked(**{name: "a.example", rate: "soon"})["WebHook-Allowed-Rate"]
    for wrong in ("", "a b", "a\u00e9", "-", "x" * 300):
        with pytest.raises(EventError):
            asked(**{name: wrong})


def test_events_of_event_grid_are_read_in_both_schemas() -> None:
    own = eventgrid.read(delivery(grid([grid_event("1"), grid_event("2")])))
    assert isinstance(own, list)
    assert [("1", "recordInserted", "models/ridge"), ("2", "recordInserted", "models/ridge")] == [
        (each.id, each.type, each.subject) for each in own
    ]
    assert "0.25" == value_at(own[0].payload, "/data/alpha")
    other = eventgrid.read(delivery(structured(cloud_event())))
    assert isinstance(other, list)
    assert "com.example.someevent" == other[0].type
    assert 2 == len(eventgrid.read(delivery(batched([cloud_event("a"), cloud_event("b")]))))


def test_the_handshake_of_event_grid_gives_its_code() -> None:
    assert CODE == eventgrid.read(delivery(grid([validation_event()])))


@pytest.mark.parametrize(
    "events",
    [
        [validation_event(), grid_event()],
        [{**validation_event(), "data": {}}],
        [{**validation_event(), "data": {"validationCode": "<script>"}}],
        [{**validation_event(), "data": {"validationCode": "x" * 200}}],
        [{**validation_event(), "data": None}],
    ],
)
def test_a_handshake_of_another_form_is_not_answered(events: list[Any]) -> None:
    with pytest.raises(EventError):
        eventgrid.read(delivery(grid(events)))


def test_that_a_subscription_ended_asks_for_nothing() -> None:
    gone = grid_event(eventType="Microsoft.EventGrid.SubscriptionDeletedEvent")
    assert [] == eventgrid.read(delivery(grid([gone])))


@pytest.mark.parametrize(
    "events",
    [
        [],
        {},
        [7],
        grid_event(),
        [grid_event(id=None)],
        [grid_event(eventType="")],
        [grid_event(subject=None)],
        [grid_event(eventTime=None)],
        [grid_event(eventTime="now")],
        [grid_event(topic=7)],
    ],
)
def test_what_event_grid_does_not_send_is_refused(events: Any) -> None:
    with pytest.raises(EventError):
        eventgrid.read(delivery(grid(events)))


def test_another_type_than_event_grids_is_refused_as_such() -> None:
    with pytest.raises(MediaTypeError):
        eventgrid.read(delivery((packed([grid_event()]), {"Content-Type": "text/xml"})))


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=50))
def test_any_attribute_comes_through_a_header_as_it_was(text: str) -> None:
    (event,) = cloud(binary(cloud_event()), **{"ce-subject": quote(text, safe="")})
    assert text == event.subject


@given(st.dictionaries(st.sampled_from(["ce-id", "ce-type", "ce-time", "ce-x", "content-type"]), st.text(max_size=20)))
def test_no_header_breaks_the_reader(changes: dict[str, str]) -> None:
    said = ""
    try:
        cloud(binary(cloud_event()), **changes)
    except EventError as error:
        said = error.message
    assert "\n" not in said
