"""Links that an identity signs, proven without the SDK, and made anew in the form that Azurite knows.

Azurite 3.35 verifies what is signed by a user delegation key up to version 2025-11-05 of the service. The SDK signs for its newest
version, whose text to sign has two fields more since 2026-04-06 (signed request headers and query parameters), and cannot be told
another: so Azurite answers each of its links with 403. :func:`known_to_azurite` computes the signature of a link from the fields of
its address and the documented text, compares the two, and signs the same permissions, times and blob for 2025-11-05.

https://learn.microsoft.com/rest/api/storageservices/create-user-delegation-sas#specify-the-signature
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

import httpx
from azure.core.credentials import AccessToken

from tests.standins.azurite import Account

AZURITES: Final = "2025-11-05"
FIELDS: Final = ("sp", "st", "se", "", "skoid", "sktid", "skt", "ske", "sks", "skv", "saoid", "suoid", "scid")
"""The first fields of the text to sign, of all versions since 2020-12-06; the empty one is the canonicalized resource."""
DELEGATED: Final = ("skdutid", "sduoid")
"""Since 2025-07-05."""
MIDDLE: Final = ("sip", "spr", "sv", "sr", "snapshot", "ses")
REQUESTS: Final = ("srh", "srq")
"""Since 2026-04-06: which headers and parameters a request must have."""
LAST: Final = ("rscc", "rscd", "rsce", "rscl", "rsct")


@dataclass
class Identity:
    """A credential whose tokens Azurite takes: it looks at all but their signature."""

    seconds: float = 3600.0
    """How long a token lives; one that is less than nothing is over."""
    given: int = 0

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        assert scopes == ("https://storage.azure.com/.default",)
        self.given += 1
        now = int(time.time())
        claims = {
            "aud": "https://storage.azure.com", "iss": "https://sts.windows.net/yard/", "iat": now - 60, "nbf": now - 60,
            "exp": now + int(self.seconds), "oid": "11111111-1111-1111-1111-111111111111",
            "tid": "22222222-2222-2222-2222-222222222222",
        }  # fmt: skip
        parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode() for part in ({"alg": "none"}, claims)]
        return AccessToken(".".join(part.rstrip("=") for part in parts) + ".none", now + 3600)

    def close(self) -> None:
        """Nothing to let go of."""


def text_to_sign(url: str) -> str:
    """The documented text of a link to a blob in a path-style account, by the version that it was signed for."""
    parts = urlsplit(url)
    fields = dict(parse_qsl(parts.query))
    version = fields["sv"]
    names = (
        *FIELDS,
        *(DELEGATED if version >= "2025-07-05" else ()),
        *MIDDLE,
        *(REQUESTS if version >= "2026-04-06" else ()),
        *LAST,
    )
    return "\n".join(fields.get(name, "") if name else "/blob" + unquote(parts.path) for name in names)


def signature(text: str, key: str) -> str:
    """HMAC-SHA256 of a text, in base64, by a key in base64."""
    return base64.b64encode(hmac.new(base64.b64decode(key), text.encode(), hashlib.sha256).digest()).decode()


def key_of(account: Account, fields: Mapping[str, str], trusted: Any) -> str:
    """The user delegation key that a link names: Azurite gives the same one for the same identity and time.

    https://learn.microsoft.com/rest/api/storageservices/get-user-delegation-key
    """
    token = Identity().get_token("https://storage.azure.com/.default").token
    answer = httpx.post(
        f"{account.blob_uri}?restype=service&comp=userdelegationkey",
        content=f"<KeyInfo><Start>{fields['skt']}</Start><Expiry>{fields['ske']}</Expiry></KeyInfo>",
        headers={"Authorization": f"Bearer {token}", "x-ms-version": AZURITES, "Content-Type": "application/xml"},
        verify=trusted,
    )
    found = re.search(r"<Value>([^<]+)</Value>", answer.text)
    assert found is not None, answer.text
    return found[1]


def known_to_azurite(account: Account, url: str, trusted: Any) -> str:
    """The link as Azurite knows it; fails unless its own signature is that of the documented text."""
    base, _, query = url.partition("?")
    fields = dict(parse_qsl(query))
    key = key_of(account, fields, trusted)
    assert fields.pop("sig") == signature(text_to_sign(url), key)
    fields["sv"] = AZURITES
    fields["sig"] = signature(text_to_sign(f"{base}?{urlencode(fields)}"), key)
    return f"{base}?{urlencode(fields)}"
