"""What ``runyard doctor`` looks at."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from runyard.computes import ComputeView, overview
from runyard.errors import RunyardError
from runyard.ports import Ports, Query
from runyard.reconcile import DROP_CONTAINER, alarms
from runyard.reconcile.alarm import lasting
from runyard.services.check import Check

LOW_DISK: Final = 1 << 30
"""Bytes of free space below which the root's disk is called low."""
LOOKED: Final = 100
"""Runs of which it is told how many were found by the sweep only."""
SILENT: Final = 60.0
"""Seconds without a heartbeat of the supervisor, which comes every 10, after which it is told that it may hang."""
_AGAIN: Final = "mend that, then run doctor again"


def run_checks(ports: Ports, root: Path | None) -> Sequence[Check]:
    """Every check, in order; one that cannot be made is a finding itself."""
    parts: list[tuple[str, Callable[[], Iterator[Check]]]] = [
        ("python", _python),
        ("stores", lambda: _stores(ports)),
        ("alarms", lambda: _alarms(ports, root)),
        ("drops", lambda: _drops(ports)),
        ("computes", lambda: _computes(ports)),
    ]
    if root is not None:
        parts.append(("environments", lambda: _environments(ports)))
        parts.append(("docker", lambda: _docker(ports)))
    if root is not None:
        parts.insert(1, ("root", lambda: _root(root)))
        parts.append(("supervisor", lambda: _supervisor(root)))
    return _made(parts)


def checks_without_stores(root: Path, error: Exception) -> Sequence[Check]:
    """What can be checked when ``error`` keeps the stores of a root closed; it is a finding itself."""
    text = error.message if isinstance(error, RunyardError) else str(error)
    closed = Check(name="stores", ok=False, detail=text, fix=_AGAIN)
    return [*_made([("python", _python), ("root", lambda: _root(root))]), closed]


def _made(parts: Sequence[tuple[str, Callable[[], Iterator[Check]]]]) -> Sequence[Check]:
    checks: list[Check] = []
    for name, part in parts:
        try:
            checks.extend(part())
        except (RunyardError, OSError) as error:
            checks.append(Check(name=name, ok=False, detail=str(error), fix=_AGAIN))
    return checks


def _python() -> Iterator[Check]:
    version = ".".join(str(part) for part in sys.version_info[:3])
    yield Check(name="python", ok=True, detail=f"{version} at {sys.executable}")


def _root(root: Path) -> Iterator[Check]:
    mode = stat.S_IMODE(root.stat().st_mode)
    yield Check(
        name="root",
        ok=mode & 0o077 == 0,
        detail=f"{root} has mode {mode:o}",
        fix=f"others can read it: chmod 700 {root}",
    )
    usage = shutil.disk_usage(root)
    yield Check(
        name="disk",
        ok=usage.free > LOW_DISK,
        detail=f"{usage.free / 2**30:.1f} GiB free of {usage.total / 2**30:.1f}",
        fix="make room, for instance with `runyard prune --logs-older-than 30d`",
    )


def _stores(ports: Ports) -> Iterator[Check]:
    count = len(ports.computes.list())
    yield Check(name="stores", ok=count > 0, detail=f"open, {count} computes", fix="run `runyard compute list`")


def _alarms(ports: Ports, root: Path | None) -> Iterator[Check]:
    found = alarms(ports, supervision(root))
    for alarm in found:
        yield Check(name=alarm.name, ok=False, detail=alarm.detail, fix=alarm.fix)
    if not found:
        yield Check(name="alarms", ok=True, detail="none: nothing is stuck, overdue or undeliverable")


def _drops(ports: Ports) -> Iterator[Check]:
    """How reliable the events of the drop folder are."""
    mark = ports.marks.get(DROP_CONTAINER)
    if mark is None:
        yield Check(name="drops", ok=True, detail=f"{DROP_CONTAINER} is not watched yet; a host begins")
        return
    detail = f"{mark.missed:,} snapshots raised no event and were found by the sweep"
    if mark.missed_at is not None:
        detail += f", the last {lasting(ports.clock.now() - mark.missed_at)} ago"
    dropped = [run for run in ports.runs.list(Query(limit=LOOKED)).runs if run.origin.source == "blob"]
    late = sum(run.origin.event_id == "sweep" for run in dropped)
    if late:
        detail += f"; of the newest {len(dropped):,} that were dropped, {late:,} ({late / len(dropped):.1%})"
    yield Check(name="drops", ok=True, detail=detail)


def _computes(ports: Ports) -> Iterator[Check]:
    for view in overview(ports):
        compute = view.compute
        try:
            ports.targets.get(compute.kind).check(compute)
        except RunyardError as error:
            yield Check(
                name=f"compute {compute.name}", ok=False, detail=error.message, fix="set it with `runyard compute set`"
            )
        else:
            full = f"kind {compute.kind}, {view.taken} of {compute.limit} slots taken, {view.waiting} waiting"
            yield Check(name=f"compute {compute.name}", ok=True, detail=full + _held(view, ports.clock.now()))


def _environments(ports: Ports) -> Iterator[Check]:
    from runyard.services.environment_checks import environments  # noqa: PLC0415 - the engine, for this command only

    return environments(ports)


def _held(view: ComputeView, now: float) -> str:
    """What keeps it from starting anything."""
    held = []
    if view.compute.paused:
        held.append("paused" + (f" ({view.compute.paused_reason})" if view.compute.paused_reason else ""))
    if view.draining:
        held.append("draining")
    if view.blocked_until is not None:
        held.append(f"blocked for {view.blocked_until - now:.0f} s ({view.blocked_reason or 'no reason given'})")
    return "".join(f", {each}" for each in held)


def _docker(ports: Ports) -> Iterator[Check]:
    """The container engine of each compute of kind ``local``. None is no error: only runs that ask for a container need it."""
    from runyard.runner.containers.engine import Engine  # noqa: PLC0415 - doctor alone asks
    from runyard.runner.problems import Problem  # noqa: PLC0415

    for command in sorted(
        {str(each.options.get("docker", "docker")) for each in ports.computes.list() if each.kind == "local"}
    ):
        try:
            version = Engine(command, os.environ).version()
            yield Check(name="docker", ok=True, detail=f"{command} {version} answers")
        except Problem as problem:
            yield Check(
                name="docker",
                ok=True,
                detail=f"no containers: {problem.message.partition(', and ')[2] or problem.message}",
            )


def _supervisor(root: Path) -> Iterator[Check]:
    """The process that runs scripts on this machine: it holds a lock and listens at a socket."""
    pid = _holder(root / "local" / "supervisor.lock")
    if pid is None:
        yield Check(name="supervisor", ok=True, detail="not running; a host starts it when there is something to run")
        return
    silent = time.time() - (root / "local" / "supervisor.lock").stat().st_mtime
    if silent > SILENT:
        yield Check(
            name="supervisor",
            ok=False,
            detail=f"process {pid} has given no sign of life for {silent:.0f} s: it hangs, or was stopped",
            fix=f"let it go on with `kill -CONT {pid}`; else end it with `kill -9 {pid}`: scripts go on, and another follows",
        )
        return
    listens = (root / "local" / "supervisor.sock").exists()
    yield Check(
        name="supervisor",
        ok=listens,
        detail=f"process {pid}" + ("" if listens else ", and its socket is gone"),
        fix=f"a host makes it listen again (`runyard up`); what it cannot do is said in {root}/local/supervisor.log",
    )


def supervision(root: Path | None) -> Callable[[], bool] | None:
    """Tells whether a supervisor looks after the scripts of a root; ``None`` where there is no root, and so none."""
    return None if root is None else lambda: _holder(root / "local" / "supervisor.lock") is not None


def _holder(path: Path) -> str | None:
    """Who holds a lock, as the file says; ``None`` if nobody does."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return os.read(descriptor, 20).decode("ascii", "replace").strip() or "unknown"
    finally:
        os.close(descriptor)
    return None
