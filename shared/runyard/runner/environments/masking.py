"""Nothing that a tool says, and nothing that is kept, repeats a credential of the wish or of the tools' settings."""

import base64
import re
from typing import Any, Dict, Iterable, List, Set, Tuple
from urllib.parse import quote, quote_plus, unquote

MASK = "********"
_USER = re.compile(r"://(?:[^/\s@\"'<>]+|[^\s/:@]+:(?![0-9]+(?:/|\s|$))[^\s@]{0,500})@")
_PARTS = re.compile(r"://(?P<user>[^\s/:@]*)(?::(?P<password>(?![0-9]+/)[^\s@]*))?@")
_CHANNEL_TOKEN = re.compile(r"(://[^/\s]+/t/)([^/\s]+)")
_QUERY = re.compile(
    r"([?&](?:sig|[A-Za-z0-9_.-]{0,40}(?:token|secret|password|passwd|pwd|key|signature|credential|auth)"
    r"[A-Za-z0-9_.-]{0,40})=)([^&#\s'\"]+)",
    re.IGNORECASE,
)
_SECRET_NAME = re.compile(r"token|secret|passw|pwd|(?:^|_)key|key$|credential|signature|(?:^|_)auth", re.IGNORECASE)
_BARE_PROXY = re.compile(r"(--proxy[=\s]\s?)(?![A-Za-z]+://)([^\s@]+)@")
_SHORTEST = 4
"""Characters of a secret that is masked wherever it stands; shorter ones are only where a URL has them."""
_HARMLESS_USERS = 16
"""Characters from which on a user beside a password is taken for a token."""


class Masker:
    """Masks what it was told of, in each way of writing it, and the credentials of every URL."""

    def __init__(self) -> None:
        self._secrets: Set[str] = set()
        self._pattern: Any = None

    def learn(self, texts: Iterable[str]) -> None:
        """Take the credentials out of texts with URLs."""
        for text in texts:
            for found in _PARTS.finditer(text):
                self._learn_user(found.group("user") or "", found.group("password"))
            for pattern in (_CHANNEL_TOKEN, _QUERY, _BARE_PROXY):
                for _, secret in pattern.findall(text):
                    for part in secret.split(":"):
                        self.add(part)

    def _learn_user(self, user: str, password: Any) -> None:
        if user.startswith("${"):
            return
        is_token = password in (None, "", "x-oauth-basic") or len(user) >= _HARMLESS_USERS
        if is_token and user not in ("git", "__token__"):
            self.add(user)
        if password:
            self.add(password)
            plain = "%s:%s" % (unquote(user), unquote(password))
            self.add(base64.b64encode(plain.encode()).decode())

    def learn_variables(self, variables: Dict[str, str]) -> None:
        """Take the values of variables whose names tell of a secret, and credentials of URLs in all."""
        self.learn(variables.values())
        for name, value in variables.items():
            if _SECRET_NAME.search(name):
                self.add(value)

    def add(self, secret: str) -> None:
        """Mask this one, and what URLs make of it."""
        plain = unquote(secret)
        for form in {secret, plain, quote(plain, safe=""), quote(plain), quote_plus(plain)}:
            if len(form) >= _SHORTEST and form != MASK:
                self._secrets.add(form)
        self._pattern = None

    @property
    def secrets(self) -> List[str]:
        """All that is known, the longest first."""
        return sorted(self._secrets, key=lambda each: (-len(each), each))

    def __call__(self, text: str) -> str:
        """The text, masked."""
        if self._secrets:
            if self._pattern is None:
                self._pattern = re.compile("|".join(map(re.escape, self.secrets)))
            text = self._pattern.sub(MASK, text)
        return mask_urls(text)

    def deep(self, value: Any) -> Any:
        """A copy of data with every text in it masked, and values under names that tell of a secret."""
        if isinstance(value, str):
            return self(value)
        if isinstance(value, (list, tuple)):
            return [self.deep(each) for each in value]
        if isinstance(value, dict):
            return {key: _under(key, self.deep(each)) for key, each in value.items()}
        return value


def _under(name: str, value: Any) -> Any:
    return MASK if isinstance(value, str) and value and _SECRET_NAME.search(name) and name != "key" else value


def mask_urls(text: str) -> str:
    """A text with the credentials of every URL in it masked."""
    if "://" not in text:
        return _BARE_PROXY.sub(r"\1" + MASK + "@", text) if "--proxy" in text else text
    text = _USER.sub(_masked_user, text)
    text = _CHANNEL_TOKEN.sub(r"\1" + MASK, text)
    return _QUERY.sub(r"\1" + MASK, text)


def _masked_user(match: Any) -> str:
    user = match.group()[3:-1]
    return match.group() if user == "git" or re.fullmatch(r"(?:\$\{\w+\}:?)+", user) else "://%s@" % MASK


def texts_of(value: Any) -> List[str]:
    """Every text in some data."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for each in value.values() for text in texts_of(each)]
    return [text for each in value for text in texts_of(each)] if isinstance(value, (list, tuple)) else []


def variables_named(texts: Iterable[str], environment: Dict[str, str]) -> List[Tuple[str, str]]:
    """The variables that ``${NAME}`` in texts stands for: pip and uv fill them in."""
    names = {name for text in texts for name in re.findall(r"\$\{([A-Za-z0-9_]+)\}", text)}
    return [(name, environment[name]) for name in sorted(names) if environment.get(name)]
