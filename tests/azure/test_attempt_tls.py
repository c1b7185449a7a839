"""A runner far away over https alone, the service and its blobs; and what is logged meanwhile: no token, no signature."""

from __future__ import annotations

import json
import logging
import ssl
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from runyard.ports import BlobStore
from runyard.runner.remote.wire import Lost, Request, send
from runyard.stores.azure.settings import AzureSettings
from runyard.stores.azure.stores import AzureStores
from runyard.stores.clock import SystemClock
from runyard.testing import ManualClock
from tests.remote import Far, FarTarget, start_runner
from tests.standins.azurite import Azurite, secure_azurite
from tests.unit.house import House

# Their runs have the same id: a runner takes another's script for its own, and ends what is left of it.
pytestmark = pytest.mark.xdist_group("remote runners")

SCRIPT = """
import os
print('hello')
os.makedirs('outputs', exist_ok=True)
open('outputs/n', 'w').write('n')
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tls")


@pytest.fixture
def emulator(folder: Path) -> Azurite:
    return secure_azurite(folder)


@pytest.fixture
def tls(emulator: Azurite, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """The certificate that all servers here show, and its key; the service's SDK trusts it."""
    assert emulator.files is not None
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(emulator.files[0]))
    return emulator.files


@pytest.fixture
def blobs(emulator: Azurite, tls: tuple[Path, Path]) -> Iterator[BlobStore]:
    with AzureStores(AzureSettings(storage_connection=emulator.account().connection), SystemClock()) as stores:
        for container in ("runs", "registers", "snapshots", "staging"):
            stores.clients.blobs.create_container(container)
        yield stores.blobs


@pytest.fixture
def far(blobs: BlobStore) -> Far:
    house = House(target=FarTarget(), clock=ManualClock(start=time.time()))
    house.ports = replace(house.ports, blobs=blobs)
    made = Far(house=house)
    made.begin({"train.py": SCRIPT})
    return made


def test_a_runner_works_over_https_with_a_certificate_that_it_is_told_of(
    far: Far, tls: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tls[0]))
    with far.listening(tls=tls) as address:
        assert address.startswith("https://")
        runner = start_runner(tmp_path, address, far.token())
        said, _ = runner.communicate(timeout=100)
    assert (runner.returncode, said) == (0, "")
    assert far.text("azureml-logs/70_driver_log.txt") == "hello\n"
    assert far.text("outputs/n") == "n"
    assert json.loads(far.text("result.json"))["exit_code"] == 0


def test_a_runner_sends_nothing_to_a_server_whose_certificate_it_does_not_know(
    far: Far, tls: tuple[Path, Path]
) -> None:
    with far.listening(tls=tls) as address, pytest.raises(Lost, match="TLS failed"):
        send(Request("POST", f"{address}/api/attempts/links", {"Authorization": f"Bearer {far.token()}"}, b"{}"))


def test_no_log_of_the_service_holds_a_token_or_a_signature(
    far: Far, tls: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tls[0]))
    caplog.set_level(logging.DEBUG)
    token = far.token()
    garbled = token[:-4] + "AAAA"
    assert found_in(caplog, "rya1.", "sig=") == []
    with far.listening(tls=tls, log_level="debug", log_config=None, access_log=True) as address:
        runner = start_runner(tmp_path, address, token)
        runner.communicate(timeout=100)
        trusted = ssl.create_default_context(cafile=tls[0])
        answers = [
            httpx.post(
                f"{address}/api/attempts/links",
                json=body,
                headers={"Authorization": f"Bearer {bearer}"},
                verify=trusted,
            )
            for bearer in (token, garbled)
            for body in (
                {"files": [{"name": "outputs/x", "use": "replace"}]},
                {"files": [{"name": f"outputs/{token}/../{token}", "use": "read"}]},
                {"files": [{"name": "outputs/x", "use": token}]},
            )
        ]
    assert runner.returncode == 0
    assert [answer.status_code for answer in answers] == [200, 400, 422, 401, 401, 401]
    assert "sig=" in answers[0].text
    assert not any("rya1." in answer.text for answer in answers)
    assert {"uvicorn.access", "azure.core.pipeline.policies.http_logging_policy"} <= {
        each.name for each in caplog.records
    }
    assert found_in(caplog, "/api/attempts/links")
    assert found_in(caplog, "rya1.", "sig=", token.rpartition(".")[2]) == []


def found_in(caplog: pytest.LogCaptureFixture, *secrets: str) -> list[logging.LogRecord]:
    """Records with any of these, in their text, their error's or what is sent along with them."""
    write = logging.Formatter().format
    return [record for record in caplog.records if any(each in write(record) + repr(vars(record)) for each in secrets)]
