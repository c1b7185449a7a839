"""Where the Azure services are: read from the app's settings (environment variables).

An identity-based connection is a prefix and properties, as the Functions host itself reads them
(https://learn.microsoft.com/azure/azure-functions/functions-reference#configure-an-identity-based-connection):
``Storage__blobServiceUri``, ``Storage__tableServiceUri``, ``ServiceBus__fullyQualifiedNamespace``. For development, ``Storage``
and ``ServiceBus`` hold connection strings instead (``UseDevelopmentStorage=true`` is Azurite on its usual ports).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from runyard.errors import ConfigError

STORAGE: Final = "Storage"
SERVICE_BUS: Final = "ServiceBus"
BLOB_URI: Final = "Storage__blobServiceUri"
TABLE_URI: Final = "Storage__tableServiceUri"
NAMESPACE: Final = "ServiceBus__fullyQualifiedNamespace"
VAULT_URI: Final = "KeyVault__vaultUri"
SECRETS_FOLDER: Final = "Runyard__secretsFolder"
"""For development: secrets as files that only their owner reads, in place of Key Vault."""
CLIENT_ID: Final = "AZURE_CLIENT_ID"
"""The user-assigned identity; empty = the system-assigned one, or who is signed in on a developer's machine."""
SETTINGS: Final = (STORAGE, SERVICE_BUS, BLOB_URI, TABLE_URI, NAMESPACE, VAULT_URI, SECRETS_FOLDER, CLIENT_ID)

DEVELOPMENT: Final = "UseDevelopmentStorage=true"
_AZURITE: Final = (
    "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;"
    "AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;"
    "BlobEndpoint=http://127.0.0.1:10000/devstoreaccount1;TableEndpoint=http://127.0.0.1:10002/devstoreaccount1;"
)
"""What ``UseDevelopmentStorage=true`` stands for; the key is public, of Azurite's documentation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AzureSettings:
    """Where the services are. What holds a key is not in the repr."""

    blob_uri: str = ""
    table_uri: str = ""
    storage_connection: str = field(default="", repr=False)
    """A connection string in place of the two."""
    namespace: str = ""
    """``name.servicebus.windows.net``."""
    bus_connection: str = field(default="", repr=False)
    vault_uri: str = ""
    secrets_folder: Path | None = None
    client_id: str = ""


def azure_settings(settings: Mapping[str, str]) -> AzureSettings:
    """Read the app's settings.

    Raises:
        ConfigError: naming the setting that is missing or wrong.
    """
    storage = _text(settings, STORAGE)
    found = AzureSettings(
        blob_uri=_uri(settings, BLOB_URI),
        table_uri=_uri(settings, TABLE_URI),
        storage_connection=_AZURITE if storage == DEVELOPMENT else storage,
        namespace=_text(settings, NAMESPACE),
        bus_connection=_text(settings, SERVICE_BUS),
        vault_uri=_uri(settings, VAULT_URI),
        secrets_folder=Path(folder) if (folder := _text(settings, SECRETS_FOLDER)) else None,
        client_id=_text(settings, CLIENT_ID),
    )
    _check(found)
    return found


def names_azure(settings: Mapping[str, str]) -> bool:
    """Whether the settings say where the Azure services are, in part at least."""
    return any(_text(settings, name) for name in (STORAGE, BLOB_URI, TABLE_URI))


def _check(found: AzureSettings) -> None:
    if not found.storage_connection:
        for name, value in ((BLOB_URI, found.blob_uri), (TABLE_URI, found.table_uri)):
            if not value:
                raise ConfigError(
                    f"the setting {name} is missing: the service's address, https://NAME.blob.core.windows.net for instance; "
                    f"or {STORAGE}={DEVELOPMENT} for Azurite"
                )
    if not found.bus_connection and not found.namespace:
        raise ConfigError(
            f"the setting {NAMESPACE} is missing: NAME.servicebus.windows.net; or {SERVICE_BUS}=CONNECTION STRING for development"
        )
    if "/" in found.namespace or ":" in found.namespace:
        raise ConfigError(f"the setting {NAMESPACE} is a host name without a scheme: NAME.servicebus.windows.net")
    if not found.vault_uri and found.secrets_folder is None:
        raise ConfigError(
            f"the setting {VAULT_URI} is missing: https://NAME.vault.azure.net; or {SECRETS_FOLDER}=FOLDER for development"
        )


def _text(settings: Mapping[str, str], name: str) -> str:
    return settings.get(name, "").strip()


def _uri(settings: Mapping[str, str], name: str) -> str:
    text = _text(settings, name)
    if not text:
        return ""
    parts = urlsplit(text)
    local = parts.hostname in {"127.0.0.1", "localhost", "::1"}
    if parts.scheme != "https" and not (parts.scheme == "http" and local):
        raise ConfigError(f"the setting {name} is an https address, and not {text[:60]!r}")
    return text.rstrip("/")
