"""Where the Azure services are: read from the app's settings (environment variables).

An identity-based connection is a prefix and properties, as the Functions host itself reads them
(https://learn.microsoft.com/azure/azure-functions/functions-reference#configure-an-identity-based-connection):
``Storage__blobServiceUri``, ``Storage__tableServiceUri``, ``ServiceBus__fullyQualifiedNamespace``. For development, ``Storage``
and ``ServiceBus`` hold connection strings instead (``UseDevelopmentStorage=true`` is Azurite on its usual ports).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from runyard.errors import ConfigError
from runyard.stores.azure.connections import DEVELOPMENT, bus_connection, storage_connection

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
ENTRA_TENANT: Final = "Runyard__entraTenant"
"""The directory whose tokens count; without it, none do."""
ENTRA_AUDIENCE: Final = "Runyard__entraAudience"
"""For whom tokens are issued: the application's id, ``api://ID`` or both, with a comma between."""
ENTRA_CALLERS: Final = "Runyard__entraCallers"
"""Who may call the API: app roles and ids of applications, with commas between."""
ENTRA_SENDERS: Final = "Runyard__entraSenders"
"""Who may deliver to webhooks, likewise."""
ENTRA_AUTHORITY: Final = "Runyard__entraAuthority"
"""Who issues the tokens, in another cloud than the public one."""
SETTINGS: Final = (
    STORAGE,
    SERVICE_BUS,
    BLOB_URI,
    TABLE_URI,
    NAMESPACE,
    VAULT_URI,
    SECRETS_FOLDER,
    CLIENT_ID,
    ENTRA_TENANT,
    ENTRA_AUDIENCE,
    ENTRA_CALLERS,
    ENTRA_SENDERS,
    ENTRA_AUTHORITY,
)
ON_A_DESK: Final = (STORAGE, SERVICE_BUS, SECRETS_FOLDER)
"""Those for development: ``infra/`` makes the others."""
PUBLIC_AUTHORITY: Final = "https://login.microsoftonline.com"

_HOST: Final = re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
_GUID: Final = re.compile(r"(?i)[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True, kw_only=True)
class EntraSettings:
    """Whose tokens of Entra ID count, and for what."""

    tenant: str
    audience: tuple[str, ...]
    callers: frozenset[str] = frozenset()
    senders: frozenset[str] = frozenset()
    authority: str = PUBLIC_AUTHORITY


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
    entra: EntraSettings | None = None


def azure_settings(settings: Mapping[str, str]) -> AzureSettings:
    """Read the app's settings.

    Raises:
        ConfigError: naming the setting that is missing or wrong.
    """
    found = AzureSettings(
        blob_uri=_uri(settings, BLOB_URI),
        table_uri=_uri(settings, TABLE_URI),
        storage_connection=storage_connection(STORAGE, _text(settings, STORAGE)),
        namespace=_text(settings, NAMESPACE),
        bus_connection=bus_connection(SERVICE_BUS, _text(settings, SERVICE_BUS)),
        vault_uri=_uri(settings, VAULT_URI),
        secrets_folder=Path(folder) if (folder := _text(settings, SECRETS_FOLDER)) else None,
        client_id=_text(settings, CLIENT_ID),
        entra=_entra(settings),
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
    if found.namespace and not _HOST.fullmatch(found.namespace):
        raise ConfigError(f"the setting {NAMESPACE} is a host name without a scheme: NAME.servicebus.windows.net")
    if not found.vault_uri and found.secrets_folder is None:
        raise ConfigError(
            f"the setting {VAULT_URI} is missing: https://NAME.vault.azure.net; or {SECRETS_FOLDER}=FOLDER for development"
        )


def _entra(settings: Mapping[str, str]) -> EntraSettings | None:
    tenant = _text(settings, ENTRA_TENANT)
    if not tenant:
        for name in (ENTRA_AUDIENCE, ENTRA_CALLERS, ENTRA_SENDERS):
            if _text(settings, name):
                raise ConfigError(f"the setting {ENTRA_TENANT} is missing, and {name} has no meaning without it")
        return None
    if not _GUID.fullmatch(tenant):
        raise ConfigError(f"the setting {ENTRA_TENANT} is the directory's id, 8-4-4-4-12 hex digits")
    audience = _items(settings, ENTRA_AUDIENCE)
    if not audience:
        raise ConfigError(f"the setting {ENTRA_AUDIENCE} is missing: tokens for any other application would count too")
    callers, senders = _items(settings, ENTRA_CALLERS), _items(settings, ENTRA_SENDERS)
    if not callers and not senders:
        raise ConfigError(f"the settings {ENTRA_CALLERS} and {ENTRA_SENDERS} are both empty, so no token could be used")
    return EntraSettings(
        tenant=tenant.lower(),
        audience=audience,
        callers=frozenset(callers),
        senders=frozenset(senders),
        authority=_uri(settings, ENTRA_AUTHORITY) or PUBLIC_AUTHORITY,
    )


def _items(settings: Mapping[str, str], name: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in _text(settings, name).split(",") if part.strip())


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
