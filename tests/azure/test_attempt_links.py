"""Links with a real signature: what each allows, and a runner that has nothing else, against Azurite."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from runyard.attempts import registers
from runyard.ports import BlobStore
from runyard.stores.azure.settings import AzureSettings
from runyard.stores.azure.stores import AzureStores
from runyard.stores.embedded import SystemClock
from runyard.testing import ManualClock
from tests.remote import Far, FarTarget, start_runner
from tests.standins.azurite import azurite
from tests.standins.faults import busy, lost, timed_out, twice
from tests.standins.proxy import Proxy, proxied
from tests.unit.house import House

# Their runs have the same id: a runner takes another's script for its own, and ends what is left of it.
pytestmark = pytest.mark.xdist_group("remote runners")

NEW = {"If-None-Match": "*"}
BLOCK_BLOB = {"x-ms-blob-type": "BlockBlob", "x-ms-version": "2021-12-02"}
APPEND_BLOB = {"x-ms-blob-type": "AppendBlob", "x-ms-version": "2021-12-02"}


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with proxied(azurite().account()) as running:
        yield running


@pytest.fixture
def blobs(proxy: Proxy) -> Iterator[BlobStore]:
    with AzureStores(AzureSettings(storage_connection=proxy.connection), SystemClock()) as stores:
        stores.make()
        yield stores.blobs


def link(blobs: BlobStore, name: str, use: str) -> str:
    found = blobs.link("runs", name, seconds=60, use=use)  # type: ignore[arg-type]
    assert found is not None
    return found


def status(method: str, url: str, data: bytes = b"", **headers: str) -> int:
    return httpx.request(method, url, content=data, headers=headers).status_code


def test_a_link_for_creating_overwrites_nothing_whatever_the_client_sends(blobs: BlobStore) -> None:
    url = link(blobs, "register", "create")
    assert status("PUT", url, b"started", **BLOCK_BLOB, **NEW) == 201
    for headers in (BLOCK_BLOB, {**BLOCK_BLOB, **NEW}, APPEND_BLOB):
        assert status("PUT", url, b"void", **headers) in {403, 409, 412}
    assert status("PUT", url + "&comp=block&blockid=MDAwMDAwMDA%3D", b"void", **BLOCK_BLOB) == 403
    assert status("DELETE", url) == 403
    assert httpx.get(url).content == b"started"


def test_a_link_for_replacing_reads_and_deletes_nothing(blobs: BlobStore) -> None:
    url = link(blobs, "outputs/a", "replace")
    assert [status("PUT", url, data, **BLOCK_BLOB) for data in (b"1", b"2")] == [201, 201]
    assert [status("GET", url), status("DELETE", url)] == [403, 403]


def test_a_link_for_appending_replaces_nothing(blobs: BlobStore) -> None:
    url = link(blobs, "log", "append")
    assert status("PUT", url, b"", **APPEND_BLOB, **NEW) == 201
    assert status("PUT", url + "&comp=appendblock", b"one") == 201
    assert status("PUT", url, b"", **APPEND_BLOB) == 403
    assert status("PUT", url, b"x", **BLOCK_BLOB) == 403
    assert httpx.get(url).content == b"one"


def test_no_link_is_good_for_another_blob(blobs: BlobStore) -> None:
    blobs.put("runs", "theirs", b"secret")
    for use in ("read", "create", "append", "replace"):
        url = link(blobs, "mine", use).replace("/mine?", "/theirs?")
        assert status("GET", url) == 403
        assert status("PUT", url, b"x", **BLOCK_BLOB) == 403
    assert status("PUT", link(blobs, "theirs", "read"), b"x", **BLOCK_BLOB) == 403


@pytest.mark.parametrize("faulty", [False, True], ids=["calm", "faulty"])
def test_a_runner_lives_on_its_links_alone(proxy: Proxy, blobs: BlobStore, tmp_path: Path, faulty: bool) -> None:
    house = House(target=FarTarget(), clock=ManualClock(start=time.time()))
    house.ports = replace(house.ports, blobs=blobs)
    far = Far(house=house)
    script = (
        "import os\nprint('hello')\nos.makedirs('outputs', exist_ok=True)\n"
        "open('outputs/m', 'wb').write(bytes(9 << 20))\nopen('outputs/n', 'w').write('n')\n"
    )
    run = far.begin({"train.py": script})
    proxy.forget()
    if faulty:
        for operation in ("registers/", "70_driver_log", "outputs/m", "outputs/n", "result.json"):
            proxy.faults.at(lost(), 1, method="PUT", path=operation)
            proxy.faults.at(timed_out(done=True), 2, method="PUT", path=operation)
        proxy.faults.at(busy(0), 3, method="PUT")
        proxy.faults.at(twice(), 4, method="PUT", path="70_driver_log")
        proxy.faults.at(lost(), 1, method="GET", path="snapshots/")
    token = far.token()
    with far.listening() as address:
        runner = start_runner(tmp_path, address, token)
        said, _ = runner.communicate(timeout=100)
    proxy.faults.none()
    assert (runner.returncode, said) == (0, "")
    assert far.text("azureml-logs/70_driver_log.txt") == "hello\n"
    assert far.text("outputs/n") == "n"
    assert len(far.text("outputs/m")) == 9 << 20
    assert json.loads(far.text("result.json"))["exit_code"] == 0
    assert not registers.void(blobs, run.id, 1, "too late")
    for info in blobs.list("runs"):
        if not info.name.endswith("outputs/m"):
            data = b"".join(blobs.stream("runs", info.name))
            assert b"rya1." not in data
            assert b"sig=" not in data
