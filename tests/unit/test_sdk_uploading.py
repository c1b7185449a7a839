"""A snapshot's way to the service: over broken connections, after a killed client, beside another one."""

from __future__ import annotations

import email.utils
import hashlib
import io
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from runyard.api import parts
from runyard.api.app import create_app
from runyard.errors import (
    AuthError,
    ConfigError,
    ConflictError,
    EventError,
    SnapshotError,
    StorageFullError,
    ThrottledError,
    TransientError,
)
from runyard.sdk import submitting
from runyard.sdk.connection import Connection
from runyard.sdk.patience import LONGEST_PAUSE, retry_after
from runyard.sdk.submitting import Asked, post_run, post_snapshot
from runyard.sdk.transport import InProcessTransport
from runyard.sdk.uploading import ATTEMPTS, Upload
from tests.fakes import sleep_by
from tests.served import AUTH, Served, serving
from tests.unit.test_api_uploads import STEP, a_zip

Fault = Callable[[httpx.Request], httpx.Response | None]
"""Answers in place of the service, raises, or lets the request pass."""

DATA = a_zip(5500)
SHA256 = hashlib.sha256(DATA).hexdigest()


class Flaky(httpx.BaseTransport):
    """The service behind a network that breaks as it is told; keeps what was asked."""

    def __init__(self, served: Served) -> None:
        self._inner = InProcessTransport(create_app(lambda: served.services))
        self.faults: list[Fault] = []
        self.lost: list[str] = []
        """Ends of paths whose next reply is lost, after the service has done what was asked."""
        self.asked: list[str] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(f"{request.method} {request.url.path.replace(SHA256, 'SHA')}")
        if self.faults:
            answered = self.faults.pop(0)(request)
            if answered is not None:
                return answered
        response = self._inner.handle_request(request)
        for end in self.lost:
            if request.url.path.endswith(end):
                response.read()
                self.lost.remove(end)
                raise httpx.ReadError("connection reset by peer", request=request)
        return response

    def close(self) -> None:
        self._inner.close()

    @property
    def sent(self) -> list[int]:
        return [int(each.rpartition("/")[2]) for each in self.asked if each.startswith("PUT")]


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setattr(parts, "PART_SIZE", STEP)
    monkeypatch.setattr(submitting, "ONE_REQUEST", STEP)
    with serving() as made:
        yield made


@pytest.fixture
def network(served: Served) -> Iterator[Flaky]:
    transport = Flaky(served)
    yield transport
    transport.close()


@pytest.fixture
def connection(network: Flaky) -> Connection:
    return Connection(httpx.Client(transport=network, base_url="http://127.0.0.1:7071", headers=AUTH))


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What was waited; nobody waits."""
    waited: list[float] = []
    sleep_by(monkeypatch, "runyard.sdk.uploading", waited.append)
    return waited


def upload(connection: Connection, pauses: list[float], data: bytes = DATA, **changes: Any) -> dict[str, str]:
    given = {"sha256": SHA256, "size": len(DATA), "pause": pauses.append, **changes}
    return Upload(connection, io.BytesIO(data), given.pop("sha256"), given.pop("size"), **given).run()


def status(code: int, **headers: str) -> Fault:
    return lambda _: httpx.Response(code, headers={name.replace("_", "-"): text for name, text in headers.items()})


def broken(request: httpx.Request) -> httpx.Response:
    raise httpx.WriteError("broken pipe", request=request)


def well(_request: httpx.Request) -> None:
    return None


def killed(_request: httpx.Request) -> httpx.Response:
    raise KeyboardInterrupt


def content(served: Served) -> bytes:
    return b"".join(served.house.ports.blobs.stream("uploads", f"{SHA256}.zip"))


def test_parts_are_sent_in_order_and_completed(
    served: Served, network: Flaky, connection: Connection, pauses: list[float]
) -> None:
    told: list[tuple[str, int, int]] = []
    found = upload(connection, pauses, tell=lambda what, done, total: told.append((what, done, total)))
    assert found == {"container": "uploads", "name": f"{SHA256}.zip", "sha256": SHA256}
    assert content(served) == DATA
    assert network.asked == [
        "POST /api/uploads", *(f"PUT /api/uploads/SHA/{index}" for index in range(6)), "POST /api/uploads/SHA/complete",
    ]  # fmt: skip
    assert told == [("uploading", done, 5500) for done in (0, 1000, 2000, 3000, 4000, 5000, 5500)]
    assert pauses == []


def test_what_the_service_has_is_not_sent(network: Flaky, connection: Connection, pauses: list[float]) -> None:
    first = upload(connection, pauses)
    network.asked.clear()
    told: list[tuple[str, int, int]] = []
    assert upload(connection, pauses, tell=lambda *what: told.append(what)) == first
    assert network.asked == ["POST /api/uploads"]
    assert told == [("unchanged", 5500, 5500)]


@pytest.mark.parametrize("fault", [broken, *(status(code) for code in (408, 429, 500, 502, 503, 504))])
def test_every_request_is_sent_again_after_a_fault_that_passes(
    served: Served, network: Flaky, connection: Connection, pauses: list[float], fault: Fault
) -> None:
    network.faults = [fault, well] * 8
    upload(connection, pauses)
    assert content(served) == DATA
    assert len(pauses) == 8
    assert all(0.1 < pause < 0.4 for pause in pauses)


def test_lost_replies_do_no_harm(served: Served, network: Flaky, connection: Connection, pauses: list[float]) -> None:
    network.lost = ["/uploads", "/0", "/3", "/3", "/5", "/complete"]
    upload(connection, pauses)
    assert content(served) == DATA
    assert network.sent == [0, 0, 1, 2, 3, 3, 3, 4, 5, 5]
    assert network.asked[-2:] == ["POST /api/uploads/SHA/complete"] * 2


def test_pauses_grow_and_the_last_fault_is_told(network: Flaky, connection: Connection, pauses: list[float]) -> None:
    network.faults = [well, well, *[broken] * 99]
    with pytest.raises(TransientError, match="the connection to the host broke"):
        upload(connection, pauses)
    assert len(pauses) == ATTEMPTS - 1
    assert all(0.75 <= pause / min(0.25 * 2**index, 16) <= 1.25 for index, pause in enumerate(pauses))
    assert network.sent == [0] + [1] * ATTEMPTS


def test_a_service_that_stays_out_of_order_is_told_in_its_words(
    network: Flaky, connection: Connection, pauses: list[float]
) -> None:
    def busy(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(429, json={"error": {"code": "ThrottledError", "message": "slow down"}})

    network.faults = [busy] * 99
    with pytest.raises(ThrottledError, match="slow down"):
        upload(connection, pauses)


def test_a_service_that_says_when_is_asked_then(
    served: Served, network: Flaky, connection: Connection, pauses: list[float]
) -> None:
    date = email.utils.formatdate(time.time() + 30, usegmt=True)
    network.faults = [
        well, status(503, Retry_After="7"), status(429, Retry_After="100000"), status(429, Retry_After="soon"),
        status(503, Retry_After=date),
    ]  # fmt: skip
    upload(connection, pauses)
    assert content(served) == DATA
    assert pauses[:2] == [7.0, LONGEST_PAUSE]
    assert 0.7 < pauses[2] < 1.3
    assert 25 < pauses[3] <= 30


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("3", 3.0), (" 4 ", 4.0), ("", None), ("x", None), ("-1", None), ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0)],
)
def test_retry_after_is_a_number_or_a_date(text: str, seconds: float | None) -> None:
    assert retry_after(text) == seconds


def test_a_killed_client_goes_on_where_it_ended(
    served: Served, network: Flaky, connection: Connection, pauses: list[float]
) -> None:
    network.faults = [well, well, well, killed]
    with pytest.raises(KeyboardInterrupt):
        upload(connection, pauses)
    network.asked.clear()
    told: list[tuple[str, int, int]] = []
    upload(connection, pauses, tell=lambda *what: told.append(what))
    assert network.sent == [2, 3, 4, 5]
    assert told[0] == ("uploading", 2000, 5500)
    assert content(served) == DATA


def test_two_clients_at_once_help_each_other(
    served: Served, network: Flaky, connection: Connection, pauses: list[float]
) -> None:
    def other(_request: httpx.Request) -> None:
        network.faults.clear()
        upload(connection, pauses)  # the whole of it, in the middle of ours

    network.faults = [well, well, well, other]
    upload(connection, pauses)
    assert content(served) == DATA
    assert dict(served.house.ports.blobs.staged("uploads", f"{SHA256}.zip")) == {}


def test_parts_that_were_dropped_meanwhile_are_sent_again(
    served: Served, network: Flaky, connection: Connection, pauses: list[float]
) -> None:
    def drop(_request: httpx.Request) -> None:
        served.house.ports.blobs.drop("uploads", f"{SHA256}.zip")

    network.faults = [*[well] * 7, drop]
    upload(connection, pauses)
    assert content(served) == DATA
    assert network.sent == [*range(6), *range(6)]


def test_parts_that_are_dropped_again_and_again_end_in_an_error(
    served: Served, network: Flaky, connection: Connection, pauses: list[float]
) -> None:
    def drop(_request: httpx.Request) -> None:
        served.house.ports.blobs.drop("uploads", f"{SHA256}.zip")

    network.faults = [*[well] * 7, drop] * 9
    with pytest.raises(ConflictError, match="these are missing"):
        upload(connection, pauses)


def test_a_spoiled_part_from_before_is_sent_again_once(
    served: Served, network: Flaky, connection: Connection, pauses: list[float]
) -> None:
    served.house.ports.blobs.stage("uploads", f"{SHA256}.zip", 3, b"x" * STEP)
    upload(connection, pauses)
    assert content(served) == DATA
    assert network.sent == [0, 1, 2, 4, 5, *range(6)]


def test_a_file_that_is_not_what_was_announced_is_refused_at_once(
    served: Served, network: Flaky, connection: Connection, pauses: list[float]
) -> None:
    with pytest.raises(SnapshotError, match="do not have the SHA-256"):
        upload(connection, pauses, data=DATA[:-1] + b"x")
    assert network.sent == list(range(6))
    assert list(served.house.ports.blobs.list("uploads")) == []
    with pytest.raises(SnapshotError, match="became shorter"):
        upload(connection, pauses, data=DATA[:4200])
    assert pauses == []


def test_faults_that_do_not_pass_are_told_at_once(
    served: Served, network: Flaky, connection: Connection, pauses: list[float]
) -> None:
    def full(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(507, json={"error": {"code": "StorageFullError", "message": "no room"}})

    for fault, kind in ((full, StorageFullError), (status(401), AuthError), (status(413), ConfigError)):
        network.faults = [well, well, fault]
        with pytest.raises(kind):
            upload(connection, pauses)
    assert pauses == []


def a_folder(tmp_path: Path, size: int) -> Path:
    folder = tmp_path / "project"
    folder.mkdir(exist_ok=True)
    (folder / "train.py").write_bytes(b"#" * size)
    return folder


def test_a_small_directory_travels_with_its_submission(
    served: Served, network: Flaky, connection: Connection, tmp_path: Path
) -> None:
    posted = post_run(connection, a_folder(tmp_path, STEP // 2), Asked(experiment="e"), key=None, progress=None)
    assert posted.created
    assert network.asked == ["POST /api/runs"]


def test_a_large_directory_goes_before_its_submission_and_only_once(
    served: Served, network: Flaky, connection: Connection, pauses: list[float], tmp_path: Path
) -> None:
    folder = a_folder(tmp_path, 2500)
    told: list[str] = []

    def ask(key: str) -> Any:
        network.asked.clear()
        told.clear()
        return post_run(
            connection, folder, Asked(experiment="e"), key=key, progress=lambda what, _done, _total: told.append(what)
        )

    first = ask("k1")
    assert (first.created, first.same) == (True, True)
    assert network.sent == [0, 1, 2]
    assert network.asked[-1] == "POST /api/runs"
    assert set(told) == {"packing", "uploading"}
    again = ask("k1")
    assert (again.created, again.run["runId"]) == (False, first.run["runId"])
    second = ask("k2")
    assert second.run["runId"] != first.run["runId"]
    assert network.asked == ["POST /api/uploads", "POST /api/runs"]
    assert told[-1] == "unchanged"
    assert len(served.house.ports.blobs.list("uploads")) == 1


def test_what_is_wrong_with_a_submission_is_said_before_a_large_snapshot_is_sent(
    network: Flaky, connection: Connection, tmp_path: Path
) -> None:
    with pytest.raises(EventError, match="experiment"):
        post_run(connection, a_folder(tmp_path, 2500), Asked(experiment="no spaces"), key=None, progress=None)
    assert network.asked == []


def test_a_large_zip_is_uploaded_for_later(
    served: Served, network: Flaky, connection: Connection, pauses: list[float], tmp_path: Path
) -> None:
    (tmp_path / "a.zip").write_bytes(DATA)
    network.faults = [well, broken]
    assert post_snapshot(connection, tmp_path / "a.zip")["sha256"] == SHA256
    assert content(served) == DATA
    assert len(pauses) == 1


def test_a_zip_beyond_the_limit_is_refused_before_it_is_read(
    network: Flaky, connection: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.zip").write_bytes(DATA)
    monkeypatch.setattr(submitting, "MAX_BYTES", 5499)
    with pytest.raises(ConfigError, match="at most"):
        post_snapshot(connection, tmp_path / "a.zip")
    assert network.asked == []


def test_a_full_temporary_folder_says_which(
    connection: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise StorageFullError("no room for the snapshot")

    monkeypatch.setattr(submitting, "make_snapshot", full)
    with pytest.raises(StorageFullError, match=r"no room for the snapshot in .*TMPDIR"):
        post_snapshot(connection, a_folder(tmp_path, 10))
