"""A kit for tests: of Runyard, and of whatever is built on it.

* Adapters in memory that keep every promise of the ports (the contract suite runs over them), need no files and no
  cloud, and take the time from a clock that a test turns by hand::

      clock = ManualClock()
      target = ScriptedTarget(clock=clock)
      ports = memory_ports(OnlyTargets(target), clock=clock)
      ports.queue.send("submissions", b"{}", delay=60)
      clock.advance(60)

* :class:`ScriptedTarget`, a compute in virtual time with a :class:`Behaviour` per job.
* :class:`ShakyQueue`, :class:`FaultyPorts` and :class:`Steps`: messages lost and doubled, calls that fail before or
  after their effect, and a program killed before or after any of its writes.

``docs/testing.md`` shows each at work.
"""

from __future__ import annotations

from runyard.stores.memory import (
    ManualClock,
    MemoryBlobStore,
    MemoryComputeStore,
    MemoryCourier,
    MemoryDeliveryStore,
    MemoryGates,
    MemoryMarkStore,
    MemoryQueue,
    MemoryRunStore,
    MemoryScheduleStore,
    MemorySecrets,
    MemorySubscriptionStore,
    MemoryWebhookStore,
)
from runyard.testing.behaviour import (
    Behaviour,
    Cancelling,
    Polling,
    Submitting,
    name_in_transition,
    no_capacity,
    no_quota,
    throttled,
    unavailable,
)
from runyard.testing.faults import Fault, FaultyPorts
from runyard.testing.memory import OnlyTargets, memory_ports
from runyard.testing.operations import READS, WRITES
from runyard.testing.scripted import ScriptedTarget
from runyard.testing.scripted_job import Execution
from runyard.testing.shaky import ShakyQueue
from runyard.testing.steps import Crash, Moment, Step, Steps

__all__ = [
    "READS",
    "WRITES",
    "Behaviour",
    "Cancelling",
    "Crash",
    "Execution",
    "Fault",
    "FaultyPorts",
    "ManualClock",
    "MemoryBlobStore",
    "MemoryComputeStore",
    "MemoryCourier",
    "MemoryDeliveryStore",
    "MemoryGates",
    "MemoryMarkStore",
    "MemoryQueue",
    "MemoryRunStore",
    "MemoryScheduleStore",
    "MemorySecrets",
    "MemorySubscriptionStore",
    "MemoryWebhookStore",
    "Moment",
    "OnlyTargets",
    "Polling",
    "ScriptedTarget",
    "ShakyQueue",
    "Step",
    "Steps",
    "Submitting",
    "memory_ports",
    "name_in_transition",
    "no_capacity",
    "no_quota",
    "throttled",
    "unavailable",
]
