"""A submission is read strictly, and its faults never repeat what may be a secret."""

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runyard.errors import EventError
from runyard.events.schema import PUBLISHED, main, schema_text, submission_schema
from runyard.events.submission import MAX_BYTES, Submission, parse_submission

SECRET = "hunter2"  # the value that no error may show
WHOLE: dict[str, Any] = {
    "schema": 1,
    "id": "order-7",
    "experiment": "ridge",
    "snapshot": "snapshots/ridge/a.zip",
    "runconfig": "local",
    "target": "local",
    "script": "train.py",
    "arguments": ["--alpha", 0.1, 3, True, None, "x"],
    "environmentVariables": {"API_KEY": SECRET},
    "tags": {"team": "a"},
    "priority": 5,
    "displayName": "Ridge",
}
LEAST = {"experiment": "ridge", "snapshot": {"container": "snapshots", "name": "a.zip"}}
CLOUD = {
    "specversion": "1.0",
    "id": "1",
    "source": "/shop",
    "type": "shop.order",
    "time": "2026-01-31T12:00:00Z",
    "datacontenttype": "application/json; charset=utf-8",
    "myextension": "x",
    "data": WHOLE,
}


def fault(value: object) -> str:
    with pytest.raises(EventError) as caught:
        parse_submission(value if isinstance(value, bytes) else json.dumps(value).encode())
    assert SECRET not in caught.value.message
    assert "\n" not in caught.value.message
    return caught.value.message


def test_plain_json_is_read() -> None:
    event = parse_submission(json.dumps(WHOLE).encode())
    submission = event.submission
    assert (event.cloud_event, event.time) == (None, None)
    assert (submission.snapshot.container, submission.snapshot.name) == ("snapshots", "ridge/a.zip")
    assert submission.arguments == ("--alpha", 0.1, 3, True, None, "x")
    assert submission.environment_variables == {"API_KEY": SECRET}
    assert (submission.id, submission.priority, submission.display_name) == ("order-7", 5, "Ridge")


def test_only_experiment_and_snapshot_are_needed() -> None:
    submission = parse_submission(json.dumps(LEAST).encode()).submission
    assert submission == Submission.of(LEAST)
    assert (submission.arguments, submission.runconfig, submission.priority, submission.tags) == (None, None, 0, {})


def test_a_submission_comes_back_from_its_own_json() -> None:
    submission = Submission.of(WHOLE)
    assert submission == Submission.of(submission.model_dump(mode="json", by_alias=True))


def test_an_inline_run_configuration_is_an_object() -> None:
    assert Submission.of({**LEAST, "runconfig": {"script": "a.py", "nodeCount": 1}}).runconfig == {
        "script": "a.py",
        "nodeCount": 1,
    }


def test_a_cloud_event_is_read_with_its_identity() -> None:
    event = parse_submission(json.dumps(CLOUD).encode())
    assert event.submission == Submission.of(WHOLE)
    assert event.cloud_event == ("/shop", "1")
    assert event.time == 1769860800.0


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"experiment": "_rejected"}, "'_rejected' is not an experiment name"),
        ({"experiment": 5}, "experiment: must be a valid string"),
        ({"experiment": None}, "experiment"),
        ({"snapshot": "a.zip"}, "snapshot: must have the form container/name"),
        ({"snapshot": "AB/a.zip"}, "snapshot.container: must be 3 to 63"),
        ({"snapshot": {"container": "snapshots"}}, "snapshot.name is missing"),
        ({"snapshot": {**LEAST["snapshot"], "sha256": "x"}}, "snapshot.sha256: must be 64"),  # type: ignore[dict-item]
        ({"snapshot": 5}, "snapshot: must be an object"),
        ({"arguments": "--a"}, "arguments: must be a valid array"),
        ({"arguments": ["a", ["b"]]}, "arguments[1]: must be a text"),
        ({"arguments": ["a\0"]}, "arguments[0]: must be a text"),
        ({"arguments": ["a"] * 1001}, "arguments: "),
        ({"runconfig": [SECRET]}, "runconfig: must be a name or an object"),
        ({"environmentVariables": {"A": [SECRET]}}, "environmentVariables.A: must be a valid string"),
        ({"environmentVariables": SECRET}, "environmentVariables: must be an object"),
        ({"environmentVariables": {"LD_PRELOAD": SECRET}}, "environmentVariables: the name 'LD_PRELOAD' is reserved"),
        ({"environmentVariables": {"A B": SECRET}}, "environmentVariables: the name 'A B' is not a legal name"),
        ({"environmentVariables": {"A": SECRET + "\0"}}, "environmentVariables.A: must not hold a NUL character"),
        ({"tags": {str(number): "x" for number in range(51)}}, "tags: "),
        ({"tags": {"a": 5}}, "tags.a: must be a valid string"),
        ({"priority": "5"}, "priority: must be a valid integer"),
        ({"priority": 101}, "priority: must be less than or equal to 100"),
        ({"priority": True}, "priority: must be a valid integer"),
        ({"schema": 2}, "schema: must be 1"),
        ({"id": ""}, "id: must have at least 1 character"),
        ({"id": "x" * 201}, "id: must have at most 200 characters"),
        ({"password": SECRET}, "password is not a field of a submission"),
        ({"priority": "x", "schema": "y"}, "(and 1 more)"),
    ],
)
def test_a_fault_names_the_field(change: dict[str, object], says: str) -> None:
    assert says in fault({**WHOLE, **change})
    assert says in fault({**CLOUD, "data": {**WHOLE, **change}})


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"specversion": "0.3"}, "specversion is '0.3'"),
        ({"specversion": 1.0}, "CloudEvents 1.0 is understood"),
        ({"id": ""}, "the CloudEvent's id"),
        ({"source": None}, "the CloudEvent's source"),
        ({"type": 5}, "the CloudEvent's type"),
        ({"time": "yesterday"}, "the CloudEvent's time"),
        ({"datacontenttype": "text/xml"}, "datacontenttype must be JSON"),
        ({"data": None}, "the submission: must be an object"),
        ({"data": "x"}, "the submission: must be an object"),
    ],
)
def test_a_cloud_event_is_checked(change: dict[str, object], says: str) -> None:
    assert says in fault({**CLOUD, **change})


def test_a_cloud_event_without_data_is_refused() -> None:
    assert "has no data" in fault({key: value for key, value in CLOUD.items() if key != "data"})


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[1]",
        b"5",
        b"\xff",
        b"[" * 100_000,
        b'{"data":' + b"[" * 100_000,
        b'{"experiment": NaN}',
        b"x" * (MAX_BYTES + 1),
    ],
)
def test_what_is_not_json_is_refused(data: bytes) -> None:
    assert "the submission" in fault(data)


def test_what_json_cannot_hold_is_refused() -> None:
    for value in ("\ud800", {1, 2}, object()):
        with pytest.raises(EventError):
            Submission.of({**LEAST, "displayName": value})


@settings(max_examples=200, deadline=None)
@given(
    st.binary(max_size=100)
    | st.dictionaries(
        st.sampled_from([*WHOLE, *CLOUD]),
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3)
        ),
    ).map(lambda value: json.dumps(value).encode())
)
def test_any_bytes_are_a_submission_or_an_event_error(data: bytes) -> None:
    with contextlib.suppress(EventError):
        parse_submission(data)


def test_the_published_schema_is_the_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    published = Path(__file__).parents[2] / PUBLISHED
    assert schema_text() == published.read_text(encoding="utf-8"), "run `python -m runyard.events.schema`"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["schema"])
    main()
    assert published.read_text() == (tmp_path / PUBLISHED).read_text()


def test_every_field_of_the_schema_is_described() -> None:
    schema = submission_schema()
    for part in (schema, *schema["$defs"].values()):
        for name, field in part.get("properties", {}).items():
            assert field.get("description"), name
