"""The table of what writes and what reads, and the ports that stand around others by it."""

from __future__ import annotations

import io
import threading
from collections.abc import Sequence

import pytest

from runyard.errors import ConflictError, TransientError
from runyard.ports import (
    BlobStore,
    Compute,
    ComputeStore,
    ComputeTarget,
    Courier,
    DeliveryStore,
    Gates,
    MarkStore,
    Ports,
    Queue,
    RunStore,
    ScheduleStore,
    Secrets,
    SubscriptionStore,
    Waiting,
    WebhookStore,
)
from runyard.testing import (
    READS,
    WRITES,
    Crash,
    Fault,
    FaultyPorts,
    ManualClock,
    Moment,
    OnlyTargets,
    ScriptedTarget,
    Step,
    Steps,
    memory_ports,
)

PORTS = {
    "runs": RunStore,
    "gates": Gates,
    "queue": Queue,
    "blobs": BlobStore,
    "computes": ComputeStore,
    "webhooks": WebhookStore,
    "schedules": ScheduleStore,
    "marks": MarkStore,
    "subscriptions": SubscriptionStore,
    "deliveries": DeliveryStore,
    "courier": Courier,
    "secrets": Secrets,
    "target": ComputeTarget,
}


def house() -> Ports:
    clock = ManualClock()
    ports = memory_ports(OnlyTargets(ScriptedTarget(clock=clock)), clock=clock)
    ports.gates.configure("c", limit=1)
    return ports


def write_twice(ports: Ports) -> None:
    ports.gates.wait("c", Waiting(run_id="a", priority=0, enqueued=1.0))
    ports.gates.get("c")
    ports.gates.take("c", at=2.0)


@pytest.mark.parametrize("port", sorted(PORTS))
def test_each_method_of_each_port_is_known_to_write_or_to_read(port: str) -> None:
    methods = {name for name, found in vars(PORTS[port]).items() if callable(found) and not name.startswith("_")}
    assert methods == WRITES[port] | READS[port]
    assert frozenset() == WRITES[port] & READS[port]


def test_the_table_has_every_port_that_a_use_case_is_given() -> None:
    assert {"targets", "clock", "identities"} == set(Ports.__dataclass_fields__) - set(WRITES)
    assert set(WRITES) == set(READS) == set(PORTS)


def test_writes_are_numbered_and_named_in_call_order_and_reads_are_not() -> None:
    steps = Steps(inner=house())
    write_twice(steps.ports)
    assert ["gates.wait", "gates.take"] == steps.seen
    assert 2 == steps.count
    assert "   1 gates.wait\n   2 gates.take" == steps.report()


def test_what_a_target_is_asked_to_do_is_a_step_too() -> None:
    steps = Steps(inner=house())
    target = steps.ports.targets.get("scripted")
    assert ["scripted"] == list(steps.ports.targets.kinds())
    target.poll([])
    target.submit_many([])
    assert ["target.submit_many"] == steps.seen
    assert "scripted" == target.kind


def test_a_program_can_be_killed_before_a_write_and_after_it() -> None:
    held = {}
    for moment in Moment:
        ports = house()
        steps = Steps(inner=ports, crash_at=(2, moment))
        with pytest.raises(Crash, match=f"{moment} write 2, gates.take"):
            write_twice(steps.ports)
        assert Step(2, "gates.take", moment) == steps.crashed
        held[moment] = [slot.run_id for slot in ports.gates.slots("c")]
    assert {Moment.BEFORE: [], Moment.AFTER: ["a"]} == held


def test_a_killed_program_writes_nothing_more_until_another_begins() -> None:
    steps = Steps(inner=house(), crash_at=(1, "after"))
    with pytest.raises(Crash):
        write_twice(steps.ports)
    with pytest.raises(Crash, match="a program that was killed after write 1"):
        steps.ports.secrets.set("a", "1")
    steps.restart()
    steps.ports.secrets.set("a", "1")
    assert ["gates.wait", "secrets.set"] == steps.seen
    assert ["a"] == list(steps.ports.secrets.names())


def test_a_program_can_be_frozen_in_the_midst_of_its_writes() -> None:
    arrived, go = threading.Event(), threading.Event()

    def freeze(step: Step) -> None:
        if step == Step(2, "gates.take", Moment.BEFORE):
            arrived.set()
            assert go.wait(30)

    steps = Steps(inner=house(), hook=freeze)
    frozen = threading.Thread(target=write_twice, args=(steps.ports,))
    frozen.start()
    assert arrived.wait(30)
    assert [] == list(steps.inner.gates.slots("c"))
    go.set()
    frozen.join(30)
    assert ["a"] == [slot.run_id for slot in steps.inner.gates.slots("c")]


def faulty(fault: Fault, number: int = 1) -> FaultyPorts:
    return FaultyPorts(inner=house(), plan={number: fault})


def test_a_refused_write_has_no_effect() -> None:
    ports = faulty(Fault.REFUSED)
    with pytest.raises(TransientError, match=r"secrets\.set was not answered"):
        ports.ports.secrets.set("a", "1")
    assert [] == list(ports.inner.secrets.names())
    assert ["1 secrets.set: refused"] == ports.log


def test_a_write_whose_reply_is_lost_has_its_effect() -> None:
    ports = faulty(Fault.LOST)
    with pytest.raises(TransientError):
        ports.ports.secrets.set("a", "1")
    assert ["a"] == list(ports.inner.secrets.names())


def test_a_write_that_is_sent_twice_shows_the_second_answer() -> None:
    ports = faulty(Fault.TWICE)
    with pytest.raises(ConflictError):
        ports.ports.blobs.put("box", "a", b"1", create_only=True)
    assert ports.inner.blobs.head("box", "a") is not None


def test_a_stream_that_is_sent_twice_is_whole_each_time() -> None:
    ports = faulty(Fault.TWICE)
    assert 5 == ports.ports.blobs.put("box", "a", io.BytesIO(b"whole")).size


@pytest.mark.parametrize(("fault", "modified"), [(Fault.SLOW, 90.0), (Fault.LATE, 0.0)])
def test_a_slow_write_turns_the_clock_before_its_effect_and_a_late_answer_after_it(
    fault: Fault, modified: float
) -> None:
    ports = faulty(fault)
    start = ports.inner.clock.now()
    assert start + modified == ports.ports.blobs.put("box", "a", b"").modified
    assert start + 90.0 == ports.inner.clock.now()


def test_what_slow_means_can_be_said() -> None:
    waited: list[float] = []
    ports = FaultyPorts(inner=house(), plan={1: Fault.SLOW}, slow=waited.append, longest=7.0)
    ports.ports.secrets.set("a", "1")
    assert [7.0] == waited


def test_the_error_of_a_fault_can_be_said() -> None:
    ports = FaultyPorts(inner=house(), plan={1: Fault.REFUSED}, error=OSError)
    with pytest.raises(OSError, match=r"secrets\.set"):
        ports.ports.secrets.set("a", "1")


def failing(seed: int, rate: float = 0.3) -> Sequence[str]:
    ports = FaultyPorts(inner=house(), seed=seed, rate=rate, kinds=[Fault.REFUSED])
    for _ in range(200):
        try:
            ports.ports.secrets.set("a", "1")
        except TransientError:
            continue
    return ports.log


def test_a_seed_gives_the_same_faults_again_and_about_as_many_as_asked_for() -> None:
    assert failing(1) == failing(1)
    assert failing(1) != failing(2)
    assert 30 < len(failing(1)) < 90
    assert [] == failing(1, rate=0.0)


def test_only_the_operations_that_are_named_are_numbered_and_fail() -> None:
    ports = FaultyPorts(inner=house(), plan={1: Fault.REFUSED}, only=frozenset({"gates.take"}))
    with pytest.raises(TransientError):
        write_twice(ports.ports)
    assert ["gates.take"] == ports.seen


def test_reads_fail_too_if_asked_for() -> None:
    ports = FaultyPorts(inner=house(), plan={2: Fault.TWICE, 3: Fault.REFUSED}, reads=True)
    assert [] == list(ports.ports.secrets.names())
    assert [] == list(ports.ports.secrets.names())
    with pytest.raises(TransientError):
        ports.ports.secrets.names()


def test_calm_ports_fail_no_more_and_tell_what_they_did() -> None:
    ports = FaultyPorts(inner=house(), seed=5, plan={1: Fault.REFUSED}, rate=1.0)
    with pytest.raises(TransientError):
        ports.ports.secrets.set("a", "1")
    ports.calm()
    ports.ports.secrets.set("a", "1")
    assert "faulty ports with seed 5:\n1 secrets.set: refused" == ports.report()


def test_what_an_adapter_has_beyond_its_port_is_passed_on() -> None:
    ports = house()
    ports.computes.put(Compute(name="c", kind="scripted", limit=1))
    assert [] == Steps(inner=ports).ports.targets.get("scripted").calls  # type: ignore[attr-defined]
