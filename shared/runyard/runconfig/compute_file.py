"""The ``.compute`` files of Azure ML Workbench and of the SDK's first releases: what they say, and what it means here.

``aml_config/NAME.compute`` described the compute target NAME: its type, where it is, and, before run configurations had an
``environment``, in what the script ran there. The keys and types are those of Workbench's documentation of 2017 and 2018
("Execution Configuration Files"), of the SDK 0.1.59, and of files that projects of that time published.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from typing import Any, Final

from runyard.runconfig import convert
from runyard.runconfig.folded import Folded, mapping
from runyard.runconfig.yaml12 import Map, load

_KINDS: Final[dict[str, tuple[str, bool]]] = {
    "local": ("local", False),
    "docker": ("local", True),
    "localdocker": ("local", True),
    "remote": ("ssh", False),
    "remotedocker": ("ssh", True),
    "virtualmachine": ("ssh", True),
    "cluster": ("livy", False),
    "batchai": ("batch", True),
    "containerinstance": ("aci", True),
}
"""By type: the kind that serves it, and whether it ran scripts in a container.

The SDK does so for ``remotedocker``, ``localdocker``, ``batchai`` and ``containerinstance``; ``docker`` and
``virtualmachine`` are what Workbench's first releases called the first two.
"""

TYPES: Final = tuple(_KINDS)
"""The types that such a file may have."""

_SECRET: Final = "AzureMlSecret="  # noqa: S105  (what stands before a name)
_LOOKUP: Final = re.compile(r"[^#]+#[^#]+#[0-9a-fA-F]{32}")
"""``<target>#<user>#<32 hex>``; the first releases wrote it without ``AzureMlSecret=``."""

_PLAIN: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/-]{0,252}")
"""What a suggested command line shows; anything else is the reader's to fill in."""

_PORTS: Final = (1, 65535)


@dataclass(frozen=True, slots=True)
class ComputeFile:
    """What a ``.compute`` file says; ``None`` = it does not say."""

    name: str
    """How errors call the file."""
    type: str | None = None
    """One of :data:`TYPES`."""
    address: str | None = None
    """A host, without its port."""
    port: int | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    """In clear. Never the name under which Azure ML kept a password: that is in ``password_lookup``."""
    password_lookup: str | None = field(default=None, repr=False)
    """The name of a password that Azure ML kept; nobody can look it up any more."""
    private_key: str | None = field(default=None, repr=False)
    base_docker_image: str | None = None
    shared_volumes: bool | None = None
    nvidia_docker: bool | None = None
    native_shared_directory: str | None = None
    user_managed_environment: bool | None = None
    python_location: str | None = None
    spark_submit_location: str | None = None
    yarn_deploy_mode: str | None = None
    node_count: int | None = None
    priority: str | None = None
    subscription_id: str | None = None
    resource_group: str | None = None
    cluster_name: str | None = None
    workspace_name: str | None = None
    unknown: tuple[str, ...] = ()
    """The keys that nobody knows."""

    def kind(self) -> str | None:
        """The kind of compute that serves it: ``local``, ``ssh``, ``aci``, ``batch`` or ``livy``."""
        if self.type is not None:
            return _KINDS[self.type][0]
        return "ssh" if self.address else None

    def in_docker(self) -> bool | None:
        """Whether it ran scripts in a container."""
        return None if self.type is None else _KINDS[self.type][1]

    def add_command(self, name: str) -> str | None:
        """The command that makes a compute of this name of it, without secrets; ``None`` where none is needed."""
        kind = self.kind()
        if kind in {None, "local"}:
            return None
        options = {
            "address": self.address,
            "port": self.port,
            "username": self.username,
            "subscription_id": self.subscription_id,
            "resource_group": self.resource_group,
            "workspace_name": self.workspace_name,
            "cluster_name": self.cluster_name,
        }
        words = ["runyard", "compute", "set", _shown(name, "NAME"), "--kind", str(kind)]
        for key, value in options.items():
            if value is not None:
                words += ["--option", f"{key}={_shown(str(value), key.upper())}"]
        return shlex.join(words)


def parse_compute_file(data: bytes, name: str) -> ComputeFile:
    """Read a ``.compute`` file: YAML or JSON, its keys in any casing.

    Raises:
        RunconfigError: naming the file, the line and the key; a secret is never shown.
    """
    document = load(data, name)
    return from_mapping({} if document is None else document, name)


def from_mapping(document: object, name: str, path: str = "") -> ComputeFile:
    """As :func:`parse_compute_file`, of a value; ``path`` stands before its keys in errors.

    Raises:
        RunconfigError: as for :func:`parse_compute_file`.
    """
    keys = Folded(document, name, path, "a .compute file is a mapping with keys such as `type` and `address`")
    address, port, user = _address(keys)
    password, lookup = _password(keys)
    text = convert.text
    found: dict[str, Any] = {
        "type": _type(keys),
        "address": address,
        "port": keys.take(convert.integer(_PORTS), "port", "sshPort") or port,
        "username": keys.take(text, "username") or user,
        "password": password,
        "password_lookup": lookup,
        "private_key": keys.take(convert.secret(text), "privateKey"),
        "base_docker_image": keys.take(text, "baseDockerImage"),
        "shared_volumes": keys.take(convert.boolean, "sharedVolumes"),
        "nvidia_docker": keys.take(convert.boolean, "nvidiaDocker"),
        "native_shared_directory": keys.take(text, "nativeSharedDirectory"),
        "user_managed_environment": keys.take(convert.boolean, "userManagedEnvironment"),
        "python_location": keys.take(text, "pythonLocation"),
        "spark_submit_location": keys.take(text, "sparkSubmitLocation"),
        "yarn_deploy_mode": keys.take(convert.word(("cluster", "client", "None"), ""), "yarnDeployMode"),
        "node_count": keys.take(convert.integer((1, None)), "nodeCount"),
        "priority": keys.take(text, "priority"),
        "subscription_id": keys.take(text, "subscriptionId"),
        "resource_group": keys.take(text, "resourceGroup"),
        "cluster_name": keys.take(text, "clusterName"),
        "workspace_name": keys.take(text, "workspaceName"),
    }
    where = f"{name}, {path.rstrip('.')}" if path else name
    return ComputeFile(name=where, **found, unknown=tuple(key[:60] for key in keys.rest()))


def is_type(text: str) -> bool:
    """Whether a text names a type, in any spelling."""
    return _fold(text) in _KINDS


def _fold(text: str) -> str:
    return convert.fold(text).replace("-", "")


def as_environment(compute: ComputeFile) -> Map:
    """What it says of the environment, in the layout of ``environment`` of a run configuration.

    The mapping is the SDK's own (0.1.59); beyond it, a ``docker`` target is docker, as its author meant, and a ``local`` one
    runs with the Python that is there, as Workbench did.
    """
    managed = compute.user_managed_environment
    python: dict[str, object] = {
        "userManagedDependencies": True if managed is None and compute.type == "local" else managed,
        "interpreterPath": compute.python_location,
    }
    docker: dict[str, object] = {
        "enabled": compute.in_docker(),
        "baseImage": compute.base_docker_image,
        "sharedVolumes": compute.shared_volumes,
        "gpuSupport": compute.nvidia_docker,
    }
    spark: dict[str, object] = {"precachePackages": None if managed is None else not managed}
    sections: dict[str, dict[str, object]] = {"python": python, "docker": docker, "spark": spark}
    made = {key: mapping((name, value, 0) for name, value in section.items()) for key, section in sections.items()}
    return mapping((key, section or None, 0) for key, section in made.items())


def as_settings(compute: ComputeFile) -> Map:
    """What it says of a run, in the layout of a run configuration: :func:`as_environment`, and what stands outside of it."""
    hdi = mapping([("yarnDeployMode", compute.yarn_deploy_mode, 0)])
    return mapping(
        [
            ("environment", as_environment(compute) or None, 0),
            ("hdi", hdi or None, 0),
            ("nodeCount", compute.node_count, 0),
        ]
    )


def notes_on(compute: ComputeFile, target: str) -> list[str]:
    """What a person should be told about the file: one sentence each, without secrets."""
    where = compute.name
    notes = []
    if compute.type == "docker":
        notes.append(
            f"{where}: its type is docker, which the SDK forgot to take for docker; the script runs in a container"
        )
    if compute.password_lookup:
        notes.append(
            f"{where}: its password is only a name under which Azure ML kept it; give the compute a key or a password"
        )
    elif compute.password or compute.private_key:
        notes.append(f"{where}: it holds a secret, which is not used from there; give it to the compute and remove it")
    for key, value in (
        ("nativeSharedDirectory", compute.native_shared_directory),
        ("sparkSubmitLocation", compute.spark_submit_location),
        ("priority", compute.priority),
    ):
        if value is not None:
            notes.append(f"{where}: {key} has no counterpart here and is ignored")
    notes += [f"{where}: {key!r} is not a known key and is ignored" for key in compute.unknown]
    if command := compute.add_command(target):
        notes.append(f"{where}: if there is no compute {target[:64]!r} yet, make it with `{command}`")
    return notes


def _type(keys: Folded) -> str | None:
    found = keys.take(convert.text, "type")
    flags = {flag: keys.take(convert.boolean, flag) for flag in ("cluster", "native")}
    if found is None:
        if flags["cluster"] is None and flags["native"] is None:
            return None
        return "cluster" if flags["cluster"] else "remote" if flags["native"] else "remotedocker"
    kind = _fold(found)
    if kind in _KINDS:
        return kind
    near = convert.nearest(found, TYPES)
    raise keys.error(
        keys.spelled("type") or "type", f"is the text {found[:60]!r}; it must be one of {', '.join(TYPES)}{near}"
    )


def _address(keys: Folded) -> tuple[str | None, int | None, str | None]:
    """Host, port and user: of ``host``, ``host:port``, ``[v6]:port`` or ``user@host``."""
    found = keys.take(convert.text, "address")
    if found is None:
        return None, None, None
    before, _, rest = found.strip().removeprefix("ssh://").rpartition("@")
    user = before.partition(":")[0] or None
    match = re.fullmatch(r"\[([^\]]*)\](?::(\d{1,9}))?|([^:]*):(\d{1,9})", rest)
    if match is None:
        return rest, None, user
    port = match[2] or match[4]
    if port is not None and not _PORTS[0] <= int(port) <= _PORTS[1]:
        key = keys.spelled("address") or "address"
        raise keys.error(key, f"ends with the port {port}; it must be from {_PORTS[0]} to {_PORTS[1]}")
    return match[1] or match[3], int(port) if port else None, user


def _password(keys: Folded) -> tuple[str | None, str | None]:
    """The password in clear, or the name under which Azure ML kept it."""
    found = keys.take(convert.secret(convert.text), "password")
    if found is None:
        return None, None
    if found.startswith(_SECRET):
        return None, found.removeprefix(_SECRET)
    return (None, found) if _LOOKUP.fullmatch(found) else (found, None)


def _shown(value: str, instead: str) -> str:
    return value if _PLAIN.fullmatch(value) else instead
