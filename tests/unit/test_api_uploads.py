"""Snapshots in parts over HTTP: announced, sent, completed; what is wrong is refused before anything is kept."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import random
import zipfile
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from runyard.api import parts
from runyard.errors import ConflictError, StorageFullError
from tests.served import Served, serving

STEP = 1000


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setattr(parts, "PART_SIZE", STEP)
    with serving() as made:
        yield made


def a_zip(size: int = 2500, seed: int = 0) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("train.py", random.Random(seed).randbytes(size - 114))
    assert len(out.getvalue()) == size
    return out.getvalue()


DATA = a_zip()
SHA256 = hashlib.sha256(DATA).hexdigest()
REFERENCE = {"container": "uploads", "name": f"{SHA256}.zip", "sha256": SHA256}


def begin(served: Served, data: bytes = DATA, sha256: str | None = None) -> httpx.Response:
    announced = {"sha256": sha256 or hashlib.sha256(data).hexdigest(), "size": len(data)}
    return served.http.post("/api/uploads", json=announced)


def put(
    served: Served, index: int, data: bytes | None = None, sha256: str = SHA256, size: int = len(DATA)
) -> httpx.Response:
    content = DATA[index * STEP : (index + 1) * STEP] if data is None else data
    return served.http.put(f"/api/uploads/{sha256}/{index}", params={"size": size}, content=content)


def complete(served: Served, sha256: str = SHA256, size: int = len(DATA)) -> httpx.Response:
    return served.http.post(f"/api/uploads/{sha256}/complete", params={"size": size})


def kept(served: Served) -> list[str]:
    return [info.name for info in served.house.ports.blobs.list("uploads")]


def staged(served: Served, sha256: str = SHA256) -> dict[int, int]:
    return dict(served.house.ports.blobs.staged("uploads", f"{sha256}.zip"))


def sentence(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    return str(answer.json()["error"]["message"])


def test_a_snapshot_comes_in_parts_and_a_run_refers_to_it(served: Served) -> None:
    begun = begin(served)
    assert (begun.status_code, begun.json()) == (
        200,
        {"complete": False, "partSize": STEP, "parts": 3, "missing": [0, 1, 2]},
    )
    assert [put(served, index).status_code for index in (2, 0, 1)] == [204] * 3
    assert kept(served) == []
    done = complete(served)
    assert (done.status_code, done.json()) == (201, REFERENCE)
    assert b"".join(served.house.ports.blobs.stream("uploads", REFERENCE["name"])) == DATA
    run = served.http.post("/api/runs", json={"experiment": "e", "snapshot": done.json()})
    assert run.status_code == 202
    assert served.house.only().request["snapshot"] == REFERENCE


def test_what_is_here_is_not_asked_for_again(served: Served) -> None:
    served.http.post("/api/snapshots", files={"snapshot": ("a", DATA, "application/zip")})
    begun = begin(served)
    assert (begun.status_code, begun.json()) == (201, {"complete": True, "reference": REFERENCE})
    assert put(served, 0).status_code == 204
    assert staged(served) == {}
    assert complete(served).json() == REFERENCE


def test_an_upload_goes_on_where_it_ended(served: Served) -> None:
    put(served, 1)
    assert begin(served).json()["missing"] == [0, 2]
    assert begin(served, sha256=SHA256.upper()).json()["missing"] == [0, 2]
    said = sentence(complete(served), 409)
    assert said.startswith("of 3 parts these are missing: 0, 2;")
    assert staged(served) == {1: STEP}


def test_a_part_of_another_length_counts_as_missing(served: Served) -> None:
    for index, length in ((0, STEP), (1, STEP - 1), (2, STEP)):
        served.house.ports.blobs.stage("uploads", f"{SHA256}.zip", index, b"x" * length)
    assert begin(served).json()["missing"] == [1, 2]


def test_completing_twice_answers_the_same(served: Served) -> None:
    for index in range(3):
        put(served, index)
    assert (complete(served).json(), complete(served).json()) == (REFERENCE, REFERENCE)


def test_a_wrong_digest_is_refused_in_one_sentence_and_the_parts_are_dropped(served: Served) -> None:
    for index in range(3):
        put(served, index)
    put(served, 1, b"x" * STEP)
    assert "do not have the SHA-256 that was announced" in sentence(complete(served), 400)
    assert (kept(served), staged(served)) == ([], {})
    assert begin(served).json()["missing"] == [0, 1, 2]


def test_what_is_no_zip_is_not_kept(served: Served) -> None:
    data = b"x" * 1500
    sha256 = hashlib.sha256(data).hexdigest()
    for index in range(2):
        assert put(served, index, data[index * STEP :][:STEP], sha256, len(data)).status_code == 204
    assert sentence(complete(served, sha256, len(data)), 400) == "the snapshot is not a zip file"
    assert (kept(served), staged(served, sha256)) == ([], {})


@pytest.mark.parametrize(
    ("index", "length"), [(0, STEP - 1), (0, STEP + 1), (0, 0), (2, STEP), (2, 499), (3, 1), (-1, STEP), (99, STEP)]
)
def test_a_part_that_is_none_is_refused_and_not_kept(served: Served, index: int, length: int) -> None:
    said = sentence(put(served, index, b"x" * length), 400)
    assert "part" in said
    assert staged(served) == {}


def test_a_part_whose_length_is_not_announced_is_counted(served: Served) -> None:
    def pieces(length: int) -> Iterator[bytes]:
        yield b"x" * length

    def send(length: int) -> httpx.Response:
        return served.http.put(f"/api/uploads/{SHA256}/0", params={"size": len(DATA)}, content=pieces(length))

    assert "part 0 of this snapshot has 1000 bytes, and 999 came" in sentence(send(999), 400).replace(",", "", 1)
    assert send(1000).status_code == 204


def test_a_part_larger_than_any_is_refused_while_it_comes(served: Served) -> None:
    answer = served.http.put(f"/api/uploads/{SHA256}/0", params={"size": 1 << 24}, content=b"x" * ((8 << 20) + 1))
    assert answer.status_code == 413


@pytest.mark.parametrize(
    "sha256",
    ["", "x" * 64, SHA256[:-1], SHA256 + "0", "../" * 20 + "etc/", SHA256[:-2] + "\u00e9"],
    ids=["empty", "letters", "short", "long", "path", "not ASCII"],  # the zip has a time in it, and names must not
)
def test_a_digest_that_is_none_is_refused(served: Served, sha256: str) -> None:
    announced = served.http.post("/api/uploads", json={"sha256": sha256, "size": 1000})
    assert announced.status_code in {400, 422}
    for answer in (put(served, 0, sha256=sha256), complete(served, sha256=sha256)):
        assert answer.status_code in {400, 404, 405}, answer.text
    assert kept(served) == []


@pytest.mark.parametrize(
    ("size", "said"), [(0, "at least 22"), (-5, "at least 22"), (21, "at least 22"), ((300 << 20) + 1, "at most 314.6")]
)
def test_a_size_that_cannot_be_is_refused_before_anything_is_kept(served: Served, size: int, said: str) -> None:
    assert said in sentence(served.http.post("/api/uploads", json={"sha256": SHA256, "size": size}), 400)
    assert said in sentence(put(served, 0, size=size), 400)
    assert said in sentence(complete(served, size=size), 400)
    assert staged(served) == {}


def test_the_largest_snapshot_has_few_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    with serving() as served:
        begun = served.http.post("/api/uploads", json={"sha256": SHA256, "size": 300 << 20}).json()
    assert (begun["partSize"], begun["parts"], len(begun["missing"])) == (8 << 20, 38, 38)


def test_another_size_of_what_is_here_is_refused(served: Served) -> None:
    served.http.post("/api/snapshots", files={"snapshot": ("a", DATA, "application/zip")})
    said = sentence(served.http.post("/api/uploads", json={"sha256": SHA256, "size": len(DATA) + 1}), 400)
    assert "has 2,500 bytes, not 2,501" in said


@pytest.mark.parametrize("body", [{}, {"sha256": SHA256}, {"size": 1}, {"sha256": SHA256, "size": 100, "x": 1}, []])
def test_an_announcement_of_another_form_is_refused(served: Served, body: Any) -> None:
    assert served.http.post("/api/uploads", json=body).status_code == 422


def test_parts_need_the_token(served: Served) -> None:
    for method, path in (
        ("POST", "/api/uploads"),
        ("PUT", f"/api/uploads/{SHA256}/0?size=2500"),
        ("POST", f"/api/uploads/{SHA256}/complete?size=2500"),
    ):
        request = served.http.build_request(method, path, content=DATA[:STEP])
        del request.headers["Authorization"]
        assert served.http.send(request).status_code == 401
    assert staged(served) == {}


@pytest.mark.parametrize("fault", [OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), StorageFullError("no room")])
def test_a_full_disk_says_so_and_keeps_what_is_there(
    served: Served, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    def full(*_: object, **__: object) -> Any:
        raise fault

    for index in range(3):
        assert put(served, index).status_code == 204
    with monkeypatch.context() as patch:
        patch.setattr(served.house.ports.blobs, "stage", full)
        assert "room" in sentence(put(served, 0), 507)
    with monkeypatch.context() as patch:
        patch.setattr(served.house.ports.blobs, "commit", full)
        assert "room" in sentence(complete(served), 507)
    assert staged(served) == {0: STEP, 1: STEP, 2: 500}
    assert complete(served).json() == REFERENCE


def test_two_clients_who_complete_at_once_get_the_same_snapshot(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    for index in range(3):
        put(served, index)
    blobs = served.house.ports.blobs

    def lost(container: str, name: str, *_: object, **__: object) -> Any:
        blobs.put(container, name, DATA)  # the other one was first
        raise ConflictError("exists already")

    monkeypatch.setattr(blobs, "commit", lost)
    assert complete(served).json() == REFERENCE


def test_a_large_snapshot_may_also_come_in_one_request(served: Served) -> None:
    data = a_zip(3 << 20)
    stored = served.http.post("/api/snapshots", files={"snapshot": ("a.zip", data, "application/zip")})
    assert stored.status_code == 201, stored.text
