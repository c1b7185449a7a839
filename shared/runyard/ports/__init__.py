"""What the use cases need from the outside, as Protocols, and the small values that pass through them.

An adapter needs no inheritance: it has the methods. One contract suite per port (``tests/contract``) runs over
every adapter. Everything is synchronous.
"""

from runyard.ports.blobs import BlobInfo, BlobReader, BlobStore, LinkUse
from runyard.ports.bundle import Ports
from runyard.ports.clock import Clock
from runyard.ports.computes import Compute, ComputeStore
from runyard.ports.courier import Courier, Parcel, Receipt
from runyard.ports.deliveries import Delivery, DeliveryStore, Try
from runyard.ports.gates import Gate, Gates, Slot, Waiting
from runyard.ports.identities import Caller, Identities
from runyard.ports.kept import kept_of, secrets_for, user_secret
from runyard.ports.marks import MarkStore, StartMark
from runyard.ports.queue import Message, Queue
from runyard.ports.runs import Page, Query, RunStore
from runyard.ports.schedules import Schedule, ScheduleStore, Skipped
from runyard.ports.secrets import Secrets
from runyard.ports.subscriptions import Subscription, SubscriptionStore
from runyard.ports.target import (
    Absent,
    Capabilities,
    ComputeTarget,
    Ended,
    Job,
    LogChunk,
    Observation,
    Plan,
    Running,
    TargetContext,
    Targets,
    Unreachable,
)
from runyard.ports.webhooks import Webhook, WebhookSecret, WebhookStore

__all__ = [
    "Absent",
    "BlobInfo",
    "BlobReader",
    "BlobStore",
    "Caller",
    "Capabilities",
    "Clock",
    "Compute",
    "ComputeStore",
    "ComputeTarget",
    "Courier",
    "Delivery",
    "DeliveryStore",
    "Ended",
    "Gate",
    "Gates",
    "Identities",
    "Job",
    "LinkUse",
    "LogChunk",
    "MarkStore",
    "Message",
    "Observation",
    "Page",
    "Parcel",
    "Plan",
    "Ports",
    "Query",
    "Queue",
    "Receipt",
    "RunStore",
    "Running",
    "Schedule",
    "ScheduleStore",
    "Secrets",
    "Skipped",
    "Slot",
    "StartMark",
    "Subscription",
    "SubscriptionStore",
    "TargetContext",
    "Targets",
    "Try",
    "Unreachable",
    "Waiting",
    "Webhook",
    "WebhookSecret",
    "WebhookStore",
    "kept_of",
    "secrets_for",
    "user_secret",
]
