"""A container engine of the tests' own: a dockerd on a private socket, and a base image that is made once.

Nothing is downloaded from a registry: the base image is a Debian with Python, unpacked by debootstrap.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from runyard.runner import process

BASE = "ry-test/base:1"
PATIENCE = 30.0
_NEEDS = ("docker", "dockerd", "debootstrap", "tar")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
KEPT = Path(tempfile.gettempdir()) / f"runyard-test-base-{os.getuid()}.tar"
"""The base image's files, kept for the next run of the tests on this machine."""


class Engine:
    """A running engine."""

    def __init__(self, folder: Path) -> None:
        self.host = f"unix://{folder}/docker.sock"

    def docker(self, *words: str, stdin: bytes = b"") -> str:
        """What the client prints, as text."""
        return self.docker_bytes(*words, stdin=stdin).decode()

    def docker_bytes(self, *words: str, stdin: bytes = b"") -> bytes:
        """What the client prints."""
        done = subprocess.run(
            ["docker", *words],
            input=stdin,
            capture_output=True,
            check=False,
            env={**os.environ, "DOCKER_HOST": self.host},
        )
        assert done.returncode == 0, (words, done.stderr.decode())
        return done.stdout

    def containers(self) -> list[str]:
        """The names of all containers, running or not."""
        return self.docker("ps", "--all", "--format", "{{.Names}}").split()

    def images(self, label: str) -> list[str]:
        """The tags of the images with a label."""
        return self.docker("images", "--filter", f"label={label}", "--format", "{{.Repository}}:{{.Tag}}").split()


@contextmanager
def running_engine() -> Iterator[Engine]:
    """An engine until the block ends; the test is skipped where there can be none, and fails in CI."""
    missing = [name for name in _NEEDS if shutil.which(name, path=f"{os.environ['PATH']}:{_PATH}") is None]
    if missing or os.geteuid() != 0:
        reason = f"needs root and {', '.join(missing) or 'nothing else'}: apt-get install docker.io debootstrap"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    folder = Path(tempfile.mkdtemp(prefix="ry-engine-"))
    words = [
        *(
            "dockerd",
            "--data-root",
            f"{folder}/data",
            "--exec-root",
            f"{folder}/exec",
            "-H",
            f"unix://{folder}/docker.sock",
        ),
        *("--pidfile", f"{folder}/docker.pid", "--iptables=false", "--ip6tables=false", "--bridge=none"),
    ]
    with (folder / "log").open("wb") as log:
        daemon = subprocess.Popen(words, stdout=log, stderr=log, start_new_session=True)
    engine = Engine(folder)
    try:
        _wait_for(engine, daemon, folder)
        _import(engine)
        yield engine
        for name in engine.containers():
            engine.docker("rm", "--force", name)
    finally:
        for pid in [*process.children(daemon.pid), daemon.pid]:  # nothing of it is kept, so it need not clear up
            os.kill(pid, signal.SIGKILL)
        daemon.wait(PATIENCE)
        mounted = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
        for place in sorted((each for each in mounted if each.startswith(f"{folder}/")), reverse=True):
            subprocess.run(["umount", "--lazy", place], check=False, capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)


def _wait_for(engine: Engine, daemon: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while daemon.poll() is None and time.monotonic() < deadline:
        if (folder / "docker.sock").exists():
            try:
                engine.docker("version")
            except AssertionError:
                pass
            else:
                return
        time.sleep(0.05)
    raise AssertionError((folder / "log").read_text()[-2000:])


def _import(engine: Engine) -> None:
    if not KEPT.exists():
        with tempfile.TemporaryDirectory(prefix="ry-base-") as made:
            include = "--include=python3-minimal,python3-venv"
            subprocess.run(
                ["debootstrap", "--variant=minbase", include, "stable", f"{made}/root"],
                check=True,
                capture_output=True,
                env={**os.environ, "PATH": f"{os.environ['PATH']}:{_PATH}"},
            )
            for useless in ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/locale", "usr/share/man"):
                shutil.rmtree(f"{made}/root/{useless}", ignore_errors=True)
            subprocess.run(["tar", "-C", f"{made}/root", "-cf", f"{made}/base.tar", "."], check=True)
            shutil.move(f"{made}/base.tar", f"{KEPT}.{os.getpid()}")
            Path(f"{KEPT}.{os.getpid()}").replace(KEPT)
    engine.docker("import", "--change", f"ENV PATH={_PATH}", str(KEPT), BASE)
