"""Connection strings as the settings hold them: seen to be whole before an SDK gets them. No sentence shows a value.

Their forms: https://learn.microsoft.com/azure/storage/common/storage-configure-connection-string and
https://learn.microsoft.com/azure/service-bus-messaging/service-bus-sas
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Final

from runyard.errors import ConfigError

DEVELOPMENT: Final = "UseDevelopmentStorage=true"
_AZURITE: Final = (
    "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;"
    "AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;"
    "BlobEndpoint=http://127.0.0.1:10000/devstoreaccount1;TableEndpoint=http://127.0.0.1:10002/devstoreaccount1;"
)
"""What ``UseDevelopmentStorage=true`` stands for; the key is public, of Azurite's documentation."""


def storage_connection(setting: str, text: str) -> str:
    """The connection string of a storage account; Azurite's own, where the short form stands for it.

    Raises:
        ConfigError: naming the setting, if no client could be made of it.
    """
    if not text or text.rstrip("; ").casefold() == DEVELOPMENT.casefold():
        return _AZURITE if text else ""
    parts = _parts(setting, text, f"of the account's access keys, or {DEVELOPMENT}")
    if not parts.get("accountname") and not (parts.get("blobendpoint") and parts.get("tableendpoint")):
        raise ConfigError(f"the setting {setting} is a connection string without AccountName")
    if not _is_key(parts.get("accountkey", "")):
        raise ConfigError(f"the setting {setting} is a connection string without AccountKey, or that is no base64")
    return text


def bus_connection(setting: str, text: str) -> str:
    """The connection string of a Service Bus namespace.

    Raises:
        ConfigError: naming the setting, if no client could be made of it.
    """
    if not text:
        return ""
    parts = _parts(setting, text, "Endpoint=sb://NAME.servicebus.windows.net/;SharedAccessKeyName=…;SharedAccessKey=…")
    if not parts.get("endpoint", "").casefold().startswith("sb://"):
        raise ConfigError(f"the setting {setting} is a connection string without Endpoint=sb://…")
    if parts.get("entitypath"):
        raise ConfigError(
            f"the setting {setting} is the connection string of one queue (EntityPath); the namespace's is needed"
        )
    keyed = parts.get("sharedaccesskeyname") and parts.get("sharedaccesskey")
    if not keyed and not parts.get("sharedaccesssignature"):
        raise ConfigError(
            f"the setting {setting} is a connection string without SharedAccessKeyName and SharedAccessKey"
        )
    return text


def _parts(setting: str, text: str, form: str) -> Mapping[str, str]:
    pairs = [piece.partition("=") for piece in text.strip("; ").split(";")]
    if not all(name and mark for name, mark, _ in pairs):
        raise ConfigError(f"the setting {setting} is no connection string: {form}")
    return {name.strip().casefold(): value.strip() for name, _, value in pairs}


def _is_key(text: str) -> bool:
    try:
        return bool(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        return False
