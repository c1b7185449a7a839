"""The submission: what a queue message, a webhook or a call of the API says of the run it asks for.

It comes as plain JSON or inside a CloudEvents 1.0 event in structured mode
(https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md). Its schema is published in
``docs/schemas/submission.json``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

import msgspec
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, field_validator
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails

from runyard.environment.variables import fault_of_name
from runyard.errors import EventError
from runyard.events.times import seconds_of
from runyard.runconfig.paths import inside
from runyard.runs.identity import check_experiment
from runyard.telemetry.traceparent import valid

MAX_BYTES: Final = 262_144
"""Bytes of an event: a message of Service Bus (standard) holds no more."""

CONTAINER: Final = r"^[a-z0-9][a-z0-9-]{2,62}$"
"""Azure's rule: 3 to 63 lower-case letters, digits and hyphens."""

Text = Annotated[str, Field(max_length=32_768, pattern=r"^[^\x00]*$")]
Label = Annotated[str, Field(max_length=256, pattern=r"^[^\x00]*$")]
Name = Annotated[str, Field(min_length=1, max_length=1024, pattern=r"^[^\x00]+$")]
Argument = Text | int | float | bool | None

_STRICT: Final = ConfigDict(
    frozen=True,
    strict=True,
    extra="forbid",
    alias_generator=to_camel,
    populate_by_name=True,
    hide_input_in_errors=True,
    allow_inf_nan=False,
)


class SnapshotPart(BaseModel):
    """Where the snapshot is, and which bytes are meant."""

    model_config = _STRICT

    container: str = Field(pattern=CONTAINER, description="The container that holds the zip; a registered one.")
    name: Name = Field(description="The zip's name in the container.")
    etag: Name | None = Field(
        None, description="The version that is meant; without it, the newest when it is accepted."
    )
    sha256: str | None = Field(
        None, pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the zip in hex, if the sender computed it."
    )


class Submission(BaseModel):
    """What to run, where, and under which name. Every field but `experiment` and `snapshot` may be left out."""

    model_config = _STRICT

    schema_: Literal[1] = Field(1, alias="schema", description="Version of this form.")
    id: Annotated[Name, Field(max_length=200)] | None = Field(
        None, description="The event's identity: a repeated id finds the run that exists."
    )
    experiment: str = Field(
        description="The name that groups runs: 1 to 36 letters, digits, '-' or '_', beginning with a letter or digit."
    )
    snapshot: SnapshotPart = Field(description="The zip to run: `container/name`, or an object.")
    runconfig: Name | dict[str, JsonValue] | None = Field(
        None, description="Which run configuration of the snapshot (a name or a path), or one inline as an object."
    )
    target: Name | None = Field(None, description="The compute, instead of the run configuration's `target`.")
    script: Name | None = Field(None, description="The script, instead of the run configuration's.")
    arguments: tuple[Argument, ...] | None = Field(
        None, max_length=1000, description="The script's arguments, instead of the run configuration's."
    )
    environment_variables: dict[str, Text] = Field(
        default_factory=dict,
        max_length=100,
        description="Added to the run configuration's. Not PATH, LD_*, PYTHON*, AZUREML_* or RUNYARD_*.",
    )
    secret_variables: tuple[Name, ...] = Field(
        (),
        max_length=100,
        description="Names of variables, the run configuration's among them, whose values are secret whatever they are called.",
    )
    tags: dict[Label, Label] = Field(default_factory=dict, max_length=50, description="Shown with the run.")
    priority: int = Field(0, ge=-100, le=100, description="Higher goes first; equal ones by age.")
    display_name: Label = Field("", description="Shown instead of the run's id.")

    @classmethod
    def of(cls, value: Mapping[str, object]) -> Submission:
        """The submission that a JSON object says, such as a filled template.

        Raises:
            EventError: as for :func:`parse_submission`.
        """
        try:
            data = msgspec.json.encode(value)
        except (TypeError, ValueError, OverflowError, RecursionError):
            raise EventError("the submission holds something that JSON cannot") from None
        return _validate(data)

    @field_validator("snapshot", mode="before")
    @classmethod
    def _split_snapshot(cls, value: Any) -> Any:
        """Take ``container/name`` for an object."""
        if not isinstance(value, str):
            return value
        container, slash, name = value.partition("/")
        if not slash:
            raise ValueError("must have the form container/name")
        return {"container": container, "name": name}

    @field_validator("experiment")
    @classmethod
    def _check_experiment(cls, value: str) -> str:
        return check_experiment(value)

    @field_validator("script")
    @classmethod
    def _check_script(cls, value: str | None) -> str | None:
        if value is not None and inside(value) is None:
            raise ValueError("must be a relative path inside the snapshot, written with '/'")
        return value

    @field_validator("environment_variables")
    @classmethod
    def _check_variables(cls, value: dict[str, str]) -> dict[str, str]:
        for name in value:
            if fault := fault_of_name(name):
                raise ValueError(f"the name {name[:60]!r} {fault}")
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmissionEvent:
    """A submission as it came."""

    submission: Submission
    cloud_event: tuple[str, str] | None = None
    """(source, id) of the CloudEvent around it: its identity."""
    time: float | None = None
    """When the CloudEvent says that it happened."""
    trace: str = ""
    """The trace that the CloudEvent says it belongs to (W3C ``traceparent``)."""


class _Envelope(msgspec.Struct):
    """The attributes of a CloudEvent; everything else is left alone."""

    specversion: object = msgspec.UNSET
    id: object = None
    source: object = None
    type: object = None
    time: object = None
    datacontenttype: object = None
    traceparent: object = None
    data: msgspec.Raw = msgspec.Raw(b"")


_DECODER: Final = msgspec.json.Decoder(_Envelope)


def parse_submission(data: bytes) -> SubmissionEvent:
    """Read a submission: plain JSON, or a CloudEvent 1.0 in structured mode whose ``data`` it is.

    Raises:
        EventError: one sentence that names the field; values of variables and inline run configurations are not in it.
    """
    if len(data) > MAX_BYTES:
        raise EventError(f"the submission has {len(data):,} bytes; at most {MAX_BYTES:,} are allowed")
    try:
        envelope = _DECODER.decode(data)
    except msgspec.ValidationError:
        raise EventError("the submission must be a JSON object") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise EventError("the submission is not JSON; send an object with `experiment` and `snapshot`") from None
    if envelope.specversion is msgspec.UNSET:
        return SubmissionEvent(submission=_validate(data))
    return _cloud_event(envelope)


def _cloud_event(envelope: _Envelope) -> SubmissionEvent:
    if envelope.specversion != "1.0":
        raise EventError(f"specversion is {str(envelope.specversion)[:20]!r}; CloudEvents 1.0 is understood")
    texts = {}
    for name in ("id", "source", "type"):
        value = getattr(envelope, name)
        if not isinstance(value, str) or not 0 < len(value) <= 1024 or "\0" in value:
            raise EventError(f"the CloudEvent's {name} must be a text of 1 to 1,024 characters")
        texts[name] = value
    kind = envelope.datacontenttype
    if kind is not None and not (
        isinstance(kind, str) and re.fullmatch(r"[a-z]+/([\w.-]+\+)?json( *;.*)?", kind, re.IGNORECASE)
    ):
        raise EventError("the CloudEvent's datacontenttype must be JSON, such as application/json")
    raw = bytes(envelope.data)
    if not raw:
        raise EventError("the CloudEvent has no data; the submission belongs there (data_base64 is not understood)")
    return SubmissionEvent(
        submission=_validate(raw),
        cloud_event=(texts["source"], texts["id"]),
        time=seconds_of(envelope.time, "the CloudEvent's"),
        trace=valid(envelope.traceparent),
    )


def _validate(data: bytes) -> Submission:
    try:
        return Submission.model_validate_json(data)
    except ValidationError as error:
        faults = error.errors(include_input=False, include_url=False)
        raise EventError(_sentence(faults[0], len(faults) - 1)) from None


_UNIONS: Final = {
    "arguments": "must be a text (of at most 32,768 characters, without NUL), a number, true, false or null",
    "runconfig": "must be a name or an object",
}
"""What fields of several types must be: pydantic would tell of each type in turn."""

_PATTERNS: Final = {
    "container": "must be 3 to 63 lower-case letters, digits or hyphens",
    "sha256": "must be 64 lower-case hex digits",
}


def _sentence(fault: ErrorDetails, more: int) -> str:
    """One sentence on the first fault, without what was found: it may be a secret."""
    first, *rest = fault["loc"] or ("",)
    kind, what = fault["type"], fault["msg"].removeprefix("Value error, ")
    if kind == "json_invalid":
        return "the submission is not JSON; send an object with `experiment` and `snapshot`"
    if first in _UNIONS and rest:
        rest = [part for part in rest[:1] if isinstance(part, int)]
        more, kind, what = 0, "", _UNIONS[str(first)]
    where = str(first)[:60] + "".join(f"[{part}]" if isinstance(part, int) else f".{part[:60]}" for part in rest)
    others = f" (and {more} more)" if more else ""
    if kind == "extra_forbidden":
        return f"{where} is not a field of a submission{others}"
    if kind == "missing":
        return f"{where} is missing{others}"
    if kind == "string_pattern_mismatch":
        what = _PATTERNS.get(str(fault["loc"][-1]), "must not hold a NUL character")
    what = re.sub(r"^(Input|String) should", "must", what)
    return f"{where or 'the submission'}: {what[:1].lower()}{what[1:]}{others}"
