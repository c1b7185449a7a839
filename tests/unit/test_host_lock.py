from __future__ import annotations

import fcntl
import os
import stat
from pathlib import Path

import pytest

from runyard.errors import ConflictError
from runyard.host import HostInfo, HostLock, running_host
from tests.fakes import sleep_by

INFO = HostInfo(url="http://127.0.0.1:7071", token="secret-token", pid=os.getpid(), version="1", started=1.0)


def test_a_host_is_found_while_it_holds_the_lock(tmp_path: Path) -> None:
    lock = HostLock(tmp_path)
    assert running_host(tmp_path) is None
    lock.acquire()
    assert running_host(tmp_path) is None
    lock.publish(INFO)
    assert running_host(tmp_path) == INFO
    lock.release()
    assert running_host(tmp_path) is None
    assert not (tmp_path / "host.json").exists()


def test_the_file_is_for_its_owner_only(tmp_path: Path) -> None:
    lock = HostLock(tmp_path)
    lock.acquire()
    lock.publish(INFO)
    modes = {name: stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("host.json", "host.lock")}
    lock.release()

    assert modes == {"host.json": 0o600, "host.lock": 0o600}
    assert [path.name for path in tmp_path.iterdir()] == ["host.lock"]


def test_a_second_host_is_refused_and_told_where_the_first_is(tmp_path: Path) -> None:
    first = HostLock(tmp_path)
    first.acquire()
    first.publish(INFO)
    with pytest.raises(ConflictError) as caught:
        HostLock(tmp_path).acquire()
    first.release()

    assert "already serves" in caught.value.message
    assert f"at http://127.0.0.1:7071 (process {os.getpid()})" in caught.value.message
    assert "secret-token" not in caught.value.message


def test_a_host_that_is_still_starting_is_respected(tmp_path: Path) -> None:
    first = HostLock(tmp_path)
    first.acquire()
    with pytest.raises(ConflictError, match="another host is starting"):
        HostLock(tmp_path).acquire()
    first.release()


@pytest.mark.parametrize("left_behind", [b'{"url": "http://127.0.0.1:1"', b"", None])
def test_a_file_left_behind_counts_for_nothing(tmp_path: Path, left_behind: bytes | None) -> None:
    dead = HostLock(tmp_path)
    dead.acquire()
    dead.publish(INFO)
    if left_behind is not None:
        (tmp_path / "host.json").write_bytes(left_behind)
    assert dead._fd is not None
    os.close(dead._fd)  # as the system does when a process dies

    assert running_host(tmp_path) is None
    lock = HostLock(tmp_path)
    lock.acquire()
    lock.publish(INFO)
    assert running_host(tmp_path) == INFO
    lock.release()


def test_a_reader_that_looks_does_not_keep_a_host_from_starting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = os.open(tmp_path / "host.lock", os.O_RDONLY | os.O_CREAT)
    fcntl.flock(reader, fcntl.LOCK_SH)
    sleep_by(monkeypatch, "runyard.host.lock", lambda _: fcntl.flock(reader, fcntl.LOCK_UN))
    lock = HostLock(tmp_path)
    lock.acquire()
    os.close(reader)

    assert lock.held
    lock.release()


def test_the_token_is_not_in_what_is_printed() -> None:
    assert "secret-token" not in repr(INFO)
    assert "secret-token" not in str(INFO)


def test_a_release_can_be_repeated(tmp_path: Path) -> None:
    lock = HostLock(tmp_path)
    lock.release()
    lock.acquire()
    lock.release()
    lock.release()
    assert not lock.held
