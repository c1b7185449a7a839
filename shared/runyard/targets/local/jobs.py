"""From a job to the record that the runner reads. Pure."""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from runyard.errors import UnsupportedError
from runyard.ports import Job, Plan, Secrets, secrets_for
from runyard.runner.containers.arguments import read_arguments
from runyard.runner.problems import Problem
from runyard.runner.sealed import MASK
from runyard.runs.identity import remote_name
from runyard.runs.model import EnvironmentSpec, Handle, JobSpec, SnapshotRef
from runyard.targets.local.options import LocalOptions

KIND: Final = "local"


def make_plan(job: Job) -> Plan:
    """The plan of an attempt; its request is the runner's record, but for the snapshot's path under the root.

    Raises:
        UnsupportedError: if the run asks for what one machine without Spark or MPI cannot do.
    """
    run, compute = job.run, job.compute
    spec, snapshot = _check(job)
    options = LocalOptions.read(compute)
    name = remote_name(run.id, job.attempt)
    request: dict[str, object] = {
        "name": name,
        "run": run.id,
        "attempt": job.attempt,
        "experiment": run.experiment,
        "compute": compute.name,
        "framework": "Python",
        "script": spec.script,
        "arguments": list(spec.arguments),
        "interpreter": _interpreter(spec, options),
        "environment_variables": {**spec.environment_variables, **dict.fromkeys(spec.secrets, MASK)},
        "node_count": 1,
        "gpu": job.slot % options.gpus if options.gpus else None,
        "max_duration": spec.max_duration,
        "grace": options.grace,
        "watched_directories": list(spec.watched_directories),
        "hook": options.hook,
        "environment": environment_record(spec.environment, options, run.experiment)
        if spec.environment is not None
        else None,
        "container": _container(spec, options),
        "snapshot": snapshot.uri,
        "snapshot_etag": snapshot.etag,
    }
    if run.secret:
        request["secret"] = run.secret
    if spec.secrets:
        request["secrets"] = dict(spec.secrets)
    handle = Handle(kind=KIND, compute=compute.name, id=f"{run.id}/{job.attempt}")
    return Plan(
        kind=KIND, compute=compute.name, run_id=run.id, attempt=job.attempt, name=name, request=request, handle=handle
    )


def environment_record(wish: EnvironmentSpec, options: LocalOptions, project: str) -> dict[str, object]:
    """The wish for an environment, as :class:`runyard.runner.environments.Wish` reads it, and what people are told of it.

    The project is part of its source: conda files of all projects have the same name, and the one before it is the project's own.
    """
    return {
        "conda": wish.conda,
        "policy": wish.policy,
        "auto_prepare": wish.auto_prepare,
        "base": wish.base,
        "source": f"{project}: {wish.source}" if wish.source else project,
        "note": wish.note,
        "resolver": options.resolver,
        "python": options.interpreter,
        "cache": options.environments,
    }


def _interpreter(spec: JobSpec, options: LocalOptions) -> str:
    """``python`` is the compute's own, but in a container: there it is the image's."""
    is_own = spec.interpreter == "python" and spec.container is None
    return options.interpreter if is_own else spec.interpreter


def _container(spec: JobSpec, options: LocalOptions) -> dict[str, object] | None:
    """The container, as :mod:`runyard.runner.containers` reads it.

    Raises:
        UnsupportedError: if its arguments are not allowed.
    """
    wanted = spec.container
    if wanted is None:
        return None
    try:
        read_arguments(wanted.arguments, options.docker_arguments, MASK)
    except Problem as problem:
        raise UnsupportedError(problem.message) from None
    return {
        "engine": options.docker,
        "network": options.docker_network,
        "cache": options.environments,
        "image": wanted.image,
        "dockerfile": wanted.dockerfile,
        "arguments": list(wanted.arguments),
        "allowed": list(options.docker_arguments),
        "gpu": wanted.gpu,
        "shm_size": wanted.shm_size,
        "shared_volumes": wanted.shared_volumes,
        "registry": wanted.registry,
        "username": wanted.username,
        "password": wanted.password,
        "platform": wanted.platform,
        "policy": wanted.policy,
    }


def _check(job: Job) -> tuple[JobSpec, SnapshotRef]:
    """What the job runs, if one machine can."""
    spec, snapshot = job.run.spec, job.run.snapshot
    if spec is None or snapshot is None:
        raise UnsupportedError(f"the run {job.run.id} has no script or no snapshot to run")
    if spec.framework.lower() != "python":
        raise UnsupportedError(
            f"the framework {spec.framework!r} cannot run on {job.compute.name!r}: kind 'local' runs Python scripts; "
            "set framework to Python, or submit with another target"
        )
    if spec.node_count != 1:
        raise UnsupportedError(
            f"the run asks for {spec.node_count} nodes, and {job.compute.name!r} is one machine; set nodeCount to 1"
        )
    return spec, snapshot


def record_of(plan: Plan, root: Path, concealed: Iterable[str] = ()) -> dict[str, Any]:
    """The record to send: the plan's request with the path of the snapshot, and the places of what is masked in it."""
    record = dict(plan.request)
    record["snapshot"] = os.path.join(root, str(record["snapshot"]))  # noqa: PTH118 - four times as fast, and hot
    if places := sorted(concealed):
        record["concealed"] = places
    return record


def secrets_of(plan: Plan, secrets: Secrets) -> dict[str, Any]:
    """What the plan's request shows masked, by JSON pointers into it.

    Raises:
        ConfigError: if the run's secrets are gone, or one that its run configuration names is not there.
    """
    return secrets_for(secrets, plan.request, plan.run_id)


@lru_cache(maxsize=4096)
def split_handle(handle: Handle) -> tuple[str, int, str]:
    """(run id, attempt, remote name).

    Raises:
        ValueError: if the handle is not one of this kind.
    """
    run, slash, attempt = handle.id.rpartition("/")
    if not slash or not attempt.isdigit():
        raise ValueError(f"{handle} is no handle of kind 'local'; the form is local://compute/run/attempt")
    return run, int(attempt), remote_name(run, int(attempt))
