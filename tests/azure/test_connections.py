"""Settings that no client could be made of are told of by name, in one sentence without their value."""

from __future__ import annotations

from pathlib import Path

import pytest

from runyard.errors import ConfigError, TransientError
from runyard.stores.azure.lane import Lane
from runyard.stores.azure.settings import AzureSettings, azure_settings
from runyard.stores.azure.stores import AzureStores
from runyard.testing import ManualClock
from tests.host_helpers import eventually

KEY = "c2VjcmV0LWtleQ=="
BUS = f"Endpoint=sb://yard.servicebus.windows.net/;SharedAccessKeyName=all;SharedAccessKey={KEY}"
STORAGE = f"DefaultEndpointsProtocol=https;AccountName=yard;AccountKey={KEY};EndpointSuffix=core.windows.net"


def read(**given: str) -> AzureSettings:
    return azure_settings({"Storage": STORAGE, "ServiceBus": BUS, "Runyard__secretsFolder": "s", **given})


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("Storage", "secret-key", "Storage is no connection string"),
        (
            "Storage",
            f"AccountKey={KEY};EndpointSuffix=core.windows.net",
            "Storage is a connection string without AccountName",
        ),
        ("Storage", "AccountName=yard", "Storage is a connection string without AccountKey"),
        ("Storage", "AccountName=yard;AccountKey=%%secret-key%%", "Storage is .* no base64"),
        ("ServiceBus", KEY, "ServiceBus is no connection string|ServiceBus is a connection string without Endpoint"),
        ("ServiceBus", BUS.replace("sb://", "https://"), "ServiceBus is a connection string without Endpoint=sb://"),
        ("ServiceBus", BUS + ";EntityPath=watch", "ServiceBus is the connection string of one queue"),
        (
            "ServiceBus",
            "Endpoint=sb://yard/;SharedAccessKeyName=all",
            "ServiceBus is .* without SharedAccessKeyName and",
        ),
    ],
)
def test_a_connection_string_that_is_not_whole_is_named_and_not_shown(name: str, value: str, says: str) -> None:
    with pytest.raises(ConfigError, match=f"the setting ({says})") as caught:
        read(**{name: value})
    assert KEY not in caught.value.message
    assert "secret-key" not in caught.value.message


@pytest.mark.parametrize(
    "text", ["UseDevelopmentStorage=true", "UseDevelopmentStorage=true;", "usedevelopmentstorage=True"]
)
def test_every_spelling_of_the_short_form_is_azurite(text: str) -> None:
    assert "AccountName=devstoreaccount1" in read(Storage=text).storage_connection


def test_whole_connection_strings_are_taken_as_they_are() -> None:
    found = read(ServiceBus=BUS + ";UseDevelopmentEmulator=true;")
    assert (STORAGE, BUS + ";UseDevelopmentEmulator=true;") == (found.storage_connection, found.bus_connection)
    assert KEY not in repr(found)
    signed = "Endpoint=sb://yard.servicebus.windows.net/;SharedAccessSignature=SharedAccessSignature sr=a&sig=b"
    assert signed == read(ServiceBus=signed).bus_connection


@pytest.mark.parametrize(
    "name", ["yard", "https://yard.servicebus.windows.net", "yard.servicebus.windows.net:5671", "a b.c"]
)
def test_a_namespace_is_a_host_name(name: str) -> None:
    with pytest.raises(ConfigError, match="the setting ServiceBus__fullyQualifiedNamespace is a host name"):
        read(ServiceBus="", ServiceBus__fullyQualifiedNamespace=name)


def test_a_folder_of_secrets_that_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        stores = AzureStores(AzureSettings(secrets_folder=folder), ManualClock())
        with pytest.raises(ConfigError, match="the setting Runyard__secretsFolder is no folder to write to"):
            _ = stores.secrets


def test_a_lane_outlives_what_nobody_expected_and_tells_the_log_once(caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> None:
        raise ValueError("not ours")

    caplog.set_level("INFO", "runyard")
    lane = Lane("watch", broken, lambda: None)  # type: ignore[arg-type]
    try:
        lane.want(float("inf"))
        eventually(lambda: lane.looks >= 2)
        assert isinstance(lane.failure, TransientError)
        assert "not ours" not in lane.failure.message
    finally:
        lane.close()
    failed = [record for record in caplog.records if getattr(record, "action", "") == "queue.failed"]
    assert 1 == len(failed)
