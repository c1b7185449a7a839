"""A house whose endings somebody is told of: what the tests of endings out share."""

from __future__ import annotations

import json
from typing import Any

from runyard.dispatch.wakes import SUBMISSIONS
from runyard.events.signatures import STANDARD, new_secret
from runyard.notify import Definition, define
from runyard.ports import Delivery, Parcel, Receipt, Subscription
from runyard.testing import MemoryCourier
from tests.fakes import snapshot
from tests.unit.house import House

SECRET = new_secret(STANDARD)
DAY = 86_400.0


def listening(house: House, **asked: Any) -> Subscription:
    given = {"name": "ear", "url": "https://ear.example/in", "secret": SECRET}
    if "queue" in asked:
        given = {"name": "ear"}
    return define(house.ports, Definition(**(given | asked)))


def chain(house: House, name: str = "chain", **asked: Any) -> Subscription:
    house.ports.blobs.put("uploads", "next.zip", snapshot())
    template = {"experiment": "train", "snapshot": "uploads/next.zip", "arguments": ["--from={/data/runId}"]}
    return define(house.ports, Definition(name=name, queue=SUBMISSIONS, **({"template": template} | asked)))


def parcels(house: House) -> list[Parcel]:
    courier = house.ports.courier
    assert isinstance(courier, MemoryCourier)
    return courier.parcels


def answers(house: House, *given: Receipt | int, usual: Receipt | int = 204) -> None:
    courier = house.ports.courier
    assert isinstance(courier, MemoryCourier)
    receipts = [each if isinstance(each, Receipt) else Receipt(status=each) for each in (*given, usual)]
    courier.answers, courier.usual = receipts[:-1], receipts[-1]


def events(house: House) -> list[dict[str, Any]]:
    return [json.loads(parcel.body) for parcel in parcels(house)]


def ended(house: House, code: int = 0, **dropped: Any) -> str:
    """A run that has ended; with what follows from that at once."""
    before = {run.id for run in house.runs()}
    house.drop(**dropped)
    house.settle()
    (run,) = [run for run in house.runs() if run.id not in before]
    assert run.handle is not None
    house.target.end(run.handle.id, code)
    house.clock.advance(60)
    house.settle()
    return run.id


def the_only(house: House) -> Delivery:
    (delivery,) = house.ports.deliveries.list()
    return delivery
