"""`runyard up --azure`: this machine plays the Functions host over Azure's stores."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from runyard.cli.up_azure import hosting_azure, settings_here
from runyard.computes import put
from runyard.errors import ConfigError, TransientError
from runyard.host.container import ContainerWatch
from runyard.ports import BlobInfo, Query
from runyard.stores.clock import SystemClock
from runyard.testing import ManualClock, MemoryBlobStore
from tests.azure.opened import SETTINGS, in_memory, set_environment
from tests.fakes import snapshot
from tests.host_helpers import eventually


def test_a_dropped_blob_becomes_a_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    set_environment(monkeypatch)
    ports = in_memory(monkeypatch, SystemClock())
    with hosting_azure(tmp_path / "root") as (host, services):
        assert host.wait_ready(10)
        assert not any(each.name == "dispatch_local" for each in host.app.functions)
        services.ports.blobs.put("snapshots", "exp/a.zip", snapshot())
        host._parts.folder.look()  # type: ignore[union-attr]
        eventually(lambda: list(ports.runs.list(Query()).runs))
        (run,) = ports.runs.list(Query()).runs
        assert ("blob", "exp") == (run.origin.source, run.experiment)
        assert "there are: none" in run.reason
        answer = httpx.get(f"{host.url}/api/runs", headers={"Authorization": f"Bearer {services.token}"})
        assert 200 == answer.status_code
        assert 401 == httpx.get(f"{host.url}/api/runs").status_code
        with pytest.raises(ConfigError):
            put(services.ports, "local", kind="local")
    assert not (tmp_path / "root" / "host.json").exists()


def test_settings_come_from_the_environment_and_then_from_the_file(tmp_path: Path) -> None:
    assert {"Storage": "x"} == settings_here(tmp_path, {"Storage": "x"})
    (tmp_path / "local.settings.json").write_text(json.dumps({"Values": {"Storage": "file", "ServiceBus": "bus"}}))
    assert {"Storage": "x", "ServiceBus": "bus"} == settings_here(tmp_path, {"Storage": "x"})
    for text in ("no json", "{}", '{"Values": {"Storage": 1}}'):
        (tmp_path / "local.settings.json").write_text(text)
        with pytest.raises(ConfigError, match=r"local\.settings\.json"):
            settings_here(tmp_path, {})


def test_a_missing_setting_is_named_before_anything_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    set_environment(monkeypatch, {name: value for name, value in SETTINGS.items() if "Bus" not in name})
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="ServiceBus__"), hosting_azure(tmp_path / "root"):
        pass
    assert not (tmp_path / "root").exists()


def test_the_container_is_reported_version_by_version(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = ManualClock()
    blobs, told, old = MemoryBlobStore(clock), list[BlobInfo](), clock.now()
    blobs.put("snapshots", "exp/old.zip", b"1")
    clock.advance(10)
    blobs.put("snapshots", "exp/known.zip", b"1")
    watch = ContainerWatch(
        blobs,
        "snapshots",
        emit=told.append,
        known=lambda container, name, etag, modified: name == "exp/known.zip",
        since=old + 5,
        interval=60.0,
    )
    assert 0 == watch.look()
    blobs.put("snapshots", "exp/new.zip", b"1")
    blobs.put("snapshots", "exp/new.runconfig", b"1")
    blobs.put("snapshots", "exp/.hidden.zip", b"1")
    assert (1, 0) == (watch.look(), watch.look())
    clock.advance(1)
    blobs.put("snapshots", "exp/new.zip", b"22")
    assert 1 == watch.look()
    assert ["exp/new.zip"] * 2 == [each.name for each in told]


def test_a_container_that_cannot_be_listed_is_listed_again(caplog: pytest.LogCaptureFixture) -> None:
    class Down(MemoryBlobStore):
        asked = 0

        def list(self, *given: object, **named: object) -> list[BlobInfo]:
            self.asked += 1
            if self.asked == 1:
                raise TransientError("down")
            return []

    watch = ContainerWatch(
        Down(ManualClock()), "snapshots", emit=lambda _: None, known=lambda *_: False, since=0, interval=0.01
    )
    watch.start()
    assert watch.wait_ready(10)
    watch.stop()
    assert "cannot be listed now: down" in caplog.text
