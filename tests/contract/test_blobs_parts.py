"""What every blob store promises of blobs that come in parts."""

from __future__ import annotations

import hashlib

import pytest

from runyard.errors import ConfigError, ConflictError, NotFoundError, SnapshotError
from runyard.ports import BlobStore
from runyard.ports.blobs import MAX_PART, MAX_PARTS
from tests.contract.samples import at_once

WHOLE = b"one" + b"two" * 1000 + b"!"
DIGEST = hashlib.sha256(WHOLE).hexdigest()


def stage(blobs: BlobStore, name: str = "a/b.zip") -> None:
    for index, data in ((2, b"!"), (0, b"one"), (1, b"two" * 1000)):
        blobs.stage("uploads", name, index, data)


def content(blobs: BlobStore, name: str = "a/b.zip") -> bytes:
    return b"".join(blobs.stream("uploads", name))


def test_parts_in_any_order_become_a_blob(blobs: BlobStore) -> None:
    stage(blobs)
    assert blobs.staged("uploads", "a/b.zip") == {0: 3, 1: 3000, 2: 1}
    info = blobs.commit("uploads", "a/b.zip", 3, sha256=DIGEST, create_only=True)
    assert (info.container, info.name, info.size) == ("uploads", "a/b.zip", len(WHOLE))
    assert blobs.head("uploads", "a/b.zip") == info
    assert content(blobs) == WHOLE
    assert blobs.staged("uploads", "a/b.zip") == {}


def test_parts_are_no_blob_before_they_are_committed(blobs: BlobStore) -> None:
    stage(blobs)
    assert blobs.head("uploads", "a/b.zip") is None
    assert list(blobs.list("uploads")) == []
    with pytest.raises(NotFoundError):
        blobs.open("uploads", "a/b.zip")
    assert not blobs.delete("uploads", "a/b.zip")
    assert blobs.staged("uploads", "a/b.zip") == {0: 3, 1: 3000, 2: 1}


def test_parts_of_different_blobs_are_apart(blobs: BlobStore) -> None:
    blobs.stage("uploads", "a", 0, b"1")
    blobs.stage("uploads", "b", 0, b"2")
    blobs.stage("snapshots", "a", 0, b"3")
    assert blobs.staged("uploads", "c") == blobs.staged("runs", "a") == {}
    blobs.commit("uploads", "a", 1)
    assert content(blobs, "a") == b"1"
    assert (blobs.staged("uploads", "b"), blobs.staged("snapshots", "a")) == ({0: 1}, {0: 1})


def test_a_part_that_comes_again_takes_the_place_of_the_first(blobs: BlobStore) -> None:
    stage(blobs)
    blobs.stage("uploads", "a/b.zip", 0, b"longer")
    assert blobs.staged("uploads", "a/b.zip") == {0: 6, 1: 3000, 2: 1}
    blobs.stage("uploads", "a/b.zip", 0, b"one")
    assert blobs.commit("uploads", "a/b.zip", 3, sha256=DIGEST).size == len(WHOLE)


def test_parts_beyond_those_committed_go_too(blobs: BlobStore) -> None:
    stage(blobs)
    blobs.stage("uploads", "a/b.zip", 7, b"of another size")
    blobs.commit("uploads", "a/b.zip", 3, sha256=DIGEST)
    assert content(blobs) == WHOLE
    assert blobs.staged("uploads", "a/b.zip") == {}


def test_missing_parts_are_named_and_the_others_stay(blobs: BlobStore) -> None:
    blobs.stage("uploads", "a", 1, b"x")
    with pytest.raises(NotFoundError, match=r"of the 4 parts of uploads/a these are missing: 0, 2, 3;"):
        blobs.commit("uploads", "a", 4)
    assert blobs.staged("uploads", "a") == {1: 1}
    with pytest.raises(NotFoundError, match=r"0, 1, 2, 3, 4, 5, 6, 7, …"):
        blobs.commit("uploads", "nothing", 20)


def test_a_wrong_digest_is_refused_and_the_parts_are_dropped(blobs: BlobStore) -> None:
    stage(blobs)
    blobs.stage("uploads", "a/b.zip", 1, b"tWo" * 1000)
    with pytest.raises(SnapshotError, match="do not have the SHA-256 that was announced"):
        blobs.commit("uploads", "a/b.zip", 3, sha256=DIGEST)
    assert blobs.head("uploads", "a/b.zip") is None
    assert blobs.staged("uploads", "a/b.zip") == {}
    assert list(blobs.list("uploads")) == []


def test_create_only_keeps_the_blob_that_is_there_and_drops_the_parts(blobs: BlobStore) -> None:
    before = blobs.put("uploads", "a/b.zip", b"first")
    stage(blobs)
    assert blobs.head("uploads", "a/b.zip") == before
    with pytest.raises(ConflictError, match="exists already"):
        blobs.commit("uploads", "a/b.zip", 3, create_only=True)
    assert (content(blobs), blobs.staged("uploads", "a/b.zip")) == (b"first", {})
    stage(blobs)
    after = blobs.commit("uploads", "a/b.zip", 3)
    assert content(blobs) == WHOLE
    assert after.etag != before.etag


def test_dropped_parts_are_gone_and_may_be_dropped_again(blobs: BlobStore) -> None:
    stage(blobs)
    blobs.drop("uploads", "a/b.zip")
    blobs.drop("uploads", "a/b.zip")
    assert blobs.staged("uploads", "a/b.zip") == {}
    stage(blobs)
    assert blobs.commit("uploads", "a/b.zip", 3, sha256=DIGEST).size == len(WHOLE)


@pytest.mark.parametrize("index", [-1, MAX_PARTS])
def test_an_index_that_is_none_is_refused(blobs: BlobStore, index: int) -> None:
    with pytest.raises(ConfigError, match="not the index of a part"):
        blobs.stage("uploads", "a", index, b"x")


def test_too_large_a_part_and_a_wrong_number_of_them_are_refused(
    blobs: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert MAX_PART >= 8 << 20
    monkeypatch.setattr("runyard.stores.parts.MAX_PART", 10)
    blobs.stage("uploads", "a", 0, b"x" * 10)
    with pytest.raises(ConfigError, match="this one has 11 bytes"):
        blobs.stage("uploads", "a", 1, b"x" * 11)
    for number in (0, -1, MAX_PARTS + 1):
        with pytest.raises(ConfigError, match="parts"):
            blobs.commit("uploads", "a", number)
    assert blobs.staged("uploads", "a") == {0: 10}


@pytest.mark.parametrize("name", ["", "../x", "/etc/passwd", "a/../b", "a\0b"], ids=ascii)
def test_names_are_as_safe_as_those_of_blobs(blobs: BlobStore, name: str) -> None:
    for call in (
        lambda: blobs.stage("uploads", name, 0, b""),
        lambda: blobs.staged("uploads", name),
        lambda: blobs.commit("uploads", name, 1),
        lambda: blobs.drop("uploads", name),
    ):
        with pytest.raises(ConfigError):
            call()


def test_parts_that_come_at_once_are_all_kept(blobs: BlobStore) -> None:
    parts = [b"%d" % index * 10_000 for index in range(8)]
    at_once(8, lambda index: blobs.stage("uploads", "a", index, parts[index]))
    blobs.commit("uploads", "a", 8, sha256=hashlib.sha256(b"".join(parts)).hexdigest())
    assert content(blobs, "a") == b"".join(parts)


def test_of_many_who_send_and_commit_the_same_one_makes_the_blob_and_no_other_harms_it(blobs: BlobStore) -> None:
    def send(_number: int) -> str:
        stage(blobs)
        try:
            blobs.commit("uploads", "a/b.zip", 3, sha256=DIGEST, create_only=True)
        except (ConflictError, NotFoundError) as error:  # it is there, or its parts went into it
            return type(error).__name__
        return "made"

    outcomes = at_once(8, send)
    assert outcomes.count("made") == 1
    assert content(blobs) == WHOLE
