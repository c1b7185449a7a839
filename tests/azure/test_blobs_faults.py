"""Blobs in Azure when answers are lost, versions change and limits are met: the real SDK, Azurite, and the proxy between them."""

from __future__ import annotations

import hashlib
import io
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from runyard.errors import (
    ConfigError,
    ConflictError,
    NotFoundError,
    SnapshotError,
    StorageFullError,
    ThrottledError,
    TransientError,
)
from runyard.ports import BlobStore
from runyard.stores.azure import names
from runyard.stores.azure.blob_put import BLOCK
from runyard.stores.azure.blobs import FIRST
from runyard.stores.azure.settings import AzureSettings
from runyard.stores.azure.stores import AzureStores
from runyard.stores.clock import SystemClock
from tests.contract.samples import at_once
from tests.standins.azurite import azurite
from tests.standins.faults import REFUSED, Fault, busy, lost, timed_out, twice
from tests.standins.proxy import Proxy, proxied
from tests.standins.wire import RefusedError

REPLIES = pytest.mark.parametrize("fault", [lost(), timed_out(done=True), twice()], ids=["lost", "timed out", "twice"])


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with proxied(azurite().account()) as running:
        yield running


@pytest.fixture
def stores(proxy: Proxy) -> Iterator[AzureStores]:
    with AzureStores(AzureSettings(storage_connection=proxy.connection), SystemClock()) as made:
        for container in names.CONTAINERS:
            made.clients.blobs.create_container(container)
        proxy.forget()
        yield made


@pytest.fixture
def blobs(stores: AzureStores) -> BlobStore:
    return stores.blobs


def content(blobs: BlobStore, name: str) -> bytes:
    return b"".join(blobs.stream("runs", name))


@REPLIES
def test_a_create_that_meets_itself_succeeded(proxy: Proxy, blobs: BlobStore, fault: Fault) -> None:
    proxy.faults.at(fault, 1, operation="PUT blob")
    info = blobs.put("runs", "cell", b"mine", create_only=True)
    assert blobs.head("runs", "cell") == info
    with pytest.raises(ConflictError, match="exists already"):
        blobs.put("runs", "cell", b"mine", create_only=True)


@REPLIES
def test_a_large_create_that_meets_itself_succeeded(proxy: Proxy, blobs: BlobStore, fault: Fault) -> None:
    data = bytes(range(256)) * (BLOCK // 256) + b"the rest"
    proxy.faults.at(fault, 1, operation="PUT blocklist")
    proxy.faults.at(fault, 2, operation="PUT block")
    info = blobs.put("runs", "big", io.BytesIO(data), create_only=True)
    assert blobs.head("runs", "big") == info
    assert content(blobs, "big") == data


@REPLIES
def test_an_append_whose_answer_was_lost_is_not_made_twice(proxy: Proxy, blobs: BlobStore, fault: Fault) -> None:
    assert blobs.append("runs", "log", b"one\n") == 4
    proxy.faults.at(fault, 1, operation="PUT appendblock")
    assert blobs.append("runs", "log", b"one\n") == 8
    assert content(blobs, "log") == b"one\none\n"


def test_an_append_that_met_anothers_is_made_after_it(proxy: Proxy, blobs: BlobStore) -> None:
    assert blobs.append("runs", "log", b"one\n") == 4
    with AzureStores(AzureSettings(storage_connection=proxy.connection), SystemClock()) as others:
        assert others.blobs.append("runs", "log", b"two\n") == 8
    assert blobs.append("runs", "log", b"three\n") == 14
    assert content(blobs, "log") == b"one\ntwo\nthree\n"


def test_the_same_line_from_many_threads_is_there_as_often_as_it_was_appended(blobs: BlobStore) -> None:
    at_once(6, lambda _: [blobs.append("runs", "log", b"same\n") for _ in range(4)])
    assert content(blobs, "log") == b"same\n" * 24


def test_many_append_at_once_and_nothing_is_lost(blobs: BlobStore) -> None:
    at_once(6, lambda number: [blobs.append("runs", "log", b"%d" % number * 9 + b"\n") for _ in range(4)])
    lines = content(blobs, "log").splitlines()
    assert sorted(lines) == sorted(b"%d" % number * 9 for number in range(6) for _ in range(4))


def test_a_log_that_used_up_its_blocks_is_written_anew_in_few(proxy: Proxy, blobs: BlobStore) -> None:
    proxy.limits.append_blocks = 5
    for number in range(13):
        assert blobs.append("runs", "log", b"%02d\n" % number) == 3 * (number + 1)
    assert content(blobs, "log") == b"".join(b"%02d\n" % number for number in range(13))
    assert proxy.refused["BlockCountExceedsLimit"] >= 2
    assert list(blobs.list(names.STAGING)) == []


@REPLIES
def test_a_log_is_written_anew_whatever_answer_is_lost_on_the_way(proxy: Proxy, blobs: BlobStore, fault: Fault) -> None:
    proxy.limits.append_blocks = 5
    for number in range(5):
        blobs.append("runs", "log", b"%02d\n" % number)
    for operation in ("PUT blob", "PUT appendblock", "DELETE blob"):
        proxy.faults.at(fault, 1, operation=operation, path=f"/{names.STAGING}/")
    proxy.faults.at(fault, 1, operation="PUT blob", path="/runs/log")
    assert blobs.append("runs", "log", b"05\n") == 18
    proxy.faults.none()
    assert content(blobs, "log") == b"".join(b"%02d\n" % number for number in range(6))
    assert list(blobs.list(names.STAGING)) == []


SIZES = pytest.mark.parametrize("size", [0, 5, 2 * BLOCK + 5], ids=["empty", "small", "large"])


@SIZES
def test_a_put_over_a_log_replaces_it_at_once(proxy: Proxy, blobs: BlobStore, size: int) -> None:
    blobs.append("runs", "log", b"old")
    data = (b"0123456789abcdef" * (BLOCK // 8 + 1))[:size]
    info = blobs.put("runs", "log", io.BytesIO(data))
    assert blobs.head("runs", "log") == info
    assert content(blobs, "log") == data
    assert proxy.counts["blob", "DELETE blob"] == 1  # what was written aside: a reader never finds nothing
    assert list(blobs.list(names.STAGING)) == []
    assert blobs.append("runs", "log", b"!") == size + 1


@REPLIES
@SIZES
def test_a_put_over_a_log_whose_answers_are_lost_replaces_it(
    proxy: Proxy, blobs: BlobStore, fault: Fault, size: int
) -> None:
    blobs.append("runs", "log", b"old")
    proxy.faults.at(fault, 1, operation="PUT appendblock")
    proxy.faults.at(fault, 1, operation="PUT blob", path="/runs/log")
    proxy.faults.at(fault, 1, method="DELETE")
    data = b"x" * size
    info = blobs.put("runs", "log", data)
    assert blobs.head("runs", "log") == info
    assert content(blobs, "log") == data


@SIZES
def test_a_create_where_a_log_is_leaves_it(proxy: Proxy, blobs: BlobStore, size: int) -> None:
    blobs.append("runs", "log", b"old")
    other_kind = RefusedError(409, "InvalidBlobType", "The blob type is invalid for this operation.")
    for _ in range(2):  # the service may look at the kind first, or at the condition
        with pytest.raises(ConflictError, match="runs/log exists already"):
            blobs.put("runs", "log", b"x" * size, create_only=True)
        proxy.faults.at(Fault(REFUSED, other_kind), operation="PUT blob", path="/runs/log")
    proxy.faults.none()
    assert content(blobs, "log") == b"old"


def test_a_log_that_is_begun_while_a_blob_is_sent_stays(stores: AzureStores) -> None:
    blobs = stores.blobs
    log = stores.clients.blobs.get_blob_client("runs", "log")

    class Slow(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() == 3 * BLOCK:
                log.create_append_blob()  # with no condition: Azurite takes blocks that wait for a blob
                log.append_block(b"log")
            return super().read(size)

    with pytest.raises(TransientError, match="by another at the same time"):
        blobs.put("runs", "log", Slow(bytes(9 * BLOCK)))
    assert content(blobs, "log") == b"log"


def test_a_put_that_dies_on_its_way_leaves_the_log(proxy: Proxy, blobs: BlobStore) -> None:
    blobs.append("runs", "log", b"old")
    proxy.faults.at(
        Fault(REFUSED, RefusedError(403, "AuthorizationFailure", "No.")), operation="PUT blob", path="/runs/log"
    )
    with pytest.raises(Exception, match="No"):
        blobs.put("runs", "log", b"new")
    proxy.faults.none()
    assert content(blobs, "log") == b"old"


@REPLIES
@pytest.mark.parametrize("operation", ["PUT blocklist", "PUT blob"])
def test_a_commit_of_parts_whose_answer_was_lost_makes_the_blob(
    proxy: Proxy, blobs: BlobStore, fault: Fault, operation: str
) -> None:
    for index, part in enumerate((b"one", b"two")):
        blobs.stage("uploads", "a", index, part)
    proxy.faults.at(fault, 1, operation=operation)
    info = blobs.commit("uploads", "a", 2, sha256=hashlib.sha256(b"onetwo").hexdigest(), create_only=True)
    assert blobs.head("uploads", "a") == info
    assert blobs.staged("uploads", "a") == {}
    assert list(blobs.list(names.STAGING)) == []


def test_a_commit_that_died_after_joining_goes_on_from_there(proxy: Proxy, blobs: BlobStore) -> None:
    blobs.stage("uploads", "a", 0, b"one")
    proxy.faults.at(Fault(REFUSED, RefusedError(403, "AuthorizationFailure", "No.")), operation="PUT blob")
    with pytest.raises(Exception, match="No"):
        blobs.commit("uploads", "a", 1)
    proxy.faults.none()
    assert blobs.staged("uploads", "a") == {0: 3}
    assert blobs.commit("uploads", "a", 1).size == 3


def test_a_blob_that_changed_or_went_away_says_so(blobs: BlobStore) -> None:
    blobs.put("runs", "a", bytes(FIRST + 3))
    replaced, deleted = blobs.open("runs", "a"), blobs.open("runs", "a")
    blobs.put("runs", "a", b"x" * (FIRST + 3))
    assert replaced.read(0, 3) == bytes(3)  # of the version that was opened: they came with the opening
    with pytest.raises(SnapshotError, match="runs/a changed"):
        replaced.read(FIRST, 3)
    blobs.delete("runs", "a")
    with pytest.raises(SnapshotError, match="runs/a changed"):
        deleted.read(FIRST, 3)


def test_a_log_may_be_streamed_while_it_grows(blobs: BlobStore) -> None:
    blobs.append("runs", "log", b"one")
    stream = blobs.stream("runs", "log")
    blobs.append("runs", "log", b"two")
    assert b"".join(stream) == b"one"


@pytest.mark.parametrize("new", [b"x" * (20 << 20), b"short"], ids=["longer", "shorter"])
def test_a_log_that_is_written_over_is_not_streamed_on(proxy: Proxy, blobs: BlobStore, new: bytes) -> None:
    for _ in range(3):
        blobs.append("runs", "log", b"o" * (4 << 20))
    stream = blobs.stream("runs", "log")
    assert next(stream) == b"o" * (1 << 20)
    blobs.put("runs", "log", new)
    with pytest.raises(SnapshotError, match="runs/log changed"):
        list(stream)


def test_a_log_that_was_deleted_and_begun_again_is_not_streamed_on(blobs: BlobStore) -> None:
    for _ in range(3):
        blobs.append("runs", "log", b"o" * (4 << 20))
    stream = blobs.stream("runs", "log")
    assert next(stream) == b"o" * (1 << 20)
    blobs.delete("runs", "log")
    for _ in range(3):
        blobs.append("runs", "log", b"n" * (4 << 20))
    with pytest.raises(SnapshotError, match="runs/log changed"):
        list(stream)


def test_a_log_may_be_streamed_while_it_is_written_anew_in_few_blocks(proxy: Proxy, blobs: BlobStore) -> None:
    proxy.limits.append_blocks = 4
    for _ in range(3):
        blobs.append("runs", "log", b"o" * (4 << 20))
    stream = blobs.stream("runs", "log")
    pieces = [next(stream)]
    for _ in range(5):
        blobs.append("runs", "log", b"n")
    assert proxy.refused["BlockCountExceedsLimit"] >= 1
    assert b"".join([*pieces, *stream]) == b"o" * (12 << 20)


def test_parts_do_not_take_a_logs_place(blobs: BlobStore) -> None:
    blobs.append("runs", "log", b"old")
    blobs.stage("runs", "log", 0, b"new")
    with pytest.raises(ConflictError, match="is appended to"):
        blobs.commit("runs", "log", 1)
    assert content(blobs, "log") == b"old"
    assert blobs.staged("runs", "log") == {0: 3}
    blobs.delete("runs", "log")
    assert blobs.commit("runs", "log", 1).size == 3


def test_a_full_account_is_a_full_store(proxy: Proxy, blobs: BlobStore) -> None:
    proxy.faults.at(Fault(REFUSED, RefusedError(409, "AccountQuotaExceeded", "Full.")), operation="PUT blob")
    with pytest.raises(StorageFullError):
        blobs.put("runs", "a", b"x")


def test_a_missing_container_is_named(blobs: BlobStore) -> None:
    for call in (lambda: blobs.put("no-such", "a", b""), lambda: blobs.list("no-such")):
        with pytest.raises(NotFoundError, match="no container no-such"):
            call()


def test_what_passes_is_waited_for_as_long_as_the_service_asks(proxy: Proxy, blobs: BlobStore) -> None:
    proxy.faults.at(busy(0), 1, 2, service="blob")
    assert blobs.put("runs", "a", b"x").size == 1
    proxy.forget()
    proxy.faults.at(busy(600), operation="HEAD blob")
    with pytest.raises(ThrottledError) as told:
        blobs.head("runs", "a")
    assert proxy.counts["blob", "HEAD blob"] == 1
    assert told.value.retry_after == 600


def test_a_range_is_one_request_and_a_small_blob_too(proxy: Proxy, blobs: BlobStore) -> None:
    blobs.put("runs", "a", b"0123456789")
    reader = blobs.open("runs", "a")
    assert (reader.read(8, 5), reader.read(10, 5)) == (b"89", b"")
    assert proxy.counts == {("blob", "PUT blob"): 1, ("blob", "GET blob"): 1}
    blobs.put("runs", "b", bytes(FIRST) + b"tail")
    assert blobs.open("runs", "b").read(FIRST, 9) == b"tail"
    assert proxy.counts == {("blob", "PUT blob"): 2, ("blob", "GET blob"): 3}


def test_a_link_reads_one_blob_without_credentials(stores: AzureStores) -> None:
    stores.blobs.put("runs", "a b", b"hello")
    url = stores.blobs.link("runs", "a b", seconds=60)
    assert url is not None
    with urllib.request.urlopen(url) as answer:
        assert (answer.read(), answer.headers["Content-Disposition"]) == (b"hello", "attachment")
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(url.replace("a%20b", "other"))


def test_a_link_that_creates_does_not_replace(stores: AzureStores) -> None:
    url = stores.links.signed_link("runs", "out", {"create"}, 60)

    def send(data: bytes) -> None:
        request = urllib.request.Request(url, data, {"x-ms-blob-type": "BlockBlob"}, method="PUT")
        urllib.request.urlopen(request).close()

    send(b"one")
    with pytest.raises(urllib.error.HTTPError):
        send(b"two")
    assert content(stores.blobs, "out") == b"one"


def test_a_link_is_short_and_allows_what_is_known(stores: AzureStores) -> None:
    for permissions, seconds in (({"delete"}, 60.0), (set[str](), 60.0), ({"read"}, 0.0), ({"read"}, 86_400.0)):
        with pytest.raises(ConfigError, match="a link"):
            stores.links.signed_link("runs", "a", permissions, seconds)
