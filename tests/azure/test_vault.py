"""Secrets in Key Vault, with the real SDK before a vault that deletes softly."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from runyard.errors import AuthError, ConfigError, ThrottledError, TransientError
from runyard.stores.azure.settings import AzureSettings
from runyard.stores.azure.stores import AzureStores
from runyard.stores.azure.vault import VaultSecrets
from runyard.stores.embedded.secrets import FolderSecrets
from runyard.testing import ManualClock
from tests.standins.vault import LARGEST, Credential, Vault, vault


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Vault]:
    with vault(tmp_path) as made:
        yield made


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def secrets(running: Vault, clock: ManualClock) -> Iterator[VaultSecrets]:
    with running.client(retry_total=3, retry_backoff_factor=0) as client:
        made = VaultSecrets(client, clock)
        made.pause = 0.01
        yield made


def test_a_value_is_asked_for_once_in_half_a_minute(running: Vault, secrets: VaultSecrets, clock: ManualClock) -> None:
    secrets.set("a", "one")
    assert [secrets.get("a") for _ in range(5)] == ["one"] * 5
    assert [each for each in running.asked if each.startswith("GET")] == []
    running.secrets["a"][-1]["value"] = "two"
    clock.advance(29)
    assert secrets.get("A") == "one"
    clock.advance(2)
    assert secrets.get("a") == "two"
    assert "two" not in repr(secrets)


@pytest.mark.parametrize("slowness", [0, 3])
def test_a_deleted_name_is_recovered_when_it_is_set_again(running: Vault, secrets: VaultSecrets, slowness: int) -> None:
    running.forbidden.add("purge")
    running.slowness = slowness
    secrets.set("a", "one")
    assert secrets.remove("a")
    secrets.set("a", "two")
    assert secrets.get("a") == "two"
    assert [version["value"] for version in running.secrets["a"]] == ["one", "two"]


def test_what_is_removed_is_purged_where_that_is_allowed(running: Vault, secrets: VaultSecrets) -> None:
    running.slowness = 2
    secrets.set("a", "one")
    assert secrets.remove("a")
    assert running.deleted == {}


def test_a_vault_that_does_not_let_us_purge_is_asked_once(running: Vault, secrets: VaultSecrets) -> None:
    running.forbidden.add("purge")
    for name in ("a", "b"):
        secrets.set(name, "x")
        assert secrets.remove(name)
    assert len([each for each in running.asked if each.startswith("DELETE /deletedsecrets")]) == 1
    assert sorted(running.deleted) == ["a", "b"]


def test_one_who_may_not_recover_is_told_which_role_is_missing(running: Vault, secrets: VaultSecrets) -> None:
    running.forbidden |= {"purge", "recover"}
    secrets.set("a", "canary")
    secrets.remove("a")
    with pytest.raises(AuthError, match="Key Vault Secrets Officer") as told:
        secrets.set("a", "canary")
    assert "canary" not in str(told.value)


def test_a_vault_that_stays_busy_is_a_passing_fault(running: Vault, secrets: VaultSecrets) -> None:
    running.working["a"] = ("ObjectIsBeingDeleted", 1000)
    with pytest.raises(TransientError, match="still deleting"):
        secrets.set("a", "x")


def test_names_come_from_every_page(running: Vault, secrets: VaultSecrets) -> None:
    names = [f"n-{number:03d}" for number in range(60)]
    for name in names:
        secrets.set(name, "x")
    assert list(secrets.names()) == names
    assert running.asked.count("GET /secrets") == 3


def test_throttling_is_waited_for_and_then_ours(running: Vault, secrets: VaultSecrets) -> None:
    secrets.set("a", "x")
    running.throttle = 2
    assert secrets.changed("a") is not None
    running.throttle = 100
    with pytest.raises(ThrottledError):
        secrets.changed("a")


def test_the_largest_value_is_taken_and_one_byte_more_is_refused_in_a_sentence(secrets: VaultSecrets) -> None:
    secrets.set("a", "x" * LARGEST)
    with pytest.raises(ConfigError, match="25,601 bytes; a vault keeps 25,600") as told:
        secrets.set("a", "x" * LARGEST + "y")
    assert "xxxx" not in str(told.value)


def test_a_folder_takes_the_vaults_place_for_development(tmp_path: Path) -> None:
    settings = AzureSettings(storage_connection="none", secrets_folder=tmp_path / "deep" / "secrets")
    with AzureStores(settings, ManualClock()) as stores:
        assert isinstance(stores.secrets, FolderSecrets)
        stores.secrets.set("a", "x")
    assert (tmp_path / "deep" / "secrets" / "a").read_text() == "x"


def test_the_services_own_client_asks_for_a_token_after_the_vaults_challenge(
    running: Vault, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", running.trusted)
    running.resource = running.uri.replace("127.", "")  # of whose subdomain the vault is one
    with AzureStores(AzureSettings(vault_uri=running.uri), clock) as stores:
        stores.clients.credential = Credential(running.resource)
        stores.secrets.set("a", "one")
        clock.advance(60)
        assert (stores.secrets.get("a"), list(stores.secrets.names())) == ("one", ["a"])


def test_a_vault_that_wants_a_token_for_another_host_gets_none(
    running: Vault, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", running.trusted)
    with AzureStores(AzureSettings(vault_uri=running.uri), clock) as stores:
        stores.clients.credential = Credential()
        calls = (lambda: stores.secrets.set("a", "canary"), lambda: stores.secrets.get("a"), stores.secrets.names)
        for call in calls:
            with pytest.raises(AuthError, match="KeyVault__vaultUri") as told:
                call()
            assert "canary" not in str(told.value)
    assert running.asked == []


def test_a_vault_whose_certificate_nobody_knows_is_not_spoken_to(running: Vault, clock: ManualClock) -> None:
    with AzureStores(AzureSettings(vault_uri=running.uri), clock) as stores:
        stores.clients.credential = Credential(running.uri.replace("127.", ""))
        with pytest.raises(TransientError, match="reading the secret a"):
            stores.secrets.get("a")
    assert running.asked == []
