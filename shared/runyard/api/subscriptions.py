"""Routes of subscriptions: who is told of endings, and what came of telling."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field, SecretStr
from pydantic.alias_generators import to_camel
from starlette.responses import Response

from runyard.api.answers import answer, iso, iso_or_none
from runyard.api.context import PortsDep
from runyard.api.event_shapes import DeliveryShape, SubscriptionShape, TestShape, TryShape
from runyard.events.endings import MAX_HOPS
from runyard.notify import Definition, define, pause, redrive, remove, resume, rotate, send_test
from runyard.notify.definitions import existing
from runyard.ports import Delivery, Ports, Subscription
from runyard.ports.deliveries import DEAD, PENDING
from runyard.runconfig.redact import redacted

router = APIRouter(prefix="/api/subscriptions")

_FORM = ConfigDict(extra="forbid", hide_input_in_errors=True, alias_generator=to_camel, populate_by_name=True)
Label = Annotated[str, Field(max_length=256)]


class SubscriptionDefinition(BaseModel):
    """A new subscription; a URL may hold a token in its query, so it is treated as a secret."""

    model_config = _FORM

    name: str = Field(max_length=100)
    url: SecretStr = Field(SecretStr(""), max_length=4096)
    queue: str = Field("", max_length=100)
    secret: SecretStr = Field(SecretStr(""), max_length=1024)
    template: dict[str, Any] = Field(default_factory=dict)
    experiment: Label = ""
    states: tuple[Label, ...] = Field((), max_length=10)
    tags: dict[Label, Label] = Field(default_factory=dict, max_length=50)
    sources: tuple[Label, ...] = Field((), max_length=10)
    allow_http: bool = False
    max_hops: int = MAX_HOPS


class NewSecret(BaseModel):
    """What signs from now on."""

    model_config = _FORM

    secret: SecretStr = Field(max_length=1024)


class Pause(BaseModel):
    """Why nothing is sent for now."""

    model_config = _FORM

    reason: Label = ""


@router.get("")
def list_subscriptions(ports: PortsDep) -> Response:
    """Every subscription, without its secret."""
    counts = ports.deliveries.counts()
    return answer({"subscriptions": [_shape(each, counts.get(each.name, {})) for each in ports.subscriptions.list()]})


@router.post("")
def add_subscription(ports: PortsDep, definition: SubscriptionDefinition) -> Response:
    """Add a subscription. Its secret is kept apart and is in no answer."""
    asked = Definition(
        name=definition.name,
        url=definition.url.get_secret_value(),
        queue=definition.queue,
        secret=definition.secret.get_secret_value(),
        template=definition.template,
        experiment=definition.experiment,
        states=definition.states,
        tags=definition.tags,
        sources=definition.sources,
        allow_http=definition.allow_http,
        max_hops=definition.max_hops,
    )
    made = define(ports, asked)
    return answer(_shape(made, {}), 201, {"Location": f"/api/subscriptions/{made.name}"})


@router.get("/deliveries")
def list_all_deliveries(
    ports: PortsDep,
    state: Annotated[Literal["pending", "delivered", "dead"] | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Response:
    """The newest deliveries of every subscription."""
    return answer({"deliveries": list(map(_delivery_shape, ports.deliveries.list(None, state, most=limit)))})


@router.post("/redrive")
def redrive_all(ports: PortsDep) -> Response:
    """Send every delivery that was given up once more."""
    return answer({"redriven": redrive(ports)})


@router.get("/{name}")
def show_subscription(ports: PortsDep, name: str) -> Response:
    """One subscription."""
    return _shown(ports, existing(ports, name))


@router.delete("/{name}")
def remove_subscription(ports: PortsDep, name: str) -> Response:
    """Remove a subscription, its secret and its deliveries."""
    remove(ports, name)
    return Response(status_code=204)


@router.post("/{name}/pause")
def pause_subscription(ports: PortsDep, name: str, why: Pause | None = None) -> Response:
    """Send nothing for now; what happens meanwhile is kept."""
    return _shown(ports, pause(ports, name, (why.reason if why else "") or "paused by hand"))


@router.post("/{name}/resume")
def resume_subscription(ports: PortsDep, name: str) -> Response:
    """Send again, first what was kept."""
    return _shown(ports, resume(ports, name))


@router.post("/{name}/rotate")
def rotate_secret(ports: PortsDep, name: str, new: NewSecret) -> Response:
    """Sign with another secret; the one before signs too, for a day."""
    return _shown(ports, rotate(ports, name, new.secret.get_secret_value()))


@router.post("/{name}/test")
def test_subscription(ports: PortsDep, name: str) -> Response:
    """Send a test and wait for its answer."""
    came = send_test(ports, name)
    shown: TestShape = {
        "delivered": came.delivered,
        "id": came.id,
        "status": came.status,
        "error": came.error,
        "seconds": came.seconds,
    }
    return answer(shown)


@router.get("/{name}/deliveries")
def list_deliveries(
    ports: PortsDep,
    name: str,
    state: Annotated[Literal["pending", "delivered", "dead"] | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Response:
    """The newest deliveries of a subscription."""
    existing(ports, name)
    return answer({"deliveries": list(map(_delivery_shape, ports.deliveries.list(name, state, most=limit)))})


@router.post("/{name}/redrive")
def redrive_dead(ports: PortsDep, name: str) -> Response:
    """Send what was given up once more."""
    existing(ports, name)
    return answer({"redriven": redrive(ports, name)})


def _shown(ports: Ports, subscription: Subscription) -> Response:
    return answer(_shape(subscription, ports.deliveries.counts().get(subscription.name, {})))


def _shape(subscription: Subscription, counts: Any) -> SubscriptionShape:
    template = redacted(dict(subscription.template))
    assert isinstance(template, dict)
    return {
        "name": subscription.name,
        "url": subscription.url,
        "queue": subscription.queue,
        "template": template,
        "experiment": subscription.experiment,
        "states": list(subscription.states),
        "tags": subscription.tags,
        "sources": list(subscription.sources),
        "allowHttp": subscription.allow_http,
        "maxHops": subscription.max_hops,
        "paused": subscription.paused,
        "pausedReason": subscription.paused_reason,
        "earlierSecretUntilTimeUtc": iso(subscription.earlier_until) if subscription.earlier_until else None,
        "createdTimeUtc": iso(subscription.created),
        "pending": counts.get(PENDING, 0),
        "dead": counts.get(DEAD, 0),
    }


def _delivery_shape(delivery: Delivery) -> DeliveryShape:
    tries: list[TryShape] = [
        {"timeUtc": iso(each.at), "seconds": each.seconds, "status": each.status, "error": each.error}
        for each in delivery.history
    ]
    return {
        "subscription": delivery.subscription,
        "id": delivery.id,
        "runId": delivery.run_id,
        "type": delivery.type,
        "state": delivery.state,
        "createdTimeUtc": iso(delivery.created),
        "nextTimeUtc": iso(delivery.next_at) if delivery.state == PENDING else None,
        "settledTimeUtc": iso_or_none(delivery.settled or None),
        "tries": delivery.tries,
        "error": delivery.error or (tries[-1]["error"] if tries else ""),
        "history": tries,
    }
