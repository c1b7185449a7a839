"""Much of everything: a stream that is larger than memory, a container with many blobs."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Iterator

import pytest

from runyard.stores.azure.blob_put import BLOCK, SIDE_BY_SIDE
from runyard.stores.azure.settings import AzureSettings
from runyard.stores.azure.stores import AzureStores
from runyard.testing import ManualClock
from tests.standins.azurite import azurite
from tests.standins.proxy import Proxy, proxied
from tests.standins.swallow import Swallowed, swallowing

SIZE = 200 << 20


class Source(io.RawIOBase):
    """A stream that is made while it is read; it sees how far the reading is ahead of the sending."""

    def __init__(self, swallowed: Swallowed) -> None:
        self._swallowed = swallowed
        self.given = 0
        self.ahead = 0

    def read(self, size: int = -1) -> bytes:
        piece = bytes(min(size, SIZE - self.given))
        self.given += len(piece)
        self.ahead = max(self.ahead, self.given - self._swallowed.size)
        return piece


def test_a_large_stream_is_never_read_more_than_a_few_blocks_ahead() -> None:
    with swallowing() as swallowed:
        settings = AzureSettings(
            storage_connection=f"DefaultEndpointsProtocol=http;AccountName=yard;AccountKey=eWFyZA==;BlobEndpoint={swallowed.uri}"
        )
        with AzureStores(settings, ManualClock()) as stores:
            source = Source(swallowed)
            stores.blobs.put("runs", "first", bytes(2 * BLOCK))  # what is loaded once is not counted
            swallowed.size = 0
            tracemalloc.start()
            try:
                info = stores.blobs.put("runs", "large", source)  # type: ignore[arg-type]
                peak = tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()
        assert (info.size, source.given, swallowed.size) == (SIZE, SIZE, SIZE)
    assert source.ahead <= (SIDE_BY_SIDE + 1) * BLOCK
    assert peak < (SIDE_BY_SIDE + 3) * BLOCK


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with proxied(azurite().account()) as running:
        yield running


@pytest.mark.parametrize("knows", [True, False], ids=["knows start_from", "does not"])
def test_blobs_after_a_late_name_are_few_requests_where_the_service_can_start_there(proxy: Proxy, knows: bool) -> None:
    proxy.knows_start_from = knows
    with AzureStores(AzureSettings(storage_connection=proxy.connection), ManualClock()) as stores:
        stores.make()
        names = [f"d/{number:03d}" for number in range(60)]
        for name in (*names, "c", "e"):
            stores.blobs.put("runs", name, b"")
        proxy.forget()
        found = [info.name for info in stores.blobs.list("runs", "d/", after="d/049", limit=4)]
        assert found == names[50:54]
        assert proxy.counts["blob", "GET list"] == (1 if knows else 11)
        assert [info.name for info in stores.blobs.list("runs", "d/", after="d/0491", limit=100)] == names[50:]
        assert [info.name for info in stores.blobs.list("runs", after="d/059", limit=100)] == ["e"]
        assert list(stores.blobs.list("runs", after="e")) == []


def test_pages_follow_one_another_with_nothing_left_out_or_twice(proxy: Proxy) -> None:
    proxy.knows_start_from = True
    with AzureStores(AzureSettings(storage_connection=proxy.connection), ManualClock()) as stores:
        stores.make()
        names = sorted(f"{letter}{number:02d}" for number in range(12) for letter in "aÄz")
        for name in names:
            stores.blobs.put("runs", name, b"")
        proxy.forget()
        found: list[str] = []
        while page := stores.blobs.list("runs", after=found[-1] if found else None, limit=7):
            found += [info.name for info in page]
        assert found == names
        assert proxy.counts["blob", "GET list"] == 7
