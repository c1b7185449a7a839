"""Stopping the host of a root: that process, and never another."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from runyard.cli import outcome
from runyard.cli.main import app
from runyard.errors import ConflictError, NotFoundError
from runyard.host import HostInfo, HostLock, running_host, stopping
from runyard.sdk.client import Client

BYSTANDER = "import time; print('ready', flush=True); time.sleep(60)"


@pytest.fixture
def bystander() -> Iterator[subprocess.Popen[bytes]]:
    """A process that has nothing to do with any root."""
    with subprocess.Popen([sys.executable, "-c", BYSTANDER], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert b"ready\n" == process.stdout.readline()
        try:
            yield process
        finally:
            process.kill()


def info(pid: int) -> HostInfo:
    return HostInfo(url="http://127.0.0.1:9", token="t", pid=pid, version="", started=1.0)


def test_without_a_host_there_is_none_to_stop(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no host serves"):
        stopping.ask_host_to_stop(tmp_path)


def test_a_process_that_does_not_hold_the_lock_is_left_alone(
    tmp_path: Path, bystander: subprocess.Popen[bytes]
) -> None:
    lock = HostLock(tmp_path)
    lock.acquire()
    try:
        lock.publish(info(bystander.pid))
        with pytest.raises(ConflictError, match="changed"):
            stopping.ask_host_to_stop(tmp_path)
    finally:
        lock.release()
    assert bystander.poll() is None


def test_a_process_that_is_gone_is_said_to_be(tmp_path: Path, bystander: subprocess.Popen[bytes]) -> None:
    lock = HostLock(tmp_path)
    lock.acquire()
    bystander.kill()
    bystander.wait()
    try:
        lock.publish(info(bystander.pid))
        with pytest.raises(ConflictError, match="went away"):
            stopping.ask_host_to_stop(tmp_path)
    finally:
        lock.release()


def test_what_a_killed_host_left_behind_names_nobody_once_the_next_one_has_the_lock(tmp_path: Path) -> None:
    first = HostLock(tmp_path)
    first.acquire()
    first.publish(info(os.getpid()))
    (tmp_path / "kept").write_bytes((tmp_path / "host.json").read_bytes())
    first.release()
    (tmp_path / "kept").rename(tmp_path / "host.json")
    second = HostLock(tmp_path)
    second.acquire()
    try:
        assert running_host(tmp_path) is None
    finally:
        second.release()


def test_the_holder_of_the_lock_gets_one_term(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    got: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _frame: got.append(number))
    lock = HostLock(tmp_path)
    lock.acquire()
    try:
        lock.publish(info(os.getpid()))
        found = stopping.ask_host_to_stop(tmp_path)
        assert ([signal.SIGTERM], os.getpid()) == (got, found.pid)
        assert not stopping.wait_until_stopped(tmp_path, found, 0.0)
    finally:
        lock.release()
        signal.signal(signal.SIGTERM, before)
    assert stopping.wait_until_stopped(tmp_path, found, 0.0)
    monkeypatch.delattr(os, "pidfd_open", raising=False)  # as on macOS
    with stopping._process(os.getpid()) as send:
        send(0)


@pytest.mark.slow
def test_drain_stop_brings_a_host_to_rest_and_the_next_one_takes_work_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "root"
    monkeypatch.setenv("RUNYARD_ROOT", str(root))
    command = [sys.executable, "-m", "runyard.cli.main", "up", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as host:
        try:
            assert host.stdout is not None
            assert any(line.startswith("stop") for line in host.stdout)
            result = CliRunner().invoke(app, ["drain", "--stop"])
            assert outcome.OK == result.exit_code, result.output
            assert "the host has stopped" in result.stderr
            assert 0 == host.wait(timeout=20)
        finally:
            host.kill()
    with Client.connect(root) as client:
        assert client.embedded
        assert client.drained()["draining"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as host:
        try:
            assert host.stdout is not None
            assert any(line.startswith("drain   ended") for line in host.stdout)
        finally:
            host.kill()
            host.wait()
