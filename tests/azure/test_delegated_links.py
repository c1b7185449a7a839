"""Links that an identity signs, with the real SDK before Azurite over https.

Of the service itself this proves: the key that is asked for, the text that is signed, and what permissions and times a link has.
That the service takes the text of its newest version is its documentation's word: Azurite knows an older one.
"""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from urllib.parse import parse_qs, parse_qsl, urlsplit

import httpx
import pytest

from runyard.errors import AuthError
from runyard.stores.azure.links import KEY_LIFE, SKEW, Links
from runyard.stores.azure.settings import AzureSettings
from runyard.stores.azure.stores import AzureStores
from runyard.testing import ManualClock
from tests.standins.azurite import Account, secure_azurite
from tests.standins.delegation import (
    DELEGATED,
    FIELDS,
    LAST,
    MIDDLE,
    REQUESTS,
    Identity,
    known_to_azurite,
    text_to_sign,
)

BLOCK_BLOB = {"x-ms-blob-type": "BlockBlob", "x-ms-version": "2021-12-02"}
APPEND_BLOB = {"x-ms-blob-type": "AppendBlob", "x-ms-version": "2021-12-02"}
NAME = "a b/ü %41+1&sig=x"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tls")


@pytest.fixture
def certificate(folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The certificate that Azurite shows; the SDK trusts it as whoever runs it would have it do so."""
    files = secure_azurite(folder).files
    assert files is not None
    path = str(files[0])
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", path)
    return path


@pytest.fixture
def trusted(certificate: str) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=certificate)


@pytest.fixture
def account(folder: Path, certificate: str) -> Account:
    return secure_azurite(folder).account()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(start=time.time())


@pytest.fixture
def keys() -> list[str]:
    """The requests for keys."""
    return []


@pytest.fixture
def stores(account: Account, clock: ManualClock, keys: list[str]) -> Iterator[AzureStores]:
    def sent(service: str, method: str, path: str) -> None:
        if (method, path.strip("/")) == ("POST", account.name):
            keys.append(service)

    settings = AzureSettings(blob_uri=account.blob_uri, table_uri=account.table_uri)
    with AzureStores(settings, clock, sent=sent) as made:
        made.clients.credential = Identity()
        made.clients.blobs.create_container("runs")
        yield made


@pytest.fixture
def status(account: Account, trusted: ssl.SSLContext) -> Callable[..., int]:
    """How the service answers a link."""

    def asked(method: str, url: str, data: bytes = b"", more: str = "", **headers: str) -> int:
        address = known_to_azurite(account, url, trusted) + more
        return httpx.request(method, address, content=data, headers=headers, verify=trusted).status_code

    return asked


def link(stores: AzureStores, use: str, name: str = NAME, seconds: float = 900) -> str:
    found = stores.blobs.link("runs", name, seconds=seconds, use=use)  # type: ignore[arg-type]
    assert found is not None
    return found


def test_the_text_that_is_signed_has_the_documented_fields_in_their_order(stores: AzureStores) -> None:
    url = link(stores, "read")
    fields = dict(parse_qsl(urlsplit(url).query))
    lines = text_to_sign(url).split("\n")
    names = [*FIELDS, *DELEGATED, *MIDDLE, *REQUESTS, *LAST]
    assert len(lines) == len(names)
    assert dict(zip(names, lines, strict=True)) == {
        **dict.fromkeys(names, ""), **{name: value for name, value in fields.items() if name != "sig"},
        "": f"/blob/{stores.clients.blobs.account_name}/runs/{NAME}",
    }  # fmt: skip
    assert {name for name, line in zip(names, lines, strict=True) if line} == {
        "", "sp", "se", "skoid", "sktid", "skt", "ske", "sks", "skv", "spr", "sv", "sr", "rscd", "rsct",
    }  # fmt: skip
    assert (fields["sp"], fields["spr"], fields["sr"], fields["rscd"]) == ("r", "https", "b", "attachment")


def test_a_link_reads_one_blob_and_nothing_else(
    stores: AzureStores, account: Account, trusted: ssl.SSLContext, status: Callable[..., int]
) -> None:
    stores.blobs.put("runs", NAME, b"hello")
    stores.blobs.put("runs", "other", b"secret")
    url = link(stores, "read")
    assert httpx.get(known_to_azurite(account, url, trusted), verify=trusted).content == b"hello"
    assert status("PUT", url, b"x", **BLOCK_BLOB) == 403
    assert status("DELETE", url) == 403
    known = known_to_azurite(account, url, trusted)
    other = known.replace(urlsplit(known).path, f"/{account.name}/runs/other")
    assert httpx.get(other, verify=trusted).status_code == 403
    changed = known.replace("sp=r&", "sp=rw&")
    assert changed != known
    assert httpx.get(changed, verify=trusted).status_code == 403


def test_a_link_creates_once_and_replaces_nothing(stores: AzureStores, status: Callable[..., int]) -> None:
    url = link(stores, "create")
    assert status("PUT", url, b"one", **BLOCK_BLOB) == 201
    assert status("PUT", url, b"two", **BLOCK_BLOB) == 403
    assert status("PUT", url, b"two", "&comp=block&blockid=MDAwMDAwMDA%3D", **BLOCK_BLOB) == 403
    assert b"".join(stores.blobs.stream("runs", NAME)) == b"one"


def test_links_replace_and_append_as_they_are_meant_to(stores: AzureStores, status: Callable[..., int]) -> None:
    url = link(stores, "replace")
    assert [status("PUT", url, data, **BLOCK_BLOB) for data in (b"1", b"2")] == [201, 201]
    assert [status("GET", url), status("DELETE", url)] == [403, 403]
    url = link(stores, "append", "log")
    assert status("PUT", url, b"", **APPEND_BLOB) == 201
    assert status("PUT", url, b"one", "&comp=appendblock") == 201
    assert [status("PUT", url, b"", **APPEND_BLOB), status("GET", url)] == [403, 200]
    assert b"".join(stores.blobs.stream("runs", "log")) == b"one"


def test_a_link_expires(stores: AzureStores, status: Callable[..., int]) -> None:
    stores.blobs.put("runs", NAME, b"hello")
    ten_minutes_ago = Links(stores.clients.blobs, ManualClock(start=time.time() - 600))
    for seconds, answer in ((60, 403), (900, 200)):
        assert status("GET", ten_minutes_ago.signed_link("runs", NAME, {"read"}, seconds)) == answer


def test_one_key_signs_for_hours_and_is_renewed_before_it_ends(
    stores: AzureStores, clock: ManualClock, keys: list[str]
) -> None:
    first = link(stores, "read", seconds=900)
    for _ in range(20):
        clock.advance(KEY_LIFE / 25)
        link(stores, "read", seconds=900)
    assert len(keys) == 1
    starts = set()
    for _ in range(100):
        clock.advance(KEY_LIFE / 25)
        fields = {name: value[0] for name, value in parse_qs(urlsplit(link(stores, "read", seconds=900)).query).items()}
        starts.add(fields["skt"])
        assert at(fields["skt"]) <= clock.now() - SKEW + 1
        assert at(fields["ske"]) >= at(fields["se"]) + SKEW - 1
    assert len(keys) == 5
    assert len(starts) == 5
    assert dict(parse_qsl(urlsplit(first).query))["skt"] in starts


def test_many_at_once_ask_for_one_key(stores: AzureStores, keys: list[str]) -> None:
    threads = [threading.Thread(target=link, args=(stores, "read")) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keys) == 1


def test_an_identity_that_is_not_taken_is_told_so_and_no_key_is_in_a_repr(stores: AzureStores) -> None:
    link(stores, "read")
    assert "sig" not in repr(stores.links)
    with AzureStores(stores.settings, stores.clock) as others:
        others.clients.credential = Identity(seconds=-10)
        with pytest.raises(AuthError, match="key to sign links"):
            others.blobs.link("runs", NAME, seconds=60)


def at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
