"""``runyard up --azure``: this machine plays the Functions host over Azure's stores, or their emulators."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from runyard import telemetry
from runyard.errors import ConfigError

if TYPE_CHECKING:
    from runyard.cli.up import FolderRules
    from runyard.host import Host, HostLock
    from runyard.host.console import Print
    from runyard.services import Services

FILE: Final = "local.settings.json"
"""https://learn.microsoft.com/azure/azure-functions/functions-develop-local#local-settings-file"""
INTERVAL: Final = 3.0
"""Seconds between two listings of the drop container, at least: each is a request that an account in Azure bills."""


def settings_here(folder: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """The app's settings: those of the environment, and of ``local.settings.json`` those that it does not have.

    Raises:
        ConfigError: if the file cannot be read.
    """
    path = folder / FILE
    try:
        values = json.loads(path.read_text())["Values"]
    except FileNotFoundError:
        return dict(environment)
    except (OSError, ValueError, KeyError, TypeError):
        raise ConfigError(f"{path} is no settings file: a JSON object with texts under Values") from None
    if not isinstance(values, dict) or not all(isinstance(value, str) for value in values.values()):
        raise ConfigError(f"{path} is no settings file: a JSON object with texts under Values")
    return {**values, **environment}


@contextmanager
def hosting_azure(
    folder: Path,
    *,
    port: int = 0,
    console: Print | None = None,
    json_lines: bool = False,
    folder_rules: FolderRules | None = None,
) -> Iterator[tuple[Host, Services]]:
    """Play host until the end of the block. The root keeps the host's lock, its address and its timers, and no runs.

    Tables and containers are made where the settings hold a connection string, which is to say in development only.

    Raises:
        ConflictError: if another host serves the root.
        ConfigError: if a setting is missing or wrong, naming it, or the port is taken.
    """
    from runyard.api.service import own_version  # noqa: PLC0415 - FastAPI
    from runyard.cli.up import FolderRules, lock_up  # noqa: PLC0415 - it imports this one
    from runyard.host import Host, HostLock, HostOptions  # noqa: PLC0415
    from runyard.reconcile import DROP_CONTAINER, is_known  # noqa: PLC0415
    from runyard.services import install  # noqa: PLC0415

    lock = HostLock(folder)
    services = _opened(lock)
    lock_up(services)
    install(services)
    rules = folder_rules or FolderRules()
    ports = services.ports
    try:
        mark = ports.marks.begin(DROP_CONTAINER, ports.clock.now())
        options = HostOptions(
            port=port,
            known=lambda *blob: is_known(ports, *blob),
            since=0.0 if rules.existing else mark.since,
            container=True,
            interval=max(rules.interval, INTERVAL),
            console=console,
            json_lines=json_lines,
            version=own_version(),
        )
        host = Host(ports, folder, services.token or "", options=options, lock=lock)
        try:
            host.start()
            yield host, services
        finally:
            host.stop()
    finally:
        lock.release()
        install(None)
        services.close()
        telemetry.stop()


def _opened(lock: HostLock) -> Services:
    """Take the lock and open what the settings say; they are read first, so that a wrong one leaves nothing behind."""
    from runyard.services import open_azure  # noqa: PLC0415
    from runyard.stores.azure.settings import azure_settings  # noqa: PLC0415

    given = settings_here(Path.cwd(), os.environ)
    settings = azure_settings(given)
    lock.acquire()
    try:
        telemetry.start(system=telemetry.SERVICE_BUS, environ=given)
        services = open_azure(settings, make=bool(settings.storage_connection))
    except BaseException:
        telemetry.stop()
        lock.release()
        raise
    services.entry = None  # loopback only, as every host on one machine
    return services
