"""Azurite, started once per test process; each test gets an account of its own, and so an empty store.

``npm install --prefix .azurite azurite@3.35.0`` installs it (``make azurite``). It runs with ``--inMemoryPersistence``, apart from
this process' children (there are tests that look for those), and ends when this process does. :func:`secure_azurite` speaks
https and takes tokens of an identity, which Azurite does over https only.
"""

from __future__ import annotations

import base64
import os
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.standins.certificates import certificate

HERE = Path(__file__).parents[2]
ACCOUNTS = 3000
"""As many as fit into one environment variable (128 KiB)."""
READY = 30.0

# A child of a child: it ends Azurite when the pipe to the test process closes, however that ended.
_KEEPER = """
import os, subprocess, sys
if os.fork():
    os._exit(0)
os.setsid()
server = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
sys.stdin.read()
server.kill()
"""


@dataclass(frozen=True)
class Account:
    """One account of a running Azurite."""

    name: str
    key: str
    blob_port: int
    table_port: int
    scheme: str = "http"

    @property
    def blob_uri(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.blob_port}/{self.name}"

    @property
    def table_uri(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.table_port}/{self.name}"

    @property
    def connection(self) -> str:
        return self.through(self.blob_port, self.table_port)

    def through(self, blob_port: int, table_port: int) -> str:
        """The connection string by other ports: those of a proxy."""
        return (
            f"DefaultEndpointsProtocol={self.scheme};AccountName={self.name};AccountKey={self.key};"
            f"BlobEndpoint={self.scheme}://127.0.0.1:{blob_port}/{self.name};"
            f"TableEndpoint={self.scheme}://127.0.0.1:{table_port}/{self.name};"
        )


class Azurite:
    """A running Azurite; with the files of a certificate and its key it speaks https, and knows identities by their tokens."""

    def __init__(self, script: list[str], files: tuple[Path, Path] | None = None) -> None:
        self.files = files
        """A certificate, and its key."""
        self._ports = blob, queue, table = _free_ports(3)
        self._key = base64.b64encode(os.urandom(15)).decode()
        self._used = 0
        command = [
            *script, "--silent", "--skipApiVersionCheck", "--disableTelemetry", "--inMemoryPersistence",
            "--blobPort", str(blob), "--queuePort", str(queue), "--tablePort", str(table),
            *(("--cert", str(files[0]), "--key", str(files[1]), "--oauth", "basic") if files else ()),
        ]  # fmt: skip
        accounts = ";".join(f"yard{number:05d}:{self._key}" for number in range(ACCOUNTS))
        self._keeper = subprocess.Popen(
            [sys.executable, "-c", _KEEPER, *command],
            stdin=subprocess.PIPE,
            env={**os.environ, "AZURITE_ACCOUNTS": accounts},
        )
        self._keeper.wait(READY)
        _wait_for(blob, table)

    @property
    def left(self) -> int:
        """How many accounts nobody has used yet."""
        return ACCOUNTS - self._used

    def account(self) -> Account:
        """An account that nobody has used."""
        self._used += 1
        scheme = "https" if self.files else "http"
        return Account(f"yard{self._used - 1:05d}", self._key, self._ports[0], self._ports[2], scheme)

    def stop(self) -> None:
        assert self._keeper.stdin is not None
        self._keeper.stdin.close()


def azurite_command() -> list[str] | None:
    """How to start it, if it is installed."""
    script = HERE / ".azurite" / "node_modules" / "azurite" / "dist" / "src" / "azurite.js"
    if script.exists() and (node := shutil.which("node")):
        return [node, str(script)]
    found = shutil.which("azurite")
    return [found] if found else None


_running: list[Azurite] = []
_secure: list[Azurite] = []


def azurite() -> Azurite:
    """The one of this process, started on first use. Without one the test is skipped; in CI it fails."""
    if not _running or not _running[-1].left:
        _running.append(Azurite(_installed()))
    return _running[-1]


def secure_azurite(folder: Path) -> Azurite:
    """Likewise one that speaks https; its certificate is made in ``folder`` on first use."""
    if not _secure or not _secure[-1].left:
        _secure.append(Azurite(_installed(), certificate(folder)))
    return _secure[-1]


def _installed() -> list[str]:
    command = azurite_command()
    if command is None:
        reason = "Azurite is not installed: `make azurite` (needs Node.js and npm)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return command


def _free_ports(count: int) -> tuple[int, ...]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return tuple(each.getsockname()[1] for each in sockets)
    finally:
        for each in sockets:
            each.close()


def _wait_for(*ports: int) -> None:
    until = time.monotonic() + READY
    for port in ports:
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)
