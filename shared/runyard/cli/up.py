"""``runyard up``: the embedded host, and the host that ``submit --wait`` plays for one run."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, TextIO
from urllib.parse import quote

import typer

from runyard import telemetry
from runyard.cli.context import Root, root_of
from runyard.cli.outcome import say

if TYPE_CHECKING:
    from runyard.host import Host
    from runyard.host.console import Print
    from runyard.services import Services

PORT: Final = 7071
"""The port of Azure's Functions host on a developer's machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderRules:
    """How the drop folder is watched."""

    existing: bool = False
    """Whether what lay there before the start mark is started too."""
    polling: bool = False
    interval: float = 1.0
    """Seconds between scans."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("up")(up)


def up(
    root: Root = None,
    ingest: Annotated[
        str,
        typer.Option(
            metavar="new|existing", help="existing: also start what lay in the folder before the root was made."
        ),
    ] = "new",
    poll: Annotated[
        bool,
        typer.Option(
            "--poll", help="Scan the drop folder as well: for a mount that others write to, if not recognised."
        ),
    ] = False,
    poll_interval: Annotated[
        float,
        typer.Option(min=0.1, max=3600, metavar="SECONDS", help="Time between scans of a drop folder that is shared."),
    ] = 1.0,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Where to serve HTTP, on loopback; 0 for any.")] = PORT,
    log: Annotated[
        str,
        typer.Option(
            "--log", metavar="lines|json", envvar="RUNYARD_LOG", help="json: each record as a JSON object on a line."
        ),
    ] = "lines",
    azure: Annotated[
        bool,
        typer.Option(
            "--azure", help="With Azure's stores, as the environment or ./local.settings.json says. To develop."
        ),
    ] = False,
) -> None:
    """Serve a root on this machine, until interrupted.

    Watches its snapshots folder and its queues, and serves HTTP on loopback.
    """
    if ingest not in {"new", "existing"}:
        raise typer.BadParameter(f"--ingest is new or existing, and not {ingest[:30]!r}")
    if log not in {"lines", "json"}:
        raise typer.BadParameter(f"--log is lines or json, and not {log[:30]!r}")
    folder = root_of(root)
    rules = FolderRules(existing=ingest == "existing", polling=poll, interval=poll_interval)
    from runyard.cli.up_azure import hosting_azure  # noqa: PLC0415 - no more than its imports

    hosts = hosting_azure if azure else hosting
    with hosts(
        folder,
        port=port,
        console=partial(print, flush=True) if log == "json" else print,
        json_lines=log == "json",
        folder_rules=rules,
    ) as (host, services):
        drops = "container snapshots: " if azure else f"{folder}/snapshots/"
        _greet(folder, drops, host, services, file=sys.stderr if log == "json" else sys.stdout)
        host.run_forever()


def _greet(folder: Path, drops: str, host: Host, services: Services, file: TextIO) -> None:
    """Say where it is. The link is for whoever started it, and not for who collects the log."""
    print(f"root    {folder}", file=file)
    print(f"drop    {drops}EXPERIMENT/NAME.zip", file=file)
    print(f"open    {host.url}/?token={quote(services.one_time_code or '')}  (works once)", file=file)
    print("stop    Ctrl-C; what runs goes on", file=file, flush=True)
    if services.drain_ended:
        print("drain   ended: a host that starts takes work again", file=file, flush=True)


@contextmanager
def hosting(
    folder: Path,
    *,
    port: int = 0,
    console: Print | None = None,
    json_lines: bool = False,
    folder_rules: FolderRules | None = None,
) -> Iterator[tuple[Host, Services]]:
    """Play host for a root until the end of the block; jobs go on after that.

    Raises:
        ConflictError: if another host serves the root.
        ConfigError: if the root cannot be opened or the port is taken.
    """
    from runyard.api.service import own_version  # noqa: PLC0415 - FastAPI
    from runyard.host import Host, HostLock, HostOptions  # noqa: PLC0415
    from runyard.reconcile import DROP_CONTAINER, is_known  # noqa: PLC0415
    from runyard.services import install, open_embedded  # noqa: PLC0415

    lock = HostLock(folder)
    lock.acquire()  # before the stores: two hosts on one root would both free locks
    try:
        telemetry.start(system="runyard")
        services = open_embedded(folder)
    except BaseException:
        telemetry.stop()
        lock.release()
        raise
    lock_up(services)
    install(services)

    def known(container: str, name: str, etag: str, modified: float) -> bool:
        return is_known(services.ports, container, name, etag, modified)

    mark = services.ports.marks.get(DROP_CONTAINER)
    rules = folder_rules or FolderRules()
    since = 0.0 if rules.existing or mark is None else mark.since
    options = HostOptions(
        port=port,
        known=known,
        since=since,
        polling=rules.polling,
        interval=rules.interval,
        console=console,
        json_lines=json_lines,
        version=own_version(),
    )
    host = Host(services.ports, folder, services.token or "", options=options, lock=lock)
    try:
        services.take_over()
        host.start()
        yield host, services
    finally:
        host.stop()
        install(None)
        services.close()
        telemetry.stop()


def lock_up(services: Services) -> None:
    """Let in who was given the link, or reads the root."""
    services.token = secrets.token_urlsafe(32)
    services.one_time_code = secrets.token_urlsafe(24)


def next_step(folder: Path) -> None:
    """Say what makes a written-down request move when no host serves the root."""
    say(f"written down in {folder}; no host serves it now: start one with `runyard up`, or submit with --wait")
