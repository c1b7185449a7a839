"""How ``runyard notify`` shows subscriptions and deliveries."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING

from runyard.cli.show import age, local_time, print_fields, print_table

if TYPE_CHECKING:
    from runyard.api.event_shapes import DeliveryShape, SubscriptionShape


def print_subscriptions(found: Iterable[SubscriptionShape]) -> None:
    """A table of them."""
    rows = [
        (
            each["name"],
            "paused" if each["paused"] else "active",
            str(each["pending"]),
            str(each["dead"]),
            _filters(each),
            each["url"] or f"queue {each['queue']}",
        )
        for each in found
    ]
    print_table(("SUBSCRIPTION", "STATE", "PENDING", "DEAD", "RUNS", "TO"), rows)


def print_subscription(found: SubscriptionShape) -> None:
    """One of them in full."""
    until = found["earlierSecretUntilTimeUtc"]
    print_fields(
        (
            ("name", found["name"]),
            ("to", found["url"] or f"queue {found['queue']}"),
            ("runs", _filters(found)),
            ("state", f"paused: {found['pausedReason']}" if found["paused"] else "active"),
            ("pending", str(found["pending"])),
            ("dead", str(found["dead"])),
            ("starts", json.dumps(found["template"]) if found["template"] else ""),
            ("max hops", str(found["maxHops"]) if found["template"] else ""),
            ("old secret until", local_time(until)),
            ("created", local_time(found["createdTimeUtc"])),
        )
    )


def print_deliveries(found: Iterable[DeliveryShape]) -> None:
    """A table of them, with the last try of each."""
    rows = []
    for each in found:
        last = each["history"][-1] if each["history"] else None
        rows.append(
            (
                each["subscription"],
                each["state"],
                age(each["createdTimeUtc"]),
                str(len(each["history"])),
                "" if last is None or last["status"] is None else str(last["status"]),
                "" if last is None else f"{last['seconds']:.2f}s",
                each["id"],
                each["error"],
            )
        )
    print_table(("SUBSCRIPTION", "STATE", "AGE", "TRIES", "STATUS", "TOOK", "EVENT", "SAID"), rows)


def _filters(each: SubscriptionShape) -> str:
    parts = [each["experiment"], ",".join(each["states"]), ",".join(each["sources"])]
    parts += [f"{name}={value}" for name, value in each["tags"].items()]
    return " ".join(part for part in parts if part) or "all"
