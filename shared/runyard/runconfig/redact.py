"""Run configurations, and texts about them, with their secrets masked, for showing.

The format carries secrets in clear: ``baseImageRegistry.password``, ``ambientAuthentication.secret``,
``githubPackages[].authToken``, the ``password`` and ``privateKey`` of a ``.compute`` file, and whatever authors put into variables,
arguments and URLs. Secrets are told by the name they stand under (:mod:`~runyard.runconfig.secret_names`), by the flag before
them, and by their own form.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Final

from runyard.environment import conda_secrets
from runyard.errors import RunyardError
from runyard.runconfig.secret_names import is_secret_name

MASK: Final = conda_secrets.MASK

OWN: Final = "runyard"
"""Our own key of a run configuration."""
MARKING: Final = "secretvariables"
"""Under this (in any spelling), a run configuration's ``runyard`` and a submission name the variables that are secret."""
STORED_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,98}[a-z0-9])?")
"""Of a secret that the service keeps for its users: Key Vault's rule, which does not tell upper from lower case, with room for our
prefix."""

_LONGEST_KEY: Final = 40
"""Characters; those that matter here are shorter, in any spelling."""
_LONG: Final = 1 << 11
"""Characters from which on URLs are looked for word by word: what a credential in one may be spelled like takes its time."""

_NAME: Final = r"[A-Za-z_][A-Za-z0-9_.-]{0,80}"
_PAIR: Final = re.compile(
    rf"""(?<![A-Za-z0-9_.])(?P<name>{_NAME})(?P<sign>["']?[ \t]{{0,3}}(?:=|:(?!//))[ \t]{{0,3}})"""
)
_QUOTED: Final = re.compile(r"\"(?:[^\"\\]|\\.)*\"?|'[^']*'?")
_TO_BLANK: Final = re.compile(r"[^\s;\"']+")
_TO_SEMICOLON: Final = re.compile(r"[^;\r\n]+")
_FLAG: Final = re.compile(rf"(?<!\S)--?(?P<name>{_NAME})(?P<gap>[ \t]+)(?P<value>\"[^\"]*\"?|'[^']*'?|[^\s\"'-]\S*)")
_WHOLE_FLAG: Final = re.compile(rf"-{{1,2}}(?P<name>{_NAME})")
_WHOLE_PAIR: Final = re.compile(rf"(?P<kept>-{{0,2}}(?P<name>{_NAME})=).+", re.DOTALL)
_ANOTHER_FLAG: Final = re.compile(r"--[A-Za-z][A-Za-z0-9_-]*(=.*)?", re.DOTALL)
_KEY_BLOCK: Final = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY.*?(?:-----END [^-]{0,60}-----|\Z)", re.DOTALL)
_SIGNATURE: Final = re.compile(
    r"((?:(?<![A-Za-z0-9])|(?<=\\u0026)|(?<=%26))(?:sig|signature)(?:=|%3D))[^&\s\"';\\]+", re.IGNORECASE
)
"""In a URL, and in one that is inside a JSON text or another URL."""
_SCHEME: Final = re.compile(r"\b(Bearer\s+|Basic\s+(?=[A-Za-z0-9+/]*[0-9=]))[A-Za-z0-9+/_.~=-]{8,}", re.IGNORECASE)
_LOOKUP: Final = re.compile(r"(AzureMlSecret=)[^\s\"';]+", re.IGNORECASE)
_MARKS: Final = re.compile(r"(the (?:alias \*|tag '!))[^\s']+")
_FORMS: Final = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"gh[opsur]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_-]{16,}|hf_[A-Za-z0-9]{20,}"
    r"|sk-[A-Za-z0-9_-]{20,}|xox[abprs]-[A-Za-z0-9-]{10,}|dapi[0-9a-f]{32}|pypi-[A-Za-z0-9_-]{40,}|AIza[A-Za-z0-9_-]{35}"
    r"|A(?:KIA|SIA)[A-Z0-9]{16}"
    r"|eyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]*"
    r"|rya1\.[0-9a-f]{8,16}(?:\.[A-Za-z0-9_-]+)+"
    r"|[A-Za-z0-9+/]{86}=="
    r")"
)
"""Tokens of GitHub, GitLab, Hugging Face, OpenAI, Slack, Databricks, PyPI, Google and AWS; JSON web tokens; our own attempt tokens,
whole or cut; storage keys."""

_IN_STORAGE: Final = re.compile(r"\b((?:wasbs?|abfss?)://[^\s@:/]+)@", re.IGNORECASE)
"""Where ``@`` parts a container from its account."""
_AT: Final = "\ue000"


def redacted(document: object, marked: Iterable[str] = ()) -> object:
    """A copy in which every secret is masked: values under a name that tells of one, and secrets inside other texts.

    Args:
        document: Plain values.
        marked: Names of environment variables that are secret whatever they are called, beside those that the document marks
            (``runyard.secret_variables``).
    """
    if isinstance(document, str):
        return redacted_value(document)
    if isinstance(document, Mapping):
        own = marked_by(document)
        known = frozenset((*marked, *own)) if own else marked
        return {key: _under(str(key), value, known) for key, value in document.items()}
    if isinstance(document, (list, tuple)):
        return redacted_items(document, marked)
    return document


def marked_by(document: Mapping[Any, Any]) -> list[str]:
    """The names of variables that a run configuration, or a submission, marks as secret; none where it is not well formed."""
    found: list[object] = []
    for key, value in document.items():
        if is_own(key) and isinstance(value, Mapping):
            found += [names for name, names in value.items() if _folded(name) == MARKING]
        elif _folded(key) == MARKING:
            found.append(value)
    return [name for names in found if isinstance(names, (list, tuple)) for name in names if isinstance(name, str)]


def redacted_items(items: Sequence[Any], marked: Iterable[str] = ()) -> list[Any]:
    """A list, such as a script's arguments: what follows a flag that tells of a secret is masked, too."""
    shown: list[Any] = []
    secret_follows = False
    for item in items:
        if (
            secret_follows
            and not isinstance(item, bool)
            and not (isinstance(item, str) and _ANOTHER_FLAG.fullmatch(item))
        ):
            shown.append(_masked(item))
            secret_follows = False
            continue
        flag = _WHOLE_FLAG.fullmatch(item) if isinstance(item, str) else None
        secret_follows = flag is not None and is_secret_name(flag["name"])
        shown.append(redacted(item, marked))
    return shown


def redacted_value(text: str) -> str:
    """A text that is a value of its own, with the secrets in it masked: what follows ``name=`` goes up to the next ``;``."""
    whole = _WHOLE_PAIR.fullmatch(text)
    if whole is not None and is_secret_name(whole["name"]):
        return whole["kept"] + MASK
    return _searched(text, _TO_SEMICOLON)


def redacted_text(text: str) -> str:
    """A sentence, a comment or any other text of many words, with the secrets in it masked."""
    return _MARKS.sub(rf"\g<1>{MASK}", _searched(text, _TO_BLANK))


@contextmanager
def masked() -> Iterator[None]:
    """No error that leaves here repeats a secret of the file that it is about; also as a decorator."""
    try:
        yield
    except RunyardError as error:
        told = redacted_text(error.message)
        if told == error.message:
            raise
        raise type(error)(told) from None


def _under(key: str, value: object, marked: Iterable[str]) -> object:
    if is_own(key) and isinstance(value, Mapping):
        return {name: _own_option(str(name), option, marked) for name, option in value.items()}
    if marked and isinstance(value, Mapping) and is_variables(key):
        return {name: _masked(item) if name in marked else _under(str(name), item, ()) for name, item in value.items()}
    return _masked(value) if is_secret_name(key) else redacted(value, marked)


def is_variables(key: str) -> bool:
    """Whether environment variables stand under this key, in any spelling of the format."""
    return _folded(key) == "environmentvariables"


def is_own(key: object) -> bool:
    """Whether this is the key of our own options."""
    return _folded(key) == OWN


@lru_cache(maxsize=4096)
def _folded(key: object) -> str:
    return key.replace("_", "").replace("-", "").lower() if isinstance(key, str) and len(key) <= _LONGEST_KEY else ""


def _own_option(name: str, value: object, marked: Iterable[str]) -> object:
    """``runyard.secrets`` names secrets and holds none: what looks like a name there is shown."""
    if _folded(name) == "secrets" and isinstance(value, Mapping):
        return {key: item if is_stored_name(item) else _masked(item) for key, item in value.items()}
    return _under(name, value, marked)


def is_stored_name(value: object) -> bool:
    """Whether this may be the name of a secret that the service keeps for its users."""
    return isinstance(value, str) and STORED_NAME.fullmatch(value) is not None and redacted_value(value) == value


def _masked(value: object) -> object:
    """Empty values stay, as do true and false: that nothing is set is no secret, and helps."""
    return value if value in (None, "", [], {}) or isinstance(value, bool) else MASK


def _searched(text: str, pair_ends: re.Pattern[str]) -> str:
    if "-----BEGIN " in text:
        text = _KEY_BLOCK.sub(MASK, text)
    if "://" in text or "--proxy" in text:
        text = _without_credentials(text)
    if "=" in text or ":" in text or "%3" in text:
        text = _LOOKUP.sub(rf"\g<1>{MASK}", text)
        text = _without_pairs(text, pair_ends)
        text = _SIGNATURE.sub(rf"\g<1>{MASK}", text)
    if "-" in text:
        text = _FLAG.sub(_after_flag, text)
    return _FORMS.sub(MASK, _SCHEME.sub(rf"\g<1>{MASK}", text))


def _without_credentials(text: str) -> str:
    """A text with the credentials in its URLs masked."""
    if len(text) > _LONG:
        return "".join(map(_without_credentials, _pieces(text)))
    return conda_secrets.mask_url_credentials(_IN_STORAGE.sub(rf"\1{_AT}", text)).replace(_AT, "@")


def _pieces(text: str) -> Iterator[str]:
    """A long text cut between its words, or, where there are none, where no URL goes on."""
    at = 0
    while len(text) - at > _LONG:
        ends = [text.rfind(mark, at, at + _LONG) for mark in (" ", "\n", "\t", '"', ",")]
        cut = max(ends) + 1
        if cut <= at:
            cut = at + _LONG
        yield text[at:cut]
        at = cut
    yield text[at:]


def _without_pairs(text: str, ends: re.Pattern[str]) -> str:
    """A text with the value of each ``name=value`` or ``name: value`` masked whose name tells of a secret."""
    parts: list[str] = []
    at = 0
    for pair in _PAIR.finditer(text):
        if pair.start() < at or not is_secret_name(pair["name"]):
            continue
        value = _QUOTED.match(text, pair.end()) or ends.match(text, pair.end())
        if value is None or value[0].strip("\"' ") in {"", "None", "null", "true", "false", MASK}:
            continue
        parts += [text[at : pair.end()], MASK]
        at = value.end()
    return "".join([*parts, text[at:]])


def _after_flag(match: re.Match[str]) -> str:
    return f"{match[0][: match.start('value') - match.start()]}{MASK}" if is_secret_name(match["name"]) else match[0]
