"""Key Vault's REST protocol for secrets, over https on loopback, for the real SDK.

https://learn.microsoft.com/rest/api/keyvault/secrets/operation-groups
"""

from __future__ import annotations

import json
import re
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from azure.core.credentials import AccessToken
from azure.keyvault.secrets import ApiVersion, SecretClient

from tests.standins.certificates import certificate

# https://learn.microsoft.com/azure/key-vault/general/about-keys-secrets-certificates#object-identifiers
_NAME: Final = re.compile(r"[A-Za-z0-9-]{1,127}")
# https://learn.microsoft.com/azure/key-vault/secrets/about-secrets
LARGEST: Final = 25 * 1024
# https://learn.microsoft.com/rest/api/keyvault/secrets/get-secrets/get-secrets#uri-parameters
PAGE: Final = 25
RESOURCE: Final = "https://vault.azure.net"
VERSIONS: Final = frozenset(version.value for version in ApiVersion)


class Credential:
    """Gives the one token that the vault takes."""

    def __init__(self, resource: str = RESOURCE) -> None:
        self._scope = f"{resource}/.default"

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        assert scopes == (self._scope,)
        return AccessToken("a-token", int(time.time()) + 3600)

    def close(self) -> None:
        """Nothing to let go of."""


class FaultError(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, code: str, message: str, inner: str = "", **headers: str) -> None:
        super().__init__(message)
        error: dict[str, Any] = {"code": code, "message": message}
        if inner:
            error["innererror"] = {"code": inner}
        self.status, self.body, self.headers = status, {"error": error}, headers


@dataclass
class Vault:
    """The vault's contents and moods."""

    uri: str = ""
    trusted: str = ""
    """The certificate to trust."""
    resource: str = RESOURCE
    """For what a token must be, as the vault's challenge says. Clients see to it that their vault is a subdomain of that."""
    secrets: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    deleted: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    working: dict[str, tuple[str, int]] = field(default_factory=dict)
    """Names that are being deleted or recovered, and for how many more requests."""
    slowness: int = 0
    """How many requests a deletion or recovery takes."""
    forbidden: set[str] = field(default_factory=set)
    """``purge``, ``recover``."""
    throttle: int = 0
    """How many of the next requests are refused with 429."""
    asked: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def client(self, **options: Any) -> SecretClient:
        """A client of the SDK that trusts the vault's certificate."""
        return SecretClient(
            self.uri, Credential(), connection_verify=self.trusted, verify_challenge_resource=False, **options
        )  # fmt: skip

    def answer(self, method: str, target: str, headers: Any, body: bytes) -> tuple[int, Any]:
        """What is answered; raises :class:`FaultError`."""
        parts = urlsplit(target)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if headers.get("Authorization") != "Bearer a-token":
            challenge = f'Bearer authorization="https://login.microsoftonline.com/yard", resource="{self.resource}"'
            raise FaultError(
                401, "Unauthorized", "AKV10000: Request is missing a Bearer token.", **{"WWW-Authenticate": challenge}
            )
        if query.get("api-version") not in VERSIONS:
            raise FaultError(400, "BadParameter", "The request does not have a known api-version.")
        if self.throttle:
            self.throttle -= 1
            raise FaultError(
                429,
                "Throttled",
                "Request was not processed because too many requests were received.",
                **{"Retry-After": "0"},
            )
        self.asked.append(f"{method} {parts.path}")
        kind, _, rest = parts.path.lstrip("/").partition("/")
        name, _, what = rest.partition("/")
        if name and not _NAME.fullmatch(name):
            raise FaultError(400, "BadParameter", "The request URI contains an invalid name.")
        if not name:
            return 200, self._page(self.secrets if kind == "secrets" else self.deleted, query)
        state = self._state(name.lower())
        if kind == "deletedsecrets":
            return self._on_deleted(method, name, what, state)
        if method == "PUT":
            return 200, self._set(name, state, json.loads(body))
        if name.lower() not in self.secrets or state:
            raise FaultError(404, "SecretNotFound", f"A secret with (name/id) {name} was not found in this key vault.")
        if method == "GET":
            return 200, self.secrets[name.lower()][-1]
        self.deleted[name.lower()] = self.secrets.pop(name.lower())
        self._begin(name, "ObjectIsBeingDeleted")
        return 200, self._deleted(name)

    def _state(self, name: str) -> str:
        state, left = self.working.pop(name, ("", 0))
        if left > 0:
            self.working[name] = (state, left - 1)
            return state
        return ""

    def _begin(self, name: str, state: str) -> None:
        if self.slowness:
            self.working[name.lower()] = (state, self.slowness)

    def _set(self, name: str, state: str, given: dict[str, Any]) -> dict[str, Any]:
        if state:
            raise FaultError(409, "Conflict", f"Secret {name} is currently being changed.", state)
        if name.lower() in self.deleted:
            raise FaultError(
                409, "Conflict", f"Secret {name} is deleted but recoverable.", "ObjectIsDeletedButRecoverable"
            )
        if not given.get("value") or len(given["value"].encode()) > LARGEST:
            raise FaultError(400, "BadParameter", "Property value has an invalid value.")
        versions = self.secrets.setdefault(name.lower(), [])
        known = str(versions[0]["id"]).split("/")[-2] if versions else name
        now = int(time.time())
        bundle = {
            "id": f"{self.uri}/secrets/{known}/{len(versions) + 1:032x}", "value": given["value"],
            "attributes": {"enabled": True, "created": now, "updated": now, "recoveryLevel": "Recoverable+Purgeable"},
        }  # fmt: skip
        if given.get("contentType"):
            bundle["contentType"] = given["contentType"]
        versions.append(bundle)
        return bundle

    def _on_deleted(self, method: str, name: str, what: str, state: str) -> tuple[int, Any]:
        if state or name.lower() not in self.deleted:
            raise FaultError(404, "SecretNotFound", f"Deleted Secret not found: {name}")
        if method == "GET":
            return 200, self._deleted(name)
        right = "recover" if what == "recover" else "purge"
        if right in self.forbidden:
            raise FaultError(
                403, "Forbidden", f"The user does not have secrets {right} permission.", "ForbiddenByPolicy"
            )
        versions = self.deleted.pop(name.lower())
        if right == "purge":
            return 204, None
        self.secrets[name.lower()] = versions
        self._begin(name, "ObjectIsBeingRecovered")
        return 200, versions[-1]

    def _deleted(self, name: str) -> dict[str, Any]:
        shown = {key: value for key, value in self.deleted[name.lower()][-1].items() if key != "value"}
        return {**shown, "recoveryId": f"{self.uri}/deletedsecrets/{name}", "deletedDate": int(time.time())}

    def _page(self, secrets: dict[str, list[dict[str, Any]]], query: dict[str, str]) -> dict[str, Any]:
        start = int(query.get("$skiptoken", "0"))
        every = [secrets[name][-1] for name in sorted(secrets, reverse=True)]
        shown = [
            {"id": each["id"].rpartition("/")[0], "attributes": each["attributes"]}
            for each in every[start : start + PAGE]
        ]
        more = start + PAGE < len(every)
        link = f"{self.uri}/secrets?api-version={query['api-version']}&$skiptoken={start + PAGE}" if more else None
        return {"value": shown, "nextLink": link}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    vault: Vault


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _Server

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        headers: dict[str, str] = {}
        try:
            with self.server.vault.lock:
                status, answer = self.server.vault.answer(self.command, self.path, self.headers, body)
        except FaultError as error:
            status, answer, headers = error.status, error.body, error.headers
        shown = b"" if answer is None else json.dumps(answer).encode()
        self.send_response_only(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(shown)))
        self.end_headers()
        self.wfile.write(shown)
        self.wfile.flush()

    do_PUT = do_POST = do_DELETE = do_GET  # noqa: N815 - the names are the server's

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def vault(folder: Path) -> Iterator[Vault]:
    """A vault for the time of a block; its certificate lies in ``folder``."""
    paths = certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*paths)
    server = _Server(("127.0.0.1", 0), _Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.vault = Vault(uri=f"https://127.0.0.1:{server.server_address[1]}", trusted=str(paths[0]))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server.vault
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
