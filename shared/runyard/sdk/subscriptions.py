"""Subscriptions, seen from a client."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypedDict, Unpack, cast
from urllib.parse import quote

from runyard.api.event_shapes import DeliveryShape, SubscriptionShape, TestShape
from runyard.sdk.connection import Connection


class Filters(TypedDict, total=False):
    """Which endings a subscription asks for, and how it is treated; what is missing is the default."""

    experiment: str
    """A glob."""
    states: Sequence[str]
    tags: Mapping[str, str]
    sources: Sequence[str]
    allow_http: bool
    max_hops: int


_SPELLING: Final = {"allow_http": "allowHttp", "max_hops": "maxHops"}
_PATH: Final = "/api/subscriptions"


class Subscriptions:
    """``client.subscriptions``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(self) -> list[SubscriptionShape]:
        """Every subscription, without its secret."""
        return cast("list[SubscriptionShape]", self._connection.get(_PATH)["subscriptions"])

    def get(self, name: str) -> SubscriptionShape:
        """One of them."""
        return cast("SubscriptionShape", self._connection.get(_path(name)))

    def add_url(self, name: str, url: str, *, secret: str, **filters: Unpack[Filters]) -> SubscriptionShape:
        """Have endings sent to a URL, signed with ``secret`` (``whsec_<base64>``)."""
        return self._add({"name": name, "url": url, "secret": secret}, filters)

    def add_queue(
        self, name: str, queue: str, *, template: Mapping[str, Any] | None = None, **filters: Unpack[Filters]
    ) -> SubscriptionShape:
        """Have endings put on a queue: on ``submissions`` as what ``template`` makes of them, on others as they are."""
        return self._add({"name": name, "queue": queue, "template": dict(template or {})}, filters)

    def _add(self, body: dict[str, Any], filters: Filters) -> SubscriptionShape:
        body |= {_SPELLING.get(name, name): value for name, value in filters.items()}
        return cast("SubscriptionShape", self._connection.post(_PATH, body))

    def remove(self, name: str) -> None:
        """Remove a subscription, its secret and its deliveries."""
        self._connection.delete(_path(name))

    def pause(self, name: str, *, reason: str = "") -> SubscriptionShape:
        """Send nothing for now; what happens meanwhile is kept."""
        return cast("SubscriptionShape", self._connection.post(f"{_path(name)}/pause", {"reason": reason}))

    def resume(self, name: str) -> SubscriptionShape:
        """Send again, first what was kept."""
        return cast("SubscriptionShape", self._connection.post(f"{_path(name)}/resume"))

    def rotate(self, name: str, *, secret: str) -> SubscriptionShape:
        """Sign with another secret; the one before signs too, for a day."""
        return cast("SubscriptionShape", self._connection.post(f"{_path(name)}/rotate", {"secret": secret}))

    def test(self, name: str) -> TestShape:
        """Send a test and wait for its answer."""
        return cast("TestShape", self._connection.post(f"{_path(name)}/test"))

    def deliveries(
        self, name: str | None = None, *, state: str | None = None, limit: int = 100
    ) -> Sequence[DeliveryShape]:
        """The newest deliveries of one subscription, or of all; ``state`` is ``pending``, ``delivered`` or ``dead``."""
        path = f"{_path(name)}/deliveries" if name is not None else f"{_PATH}/deliveries"
        given = {"state": state, "limit": limit} if state is not None else {"limit": limit}
        return cast("Sequence[DeliveryShape]", self._connection.get(path, given)["deliveries"])

    def redrive(self, name: str | None = None) -> int:
        """Send what was given up once more; returns how many deliveries that were."""
        path = f"{_path(name)}/redrive" if name is not None else f"{_PATH}/redrive"
        return int(self._connection.post(path)["redriven"])


def _path(name: str) -> str:
    return f"{_PATH}/{quote(name, safe='')}"
