"""The event of an ending as data: its form, its bounds and its published schema."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from runyard.errors import EventError
from runyard.events.endings import HOPS, MAX_EVENT, MAX_ITEMS, MAX_TEXT, encoded, ending_event, submission_of
from runyard.events.endings_schema import PUBLISHED, endings_schema, main, schema_text
from runyard.events.submission import parse_submission
from runyard.runs.model import MetricSummary, Run, RunError
from runyard.runs.states import State
from tests.contract.samples import everything

SOURCE = "urn:uuid:0"


def a_run(**changes: object) -> Run:
    return replace(everything(), state=State.FAILED, ended=1_700_000_100.5, **changes)


def test_an_event_is_json_and_says_when_the_run_ended() -> None:
    event = json.loads(encoded(ending_event(a_run(), SOURCE)))
    assert ("io.runyard.run.failed", "2023-11-14T22:15:00.500000Z") == (event["type"], event["time"])
    assert event["id"] == f"{event['subject']}/failed"
    assert set(endings_schema()["properties"]) == set(event["data"])


def test_a_run_that_has_not_ended_has_no_event() -> None:
    with pytest.raises(ValueError, match="has not ended"):
        ending_event(everything(), SOURCE)


def test_the_same_ending_makes_the_same_bytes() -> None:
    assert encoded(ending_event(a_run(), SOURCE)) == encoded(ending_event(a_run(), SOURCE))


def test_what_is_no_number_in_json_is_null() -> None:
    metric = MetricSummary(last=float("nan"), min=float("-inf"), max=1.0, count=2)
    event = json.loads(encoded(ending_event(a_run(metrics={"loss": metric}), SOURCE)))
    assert {"last": None, "min": None, "max": 1.0, "count": 2} == event["data"]["metrics"]["loss"]


def test_much_of_anything_is_cut_and_said_to_be() -> None:
    metrics = {f"m{n:04}": MetricSummary(last=n, min=n, max=n, count=1) for n in range(MAX_ITEMS + 1)}
    error = RunError(error_class="user", message="x" * 10_000)
    event = ending_event(a_run(metrics=metrics, error=error, reason="y" * 10_000), SOURCE)
    data = event["data"]
    assert (MAX_ITEMS, ["metrics"]) == (len(data["metrics"]), data["truncated"])
    assert (MAX_TEXT, MAX_TEXT) == (len(data["error"]["message"]), len(data["reason"]))


def test_an_event_never_has_more_than_64_kib() -> None:
    tags = {f"{n:03}" + "k" * 250: "\u00fc" * 250 for n in range(100)}
    data = encoded(ending_event(a_run(tags=tags, properties=tags), SOURCE))
    assert len(data) <= MAX_EVENT
    assert ["metrics", "properties", "tags"] == json.loads(data)["data"]["truncated"]


def test_what_is_cut_goes_on_counting_the_chain() -> None:
    tags = {str(number): "\u00fc" * 250 for number in range(49)} | {HOPS: "7"}
    sent = json.loads(encoded(ending_event(a_run(tags=tags), SOURCE)))
    assert ({HOPS: "7"}, True) == (sent["data"]["tags"], "tags" in sent["data"]["truncated"])


def test_what_is_no_text_is_sent_all_the_same() -> None:
    event = json.loads(encoded(ending_event(a_run(tags={"a": "\udcff"}), SOURCE)))
    assert "\udcff" == event["data"]["tags"]["a"]


def test_a_template_makes_the_same_submission_of_the_same_ending() -> None:
    event = ending_event(a_run(tags={HOPS: "2"}), SOURCE)
    template = {"experiment": "train", "snapshot": "uploads/a.zip", "tags": {"after": "{/data/runId}", HOPS: "0"}}
    made = submission_of(template, event, "chain", 10)
    assert made == submission_of(template, event, "chain", 10)
    assert (f"{event['id']}/chain", {"after": event["subject"], HOPS: "3"}) == (made.id, made.tags)
    document = made.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True)
    assert made == parse_submission(json.dumps(document).encode()).submission


@pytest.mark.parametrize(("said", "counted"), [("9", 10), ("-1", 1), ("many", 1), ("9" * 30, 1)])
def test_a_count_that_was_not_written_here_counts_as_none(said: str, counted: int) -> None:
    event = ending_event(a_run(tags={HOPS: said}), SOURCE)
    made = submission_of({"experiment": "train", "snapshot": "uploads/a.zip"}, event, "chain", 10)
    assert str(counted) == made.tags[HOPS]


def test_a_chain_that_is_too_long_is_refused() -> None:
    event = ending_event(a_run(tags={HOPS: "10"}), SOURCE)
    with pytest.raises(EventError, match="break the loop"):
        submission_of({"experiment": "train", "snapshot": "uploads/a.zip"}, event, "chain", 10)


def test_the_published_schema_is_that_of_the_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    published = Path(__file__).parents[2] / PUBLISHED
    assert schema_text() == published.read_text(encoding="utf-8"), "run `make docs`"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["schema"])
    main()
    assert published.read_text() == (tmp_path / PUBLISHED).read_text()
