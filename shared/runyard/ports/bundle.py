"""All ports in one value: what a use case is given."""

from __future__ import annotations

from dataclasses import dataclass

from runyard.ports.blobs import BlobStore
from runyard.ports.clock import Clock
from runyard.ports.computes import ComputeStore
from runyard.ports.courier import Courier
from runyard.ports.deliveries import DeliveryStore
from runyard.ports.gates import Gates
from runyard.ports.identities import Identities
from runyard.ports.marks import MarkStore
from runyard.ports.queue import Queue
from runyard.ports.runs import RunStore
from runyard.ports.schedules import ScheduleStore
from runyard.ports.secrets import Secrets
from runyard.ports.subscriptions import SubscriptionStore
from runyard.ports.target import Targets
from runyard.ports.webhooks import WebhookStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """The outside, as a use case sees it. ``runyard.services`` makes one; tests make theirs."""

    runs: RunStore
    gates: Gates
    queue: Queue
    blobs: BlobStore
    computes: ComputeStore
    webhooks: WebhookStore
    schedules: ScheduleStore
    marks: MarkStore
    subscriptions: SubscriptionStore
    deliveries: DeliveryStore
    courier: Courier
    secrets: Secrets
    clock: Clock
    targets: Targets
    identities: Identities | None = None
    """Whose tokens count beside secrets; ``None`` = nobody's."""
