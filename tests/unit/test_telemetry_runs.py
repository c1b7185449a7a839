"""One run is one trace, from its event to its ending, whatever the queues do meanwhile."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Final

import pytest
from opentelemetry.trace import SpanKind, StatusCode

from runyard import telemetry
from runyard.accept.doors import submit
from runyard.accept.webhooks import carry_out
from runyard.dispatch.wakes import SUBMISSIONS
from runyard.errors import ThrottledError
from runyard.events.delivery import Occurrence
from runyard.events.submission import Submission
from runyard.ports import Webhook
from runyard.reconcile import reconcile, redrive
from runyard.runs.model import Origin, Run
from runyard.services import install
from runyard.telemetry.traceparent import of_run, span_id, trace_id
from runyard.testing import ShakyQueue
from tests.fakes import snapshot
from tests.unit.notified import chain, listening, parcels
from tests.unit.traced import Recorder, TracedHouse, id_of, parent_of, recording, trace_of, traced_house

SENDER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
STATES = ["NotStarted", "Queued", "Starting", "Running", "Finalizing"]
SUBMISSION: Final[dict[str, object]] = {"experiment": "exp", "snapshot": "snapshots/exp/a.zip"}


def begun(house: TracedHouse) -> Run:
    """The one run, once it is on its compute."""
    for _ in range(20):
        house.settle()
        if house.target.submitted:
            return house.only()
        house.clock.advance(30)
        reconcile(house.ports)
    raise AssertionError(house.runs())


def finished(house: TracedHouse, code: int = 0) -> Run:
    """The one run, at its end, with what follows from that."""
    run = begun(house)
    house.clock.advance(20)
    house.target.end(house.target.submitted[-1], code)
    for _ in range(20):
        house.clock.advance(60)
        reconcile(house.ports)
        house.settle()
    ended = house.ports.runs.get(run.id)
    assert ended is not None
    assert ended.has_ended
    return ended


def states_of(recorder: Recorder, run: Run) -> list[str]:
    """Those of which there are spans, as they were told: the fake's clock is not the one that a late message waits by."""
    spans = recorder.exporter.get_finished_spans()
    return [span.name for span in spans if span.name in STATES and trace_of(span) == trace_id(run.trace)]


def test_a_run_is_one_trace_from_its_event_to_its_ending() -> None:
    with traced_house() as (house, recorder):
        listening(house)
        house.ports.blobs.put("snapshots", "exp/a.zip", snapshot())
        house.send(SUBMISSION, properties={"traceparent": SENDER})
        run = finished(house)
        assert trace_id(run.trace) == trace_id(SENDER)
        spans = recorder.of_trace(trace_id(SENDER))
        names = [span.name for span in spans]
        assert {
            *STATES,
            "run",
            "process submissions",
            "accept",
            "claim",
            "submit",
            "finalize",
            "announce",
            "deliver",
        } <= {*names}
        assert states_of(recorder, run) == STATES
        whole = recorder.span("run")
        assert id_of(whole) == span_id(of_run(run.id, run.trace))
        assert parent_of(whole) == id_of(recorder.span("process submissions"))
        inside = [span for span in spans if span.name not in {"run", "process submissions", "send submissions"}]
        assert {parent_of(span) for span in inside} == {id_of(whole)}
        assert whole.attributes is not None
        assert whole.attributes["runyard.run.state"] == "Completed"
        assert (whole.start_time, whole.end_time) == (round(run.created * 1e9), round(run.since * 1e9))


def test_states_follow_one_another_without_a_gap() -> None:
    with traced_house() as (house, recorder):
        house.drop()
        run = finished(house)
        spans = [span for span in recorder.of_trace(trace_id(run.trace)) if span.name in STATES]
        assert [span.name for span in spans] == STATES
        for before, after in pairwise(spans):
            assert before.end_time == after.start_time
        assert spans[0].start_time == recorder.span("run").start_time
        assert spans[-1].end_time == recorder.span("run").end_time


def test_what_observes_many_runs_has_a_trace_of_its_own_that_theirs_link_to() -> None:
    with traced_house() as (house, recorder):
        house.drop("exp/a.zip")
        house.drop("exp/b.zip")
        house.settle()
        handlers = {id_of(span): span for span in recorder.spans() if span.kind is SpanKind.CONSUMER}
        runs = house.runs()
        assert len({trace_id(run.trace) for run in runs}) == 2
        for run in runs:
            (claimed,) = [span for span in recorder.of_trace(trace_id(run.trace)) if span.name == "claim"]
            (link,) = claimed.links
            handler = handlers[f"{link.context.span_id:016x}"]
            assert handler.name == "process dispatch-fake"
            assert trace_of(handler) not in {trace_id(each.trace) for each in runs}


@pytest.mark.parametrize("seed", range(6))
def test_doubled_late_and_lost_messages_make_no_second_trace_and_no_second_span(seed: int) -> None:
    with traced_house() as (house, recorder):
        shaky = ShakyQueue(inner=house.ports.queue, seed=seed, double=0.4, delay=0.4, drop=0.2, lose_lock=0.2)
        house.ports = replace(house.ports, queue=shaky)
        house.serve()
        house.ports.blobs.put("snapshots", "exp/a.zip", snapshot())
        house.send({**SUBMISSION, "id": "e-1"}, properties={"traceparent": SENDER})
        run = finished(house)
        assert states_of(recorder, run) == STATES, shaky.report()
        assert trace_of(recorder.span("run")) == trace_id(SENDER), shaky.report()
        told = [span for span in recorder.spans() if (span.attributes or {}).get("runyard.run.id") == run.id]
        assert {trace_of(span) for span in told} == {trace_id(SENDER)}, shaky.report()
        submissions = [each for each in recorder.spans("process submissions") if each.parent is not None]
        assert {trace_of(each) for each in submissions} == {trace_id(SENDER)}, shaky.report()


def test_the_message_of_a_door_carries_the_trace_of_who_came_in() -> None:
    with traced_house() as (house, recorder):
        house.ports.blobs.put("snapshots", "exp/a.zip", snapshot())
        with telemetry.span("POST /api/runs", kind="server", parent=SENDER) as door:
            run, _ = submit(house.ports, Submission.of(SUBMISSION), origin=Origin(source="api"))
        assert run.trace == door.traceparent
        (message,) = house.ports.queue.peek(SUBMISSIONS)
        sent = recorder.span("send submissions")
        assert message.properties["traceparent"] == f"00-{trace_of(sent)}-{id_of(sent)}-01"
        assert trace_of(sent) == trace_id(SENDER)
        finished(house)
        assert states_of(recorder, run) == STATES


def test_a_cloud_event_on_the_queue_says_which_trace_it_belongs_to() -> None:
    with traced_house() as (house, recorder):
        house.ports.blobs.put("snapshots", "exp/a.zip", snapshot())
        event = {
            "specversion": "1.0",
            "id": "1",
            "source": "/s",
            "type": "t",
            "traceparent": SENDER,
            "data": SUBMISSION,
        }
        house.send(event)
        run = begun(house)
        assert trace_id(run.trace) == trace_id(SENDER)
        (link,) = recorder.span("event").links
        assert f"{link.context.span_id:016x}" == id_of(recorder.span("process submissions"))


def test_each_event_of_a_webhook_has_the_trace_that_it_names() -> None:
    with traced_house() as (house, _):
        house.ports.blobs.put("snapshots", "exp/a.zip", snapshot())
        hook = Webhook(name="hook", kind="cloudevents", submission=SUBMISSION)
        other = SENDER.replace("0af7", "1bf8")
        for number, context in enumerate((SENDER, other)):
            event = Occurrence(id=str(number), identity=(str(number),), payload={"traceparent": context})
            carry_out(house.ports, hook, event)
        assert {trace_id(run.trace) for run in house.runs()} == {trace_id(SENDER), trace_id(other)}


@pytest.mark.parametrize(
    "given", ["", "nonsense", "00-" + "0" * 32 + "-b7ad6b7169203331-01", "ff" + SENDER[2:], "x" * 600]
)
def test_a_sender_who_writes_no_context_gets_a_new_trace(given: str) -> None:
    with traced_house() as (house, recorder):
        house.ports.blobs.put("snapshots", "exp/a.zip", snapshot())
        house.send(SUBMISSION, properties={"traceparent": given})
        run = begun(house)
        handler = recorder.span("process submissions")
        assert handler.parent is None
        assert trace_id(run.trace) == trace_of(handler)


def test_the_ending_goes_out_in_the_trace_and_the_next_run_is_in_it_too() -> None:
    with traced_house() as (house, recorder):
        listening(house)
        chain(house, max_hops=1)
        house.drop()
        first = finished(house)
        (parcel,) = [each for each in parcels(house) if first.id.encode() in each.body][:1]
        (tried,) = [
            span
            for span in recorder.of_trace(trace_id(first.trace))
            if (span.attributes or {}).get("http.response.status_code")
        ]
        assert parcel.headers["traceparent"] == f"00-{trace_of(tried)}-{id_of(tried)}-01"
        (after,) = [run for run in house.runs() if run.id != first.id]
        assert trace_id(after.trace) == trace_id(first.trace)
        assert of_run(after.id, after.trace) != of_run(first.id, first.trace)


def test_a_run_that_was_made_while_telemetry_was_off_has_a_trace_all_the_same() -> None:
    house = TracedHouse()
    house.drop()
    run = begun(house)
    assert run.trace == ""
    with recording() as recorder:
        house.serve()
        finished(house)
    install(None)
    whole = recorder.span("run")
    assert whole.parent is None
    assert (trace_of(whole), id_of(whole)) == (trace_id(of_run(run.id, "")), span_id(of_run(run.id, "")))
    assert {parent_of(span) for span in recorder.of_trace(trace_of(whole))} == {"", id_of(whole)}


def test_a_run_that_fails_is_marked_with_the_kind_of_its_error_and_no_text() -> None:
    with traced_house() as (house, recorder):
        house.drop()
        run = finished(house, code=3)
        whole = recorder.span("run")
        assert whole.status.status_code is StatusCode.ERROR
        assert whole.status.description is None
        assert whole.attributes is not None
        assert whole.attributes["error.type"] == "ScriptFailed"
        assert whole.attributes["runyard.run.exit_code"] == 3
        assert run.error is not None
        assert run.error.message not in str(whole.to_json())


def test_a_dead_letter_that_is_sent_again_goes_on_in_its_trace() -> None:
    with traced_house() as (house, _):
        house.ports.blobs.put("snapshots", "exp/a.zip", snapshot())
        house.send(SUBMISSION, properties={"traceparent": SENDER}, message_id="m-1")
        (message,) = house.ports.queue.receive(SUBMISSIONS, most=1, lock=60.0)
        house.ports.queue.dead_letter(message, reason="test", description="put aside")
        house.deliver("deadletters")
        assert redrive(house.ports) == 1
        (again,) = house.ports.queue.peek(SUBMISSIONS)
        assert trace_id(again.properties["traceparent"]) == trace_id(SENDER)


def test_runs_are_measured() -> None:
    with traced_house() as (house, recorder):
        house.target.refusals.append(ThrottledError("slow down", 5.0))
        house.drop()
        house.settle()
        house.clock.advance(10)
        finished(house)
        points = recorder.points()
        assert points["runyard.run.created"] == [({"runyard.source": "blob"}, 1)]
        ending = {"runyard.run.state": "Completed", "runyard.compute": "local", "runyard.error.class": "none"}
        assert points["runyard.run.ended"] == [(ending, 1)]
        assert points["runyard.run.retries"] == [({"runyard.error.class": "throttled", "runyard.compute": "local"}, 1)]
        assert points["runyard.run.attempts"] == [({"runyard.compute": "local"}, 2)]
        assert points["runyard.run.queue_wait"] == [({"runyard.compute": "local"}, 2)]
        assert points["runyard.run.dispatch_latency"] == [({"runyard.compute": "local"}, 1)]
        places = {told["runyard.place"]: value for told, value in points["runyard.compute.runs"]}
        assert places == {"waiting": 0, "slot": 0}
        assert points["runyard.compute.limit"] == [({"runyard.compute": "local"}, 2)]


def test_no_attribute_of_a_metric_names_a_run() -> None:
    with traced_house() as (house, recorder):
        listening(house)
        house.drop()
        run = finished(house)
        for name, series in recorder.points().items():
            for attributes, _ in series:
                assert run.id not in str(attributes), name
