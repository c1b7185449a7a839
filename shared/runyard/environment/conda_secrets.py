"""Credentials inside URLs: index URLs, channels and links may carry them, and nothing that is shown may."""

from __future__ import annotations

import re
from typing import Final

from runyard.runner.sealed import MASK

__all__ = ["MASK", "mask_url_credentials", "shown"]

_USER: Final = re.compile(
    # A password may hold a '/', which no URL allows and authors write all the same; a port is not a password.
    r"://(?:(?P<user>[^/\s]+)@|[^\s/:@]+:(?![0-9]+(?:/|\s|$))(?:[^\s@]{0,500}+@)+)"
)
_VARIABLES: Final = re.compile(r"\$\{[A-Za-z0-9_]+\}(?::\$\{[A-Za-z0-9_]+\})?")
_CHANNEL_TOKEN: Final = re.compile(r"(://[^/\s]+/t/)[^/\s]+")
_QUERY: Final = re.compile(
    r"([?&](?:sig|[A-Za-z0-9_.-]{0,40}(?:token|secret|password|passwd|pwd|key|signature|credential|auth)"
    r"[A-Za-z0-9_.-]{0,40})=)[^&#\s'\"]+",
    re.IGNORECASE,
)
_PROXY: Final = re.compile(r"(--proxy[=\s]\s?)(?![A-Za-z]+://)[^\s@]+@")


def mask_url_credentials(text: str) -> str:
    """A text with the credentials of every URL in it masked.

    Masked are the user and password before the host (``https://user:secret@host/``, also a lone token), a channel's
    token (``/t/<token>/``), and values of a query whose names tell of a secret (``sig`` of a storage link, ``token``,
    …). What is no secret stays: ``git@`` over ssh, and variables that pip fills in (``${USER}:${TOKEN}@``).
    """
    if "://" not in text:
        return _PROXY.sub(rf"\1{MASK}@", text) if "--proxy" in text else text
    if "@" in text:
        text = _USER.sub(_masked_user, text)
    text = _CHANNEL_TOKEN.sub(rf"\1{MASK}", text)
    text = _QUERY.sub(rf"\1{MASK}", text)
    return _PROXY.sub(rf"\1{MASK}@", text)


def _masked_user(match: re.Match[str]) -> str:
    user, scheme = match["user"], match.string[max(0, match.start() - len("git+ssh")) : match.start()]
    harmless = user is not None and ((user == "git" and "ssh" in scheme.lower()) or _VARIABLES.fullmatch(user))
    return match[0] if harmless else f"://{MASK}@"


def shown(text: str, limit: int = 80) -> str:
    """A text as an error quotes it: masked, on one line, cut at ``limit`` characters."""
    masked = mask_url_credentials(text)
    return repr(masked if len(masked) <= limit else masked[: limit - 1] + "…")
