"""What an app in Azure opens, when, and what is not there."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from runyard.accept import accept
from runyard.api.app import create_app
from runyard.dispatch.wakes import BURIED, queues
from runyard.errors import ConfigError, UnsupportedError
from runyard.host.app import QUEUE, load_app
from runyard.ports import Message, Query
from runyard.reconcile import bury
from runyard.runs.states import State
from runyard.sdk.transport import InProcessTransport
from runyard.services import Services, current, install, kinds, open_embedded
from runyard.services import azure as wiring
from runyard.services.entry import TOKEN
from runyard.services.house import current as current_of_house
from runyard.targets.registry import cloud_kinds, known_kinds
from tests.azure.opened import SETTINGS, in_memory, opened, set_environment
from tests.fakes import runconfig, snapshot

APP = Path(__file__).parents[2] / "function_app.py"


@pytest.fixture(autouse=True)
def nobody_hosts() -> Iterator[None]:
    install(None)
    yield
    install(None)


def test_a_process_that_nobody_hosts_opens_azures_services_once(monkeypatch: pytest.MonkeyPatch) -> None:
    set_environment(monkeypatch)
    in_memory(monkeypatch)
    made: list[Services] = []
    real = wiring.open_azure

    def counting(*given: object) -> Services:
        made.append(real(*given))  # type: ignore[arg-type]
        return made[-1]

    monkeypatch.setattr(wiring, "open_azure", counting)
    begin, found = threading.Barrier(8), list[Services]()

    def ask() -> None:
        begin.wait()
        found.append(current())

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 1 == len(made)
    assert [made[0]] * 8 == found
    assert made[0].hosted
    assert made[0].root is None


def test_what_a_host_installed_counts_before_the_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    set_environment(monkeypatch)
    services = open_embedded(tmp_path / "root")
    try:
        install(services)
        assert services is current() is current_of_house()
        assert ["local"] == list(kinds())
    finally:
        services.close()


@pytest.mark.parametrize("missing", sorted(SETTINGS))
def test_a_missing_setting_is_named(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    set_environment(monkeypatch, {name: value for name, value in SETTINGS.items() if name != missing})
    with pytest.raises(ConfigError, match=missing):
        current()
    with pytest.raises(ConfigError, match=missing):
        kinds()


def test_an_app_with_a_missing_setting_does_not_load_and_so_takes_no_message(monkeypatch: pytest.MonkeyPatch) -> None:
    set_environment(monkeypatch, {name: SETTINGS[name] for name in list(SETTINGS)[:3]})
    with pytest.raises(ConfigError, match="KeyVault__vaultUri"):
        load_app(APP, {})


def test_without_any_setting_the_sentence_says_what_either_place_needs() -> None:
    with pytest.raises(ConfigError, match=r"runyard up.*Storage__blobServiceUri"):
        current()


def test_the_kind_local_is_on_one_machine_only(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "local" in kinds()
    set_environment(monkeypatch)
    assert [kind for kind in known_kinds() if kind != "local"] == list(kinds()) == list(cloud_kinds())


def test_the_app_listens_to_the_queues_that_the_templates_make(monkeypatch: pytest.MonkeyPatch) -> None:
    set_environment(monkeypatch)
    monkeypatch.setattr("runyard.targets.registry._paths", lambda: {"local": "a:B", "batch": "c:D"})
    app = load_app(APP, {})
    assert queues(cloud_kinds()) - {BURIED} == {each.settings["queueName"] for each in app.by_trigger(QUEUE)}
    assert "dispatch_batch" in {each.name for each in app.functions}
    assert "dispatch_local" not in {each.name for each in app.functions}


def test_a_run_for_the_target_local_fails_and_names_the_computes_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    services = opened(monkeypatch)
    ports = services.ports
    assert [] == list(ports.computes.list())
    info = ports.blobs.put("snapshots", "exp/a.zip", snapshot(config=runconfig(target="local")))
    body = b'{"experiment": "exp", "snapshot": "snapshots/exp/a.zip"}'
    run = accept(ports, body, message_id="m-1", enqueued=info.modified)
    assert (State.FAILED, "config") == (run.state, run.error and run.error.error_class)
    assert "'local'" in run.reason
    assert "there are: none" in run.reason


def test_a_compute_of_kind_local_is_refused_with_the_kinds_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    services = opened(monkeypatch)
    assert services.entry is not None
    headers = {"Authorization": f"Bearer {services.entry.token()}"}
    transport = InProcessTransport(create_app(lambda: services))
    with httpx.Client(transport=transport, base_url="https://yard.azurewebsites.net", headers=headers) as http:
        refused = http.put("/api/computes/mine", json={"kind": "local", "limit": 1})
        assert 400 == refused.status_code
        assert "for one machine" in refused.json()["error"]["message"]
        assert "available: none" in refused.json()["error"]["message"]
        assert [] == http.get("/api/computes").json()["computes"]
        assert 404 == http.delete("/api/computes/local").status_code
    with pytest.raises(UnsupportedError):
        services.ports.targets.get("local")


def test_callers_from_anywhere_show_the_token_of_the_vault(monkeypatch: pytest.MonkeyPatch) -> None:
    services = opened(monkeypatch)
    services.watch_over()  # the reconciler's timer: there is a token soon after the first start
    token = services.ports.secrets.get(TOKEN)
    assert token
    transport = InProcessTransport(create_app(lambda: services))
    with httpx.Client(transport=transport, base_url="https://yard.azurewebsites.net") as http:
        assert 200 == http.get("/api/health").status_code
        refused = http.get("/api/runs")
        assert (401, "Bearer") == (refused.status_code, refused.headers["WWW-Authenticate"])
        assert 401 == http.get("/api/runs", headers={"Authorization": "Bearer wrong"}).status_code
        right = {"Authorization": f"Bearer {token}"}
        assert 200 == http.get("/api/runs", headers=right).status_code
        own = {**right, "Origin": "https://yard.azurewebsites.net"}
        assert 200 == http.get("/api/runs", headers=own).status_code
        assert 403 == http.get("/api/runs", headers={**right, "Origin": "https://evil.example"}).status_code


def test_a_dead_submission_is_still_a_run_in_azure(monkeypatch: pytest.MonkeyPatch) -> None:
    services = opened(monkeypatch)
    letter = Message(
        queue="deadletters", id="m-1", body=b'{"experiment": "exp", "snapshot": "snapshots/exp/a.zip"}', sequence=1,
        enqueued=1e9, delivery_count=1, dead_letter_source="submissions", dead_letter_description="down",
    )  # fmt: skip
    bury(services.ports, letter)
    (run,) = services.ports.runs.list(Query()).runs
    assert State.FAILED is run.state
