"""What callers write into names, filters and cursors, over Azure's own adapters: answered with sense, and never more than it says."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from runyard.api.app import create_app
from runyard.dispatch.wakes import SUBMISSIONS, queues
from runyard.errors import ConfigError
from runyard.ports import Query
from runyard.sdk.transport import InProcessTransport
from runyard.services import Services, open_azure
from runyard.stores.azure.settings import azure_settings
from tests.fakes import runconfig, snapshot
from tests.standins.azurite import azurite
from tests.standins.broker import broker

INJECTION = "x' or '1' eq '1"
NAMES = {
    "slash": "a/b",
    "backslash": "a\\b",
    "hash": "a#b",
    "question": "a?b",
    "quote": "a'b",
    "percent": "a%2Fb",
    "umlaut": "ünï",
    "control": "a\x01b",
    "delete": "a\x7fb",
    "override": "\u202ea",
    "injection": INJECTION,
    "long": "a" * 300,
    "emoji": "\U0001f600",
    "newline": "a\n",
}


@dataclass
class Yard:
    """An app in Azure, called as from anywhere, with its token."""

    services: Services
    http: httpx.Client

    def submit(self, key: bytes = b"", **given: object) -> httpx.Response:
        """Ask for a run of the snapshot that there is."""
        headers = {b"Idempotency-Key": key} if key else {}
        body = {"snapshot": "snapshots/exp/a.zip", "experiment": "exp", **given}
        return self.http.post("/api/runs", json=body, headers=headers)


@pytest.fixture(scope="module")
def yard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    folder: Path = tmp_path_factory.mktemp("yard")
    settings = {
        "Storage": azurite().account().connection,
        "ServiceBus": broker().namespace(queues([])).connection,
        "Runyard__secretsFolder": str(folder / "secrets"),
    }
    services = open_azure(azure_settings(settings), make=True)
    services.ports.blobs.put("snapshots", "exp/a.zip", snapshot(config=runconfig(target="pool")))
    assert services.entry is not None
    headers = {"Authorization": f"Bearer {services.entry.token()}"}
    transport = InProcessTransport(create_app(lambda: services))
    with httpx.Client(transport=transport, base_url="https://yard.azurewebsites.net", headers=headers) as http:
        yield Yard(services, http)
    services.close()
    gc.collect()


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_a_name_with_a_meaning_elsewhere_is_refused_or_not_there(yard: Yard, name: str) -> None:
    quoted = quote(name, safe="")
    submission = {"snapshot": "snapshots/exp/a.zip", "experiment": "exp"}
    webhook = {"name": name, "kind": "github", "secret": "s" * 32, "submission": submission}
    refused = [
        yard.submit(experiment=name),
        yard.http.post("/api/webhooks", json=webhook),
        yard.http.post("/api/schedules", json={"name": name, "cron": "*/5 * * * *", "submission": submission}),
        yard.http.post("/api/subscriptions", json={"name": name, "url": "https://example.org/x"}),
        yard.http.get(f"/api/runs/{quoted}"),
        yard.http.get(f"/api/webhooks/{quoted}"),
        yard.http.get(f"/api/schedules/{quoted}"),
        yard.http.get(f"/api/subscriptions/{quoted}"),
        yard.http.delete(f"/api/aliases/{quoted}"),
        yard.http.put(f"/api/secrets/{quoted}", json={"value": "x"}),
    ]
    assert {each.status_code for each in refused} <= {400, 404, 422}, [each.text for each in refused]
    assert all("error" in each.json() for each in refused)


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_tags_and_keys_may_hold_anything_and_come_back_as_they_were(yard: Yard, name: str) -> None:
    tag = name[:250]
    key = f"key {name}".strip().encode()[:200]
    made = yard.submit(key, tags={tag[:60]: tag})
    assert 202 == made.status_code, made.text
    run = made.json()["runId"]
    assert run == yard.submit(key, tags={tag[:60]: tag}).json()["runId"]
    assert {tag[:60]: tag} == yard.http.get(f"/api/runs/{run}").json()["tags"]


def test_a_key_of_ten_kilobytes_is_refused(yard: Yard) -> None:
    refused = yard.submit(b"k" * 10_240)
    assert (400, True) == (refused.status_code, "at most 200 are allowed" in refused.text)


@pytest.mark.parametrize("value", [INJECTION, "x' or PartitionKey ne '", "'", "@pk", 'x" or 1 eq 1', "x) or (1 eq 1"])
def test_a_filter_is_a_value_and_never_a_condition(yard: Yard, value: str) -> None:
    yard.submit(b"one that a wider filter would find")
    for name in ("experiment", "status"):
        answer = yard.http.get("/api/runs", params={name: value})
        assert answer.status_code in {400, 422} or [] == answer.json()["runs"], answer.text
    stores = yard.services.ports
    assert [] == list(stores.runs.list(Query(experiment=value)).runs)
    assert stores.runs.find(value) is None
    assert stores.computes.get(value) is None
    assert stores.webhooks.get(value) is None
    assert [] == list(stores.deliveries.list(value))


@pytest.mark.parametrize(
    "change", [lambda text: text[:-1], lambda text: text[::-1], lambda text: text + "A", lambda _: "'"]
)
def test_a_cursor_that_no_page_gave_is_refused(yard: Yard, change: object) -> None:
    assert callable(change)
    for number in range(3):
        yard.submit(b"page %d" % number)
    page = yard.http.get("/api/runs", params={"limit": 1}).json()
    assert 200 == yard.http.get("/api/runs", params={"limit": 1, "after": page["next"]}).status_code
    assert 400 == yard.http.get("/api/runs", params={"limit": 1, "after": change(page["next"])}).status_code


@pytest.mark.parametrize("size", [70_000, 200_000])
def test_a_large_run_configuration_is_kept_whole(yard: Yard, size: int) -> None:
    arguments = ["y" * 10_000] * (size // 10_000)
    made = yard.submit(b"large %d" % size, arguments=arguments)
    assert 202 == made.status_code, made.text
    run = yard.services.ports.runs.get(made.json()["runId"])
    assert run is not None
    assert arguments == run.request["arguments"]


def test_what_is_too_large_is_told_before_it_is_sent(yard: Yard) -> None:
    assert 400 == yard.submit(arguments=["y" * 10_000] * 70).status_code
    assert 413 == yard.submit(arguments=["y" * 10_000] * 200).status_code
    submission = {"snapshot": "snapshots/exp/a.zip", "experiment": "exp", "arguments": ["y" * 10_000] * 70}
    schedule = {"name": "large", "cron": "*/5 * * * *", "submission": submission}
    webhook = {"name": "large", "kind": "github", "secret": "s" * 32, "submission": submission}
    for refused in (yard.http.post("/api/schedules", json=schedule), yard.http.post("/api/webhooks", json=webhook)):
        assert (400, True) == (refused.status_code, "at most 262,144 are allowed" in refused.text)
    with pytest.raises(ConfigError, match=r"at most .* bytes"):
        yard.services.ports.queue.send(SUBMISSIONS, b"x" * 700_000)
