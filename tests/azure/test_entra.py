"""Tokens of Entra ID, signed by a key of our own and checked against a server that hands out its public half."""

from __future__ import annotations

import http.server
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from runyard.api.app import create_app
from runyard.errors import AuthError, ConfigError, TransientError
from runyard.ports.identities import API, WEBHOOKS
from runyard.sdk.transport import InProcessTransport
from runyard.stores.azure import entra
from runyard.stores.azure.entra import EntraTokens
from runyard.stores.azure.settings import EntraSettings, azure_settings
from tests.azure.opened import SETTINGS, opened

TENANT = "6f1c9dd4-0d5a-4f6f-9d1e-1f2c3b4a5d6e"
AUDIENCE = "api://runyard"
OPERATORS = "1b2c3d4e-0000-4000-8000-00000000000a"
EVENT_GRID = "4962773b-9cdb-44cf-a8bf-234846a00ab7"


@dataclass
class Directory:
    """A directory: its keys, and the address at which it shows them."""

    authority: str = ""
    keys: dict[str, rsa.RSAPrivateKey] = field(default_factory=dict)
    fetched: int = 0
    down: bool = False

    def add_key(self, name: str) -> None:
        self.keys[name] = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def shown(self) -> bytes:
        algorithm = jwt.algorithms.RSAAlgorithm
        keys = [{**algorithm.to_jwk(key.public_key(), as_dict=True), "kid": name} for name, key in self.keys.items()]
        return json.dumps({"keys": keys}).encode()

    def token(self, key: str = "k1", *, signed_by: rsa.RSAPrivateKey | None = None, **claims: Any) -> str:
        now = int(time.time())
        said = {
            "iss": f"https://sts.windows.net/{TENANT}/",
            "aud": AUDIENCE,
            "tid": TENANT,
            "appid": OPERATORS,
            "iat": now,
            "nbf": now,
            "exp": now + 3600,
            **claims,
        }
        said = {name: value for name, value in said.items() if value is not None}
        return jwt.encode(said, signed_by or self.keys[key], algorithm="RS256", headers={"kid": key})

    def settings(self, **changes: Any) -> EntraSettings:
        asked: dict[str, Any] = {
            "tenant": TENANT,
            "audience": (AUDIENCE, "runyard-id"),
            "callers": frozenset({OPERATORS, "Runyard.Operate"}),
            "senders": frozenset({EVENT_GRID, "AzureEventGridSecureWebhookSubscriber"}),
            "authority": self.authority,
            **changes,
        }
        return EntraSettings(**asked)


@pytest.fixture
def directory() -> Iterator[Directory]:
    made = Directory()
    made.add_key("k1")

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.fetched += 1
            right = self.path == f"/{TENANT}/discovery/v2.0/keys" and not made.down
            body = made.shown() if right else b"{}"
            self.send_response(200 if right else 503)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *given: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        made.authority = f"http://127.0.0.1:{server.server_port}"
        yield made
        server.shutdown()
        thread.join()


def test_a_token_of_the_directory_counts_in_both_versions(directory: Directory) -> None:
    tokens = EntraTokens(directory.settings())
    assert OPERATORS == tokens.check(directory.token(), API).app
    newer = directory.token(
        iss=f"{directory.authority}/{TENANT}/v2.0", aud="runyard-id", appid=None, azp=OPERATORS, ver="2.0"
    )
    assert OPERATORS == tokens.check(newer, API).app
    assert 1 == directory.fetched


REFUSED: dict[str, Callable[[Directory], str]] = {
    "expired": lambda d: d.token(exp=int(time.time()) - 120),
    "not yet valid": lambda d: d.token(nbf=int(time.time()) + 600),
    "without an end": lambda d: d.token(exp=None),
    "for another application": lambda d: d.token(aud="api://other"),
    "for nobody": lambda d: d.token(aud=None),
    "of another issuer": lambda d: d.token(iss="https://sts.windows.net/00000000-0000-4000-8000-000000000000/"),
    "of another tenant": lambda d: d.token(tid="00000000-0000-4000-8000-000000000000"),
    "of an application that is not listed": lambda d: d.token(appid="00000000-0000-4000-8000-000000000000"),
    "of a user of a listed application": lambda d: d.token(scp="user_impersonation"),
    "signed by somebody else": lambda d: d.token(
        signed_by=rsa.generate_private_key(public_exponent=65537, key_size=2048)
    ),
    "signed with an unknown key": lambda d: jwt.encode(
        {"aud": AUDIENCE},
        rsa.generate_private_key(public_exponent=65537, key_size=2048),
        "RS256",
        headers={"kid": "no"},
    ),
    "signed with the public key as a shared one": lambda d: jwt.encode(
        {"aud": AUDIENCE, "exp": int(time.time()) + 60}, "x" * 32, "HS256", headers={"kid": "k1"}
    ),
    "not signed": lambda d: jwt.encode({"aud": AUDIENCE}, None, "none", headers={"kid": "k1"}),  # type: ignore[arg-type]
    "no token": lambda d: "a.b.c",
    "cut off": lambda d: d.token()[:-5],
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_token_that_proves_nothing_is_refused(directory: Directory, what: str) -> None:
    token = REFUSED[what](directory)
    with pytest.raises(AuthError) as refused:
        EntraTokens(directory.settings()).check(token, API)
    assert token not in refused.value.message


def test_a_role_lets_users_and_applications_in(directory: Directory) -> None:
    tokens = EntraTokens(directory.settings(callers=frozenset({"Runyard.Operate"})))
    for claims in ({"roles": ["Runyard.Operate"]}, {"roles": ["Runyard.Operate"], "scp": "user_impersonation"}):
        assert {"Runyard.Operate"} == tokens.check(directory.token(appid="any", **claims), API).roles
    with pytest.raises(AuthError):
        tokens.check(directory.token(roles="Runyard.Operate"), API)


def test_who_may_deliver_may_not_operate(directory: Directory) -> None:
    tokens = EntraTokens(directory.settings())
    token = directory.token(appid=EVENT_GRID, roles=["AzureEventGridSecureWebhookSubscriber"])
    assert EVENT_GRID == tokens.check(token, WEBHOOKS).app
    with pytest.raises(AuthError):
        tokens.check(token, API)
    with pytest.raises(AuthError):
        tokens.check(directory.token(), WEBHOOKS)


def test_a_new_key_is_found_and_invented_ones_do_not_have_the_directory_asked(
    directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr("runyard.stores.azure.entra.time.monotonic", lambda: now)
    tokens = EntraTokens(directory.settings())
    tokens.check(directory.token(), API)
    directory.add_key("k2")
    for _ in range(20):
        with pytest.raises(AuthError):
            tokens.check(directory.token("k2"), API)
    assert 1 == directory.fetched
    now += entra.PAUSE
    tokens.check(directory.token("k2"), API)
    assert 2 == directory.fetched
    del directory.keys["k1"]
    now += entra.KEPT
    tokens.check(directory.token("k2"), API)
    assert 3 == directory.fetched


def test_keys_at_hand_count_while_the_directory_is_down(directory: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("runyard.stores.azure.entra.time.monotonic", lambda: now)
    tokens = EntraTokens(directory.settings())
    tokens.check(directory.token(), API)
    directory.down = True
    now += entra.KEPT
    tokens.check(directory.token(), API)
    with pytest.raises(TransientError, match="cannot be had now"):
        EntraTokens(directory.settings()).check(directory.token(), API)


def test_it_is_off_unless_the_settings_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    assert azure_settings(SETTINGS).entra is None
    assert opened(monkeypatch).ports.identities is None


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"Runyard__entraAudience": AUDIENCE}, "Runyard__entraTenant"),
        ({"Runyard__entraTenant": "common", "Runyard__entraAudience": AUDIENCE}, "Runyard__entraTenant"),
        ({"Runyard__entraTenant": TENANT}, "Runyard__entraAudience"),
        ({"Runyard__entraTenant": TENANT, "Runyard__entraAudience": AUDIENCE}, "Runyard__entraCallers"),
    ],
)
def test_settings_that_would_let_anybody_in_are_refused(settings: dict[str, str], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        azure_settings({**SETTINGS, **settings})


@pytest.fixture
def http_client(directory: Directory, monkeypatch: pytest.MonkeyPatch) -> Iterator[httpx.Client]:
    """The API of an app that knows the directory."""
    settings = {
        "Runyard__entraTenant": TENANT,
        "Runyard__entraAudience": AUDIENCE,
        "Runyard__entraCallers": OPERATORS,
        "Runyard__entraSenders": EVENT_GRID,
        "Runyard__entraAuthority": directory.authority,
    }
    services = opened(monkeypatch, settings)
    services.ports.blobs.put("snapshots", "a.zip", b"a zip")
    transport = InProcessTransport(create_app(lambda: services))
    with httpx.Client(transport=transport, base_url="https://yard.azurewebsites.net") as http:
        yield http


def test_the_api_takes_tokens_of_the_directory(directory: Directory, http_client: httpx.Client) -> None:
    def status(**claims: Any) -> int:
        headers = {"Authorization": f"Bearer {directory.token(**claims)}"}
        return http_client.get("/api/runs", headers=headers).status_code

    assert (200, 401, 401) == (status(), status(appid=EVENT_GRID), status(aud="other"))


def test_event_grid_may_prove_itself_by_a_token(directory: Directory, http_client: httpx.Client) -> None:
    operator = {"Authorization": f"Bearer {directory.token()}"}
    defined = {"name": "drops", "kind": "eventgrid", "secret": "s" * 32, "blobDrops": True}
    assert http_client.post("/api/webhooks", json=defined, headers=operator).is_success
    event = {
        "id": "1", "topic": "/t", "subject": "", "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent",
        "eventTime": "2026-01-25T22:12:19Z", "data": {"validationCode": "512d38b6-c7b8-40c8-89fe-f46f9e9622b6"},
    }  # fmt: skip

    def handshake(headers: dict[str, str]) -> httpx.Response:
        return http_client.post("/api/webhooks/drops", json=[event], headers=headers)

    sender = {"Authorization": f"Bearer {directory.token(appid=EVENT_GRID)}"}
    assert (200, "512d38b6-c7b8-40c8-89fe-f46f9e9622b6") == (
        handshake(sender).status_code,
        handshake(sender).json()["validationResponse"],
    )
    assert 401 == handshake(operator).status_code  # an operator is no sender
    assert 401 == handshake({}).status_code
    assert 200 == handshake({"X-Runyard-Key": "s" * 32}).status_code


def test_a_signed_webhook_takes_no_token_for_a_signature(directory: Directory, http_client: httpx.Client) -> None:
    operator = {"Authorization": f"Bearer {directory.token()}"}
    defined = {
        "name": "hub",
        "kind": "github",
        "secret": "s" * 32,
        "submission": {"experiment": "e", "snapshot": "snapshots/a.zip"},
    }
    assert http_client.post("/api/webhooks", json=defined, headers=operator).is_success
    sender = {"Authorization": f"Bearer {directory.token(appid=EVENT_GRID)}", "X-GitHub-Event": "push"}
    assert 401 == http_client.post("/api/webhooks/hub", json={}, headers=sender).status_code
