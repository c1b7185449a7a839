"""Which names tell that a secret stands under them: keys, environment variables, flags, parts of connection strings.

A name is taken apart into words (``authToken``, ``AUTH_TOKEN`` and ``auth-token`` are ``auth``, ``token``), so that ``tokenizer``,
``max_tokens``, ``key_column`` and ``monkey`` are what they are.
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import pairwise
from typing import Final

_WORD: Final = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+")

_ANYWHERE: Final = re.compile(
    r"password(?!less)|passwd|passphrase|passwort|secret(?!ar)|connectionstring|connstr|credentials?$"
)
"""In a name's letters, however it is spelled."""

_RUN_TOGETHER: Final = frozenset(
    {
        f"{of}key"
        for of in (
            "api", "access", "account", "auth", "app", "client", "encryption", "function", "host", "private", "secret", "shared",
            "signing", "ssh", "storage", "subscription", "wandb",
        )
    }
)  # fmt: skip
"""Names of keys that authors write as one word."""

_PUBLIC_KEYS: Final = frozenset(
    {
        "public", "sort", "partition", "foreign", "join", "label", "feature", "features", "column", "image", "text", "target", "group",
        "index", "dict", "cache", "metric", "score", "input", "output", "data", "batch", "row", "map", "hot", "cmk", "config", "by",
        "id", "lookup", "loss", "sample", "class", "natural", "composite", "unique", "state", "value", "object", "blob", "s3",
        "registry", "the", "a", "no", "use",
    }
)  # fmt: skip
"""What stands before ``key`` where a key is a name of something."""

_TEXT_TOKENS: Final = frozenset(
    {
        "pad", "eos", "bos", "unk", "mask", "cls", "sep", "special", "start", "end", "max", "min", "num", "n", "per", "total", "first",
        "last", "stop", "image", "word", "sub", "subword", "next", "new", "text", "prompt", "vocab", "added", "padding", "multi",
        "oov", "blank", "input", "output", "target",
    }
)  # fmt: skip
"""What stands before ``token`` where a token is a piece of text."""

_OF_TOKENS: Final = frozenset(
    {
        "type", "types", "count", "counts", "id", "ids", "size", "length", "limit", "len", "level", "embedding", "embeddings",
        "classification", "classifier", "dropout", "column", "col", "prob", "probs", "expiry", "expires", "ttl", "endpoint", "url",
        "budget", "per", "dim", "indexer", "filter", "pattern", "merging", "mask", "indices", "index", "frequency", "freq", "lifetime",
    }
)  # fmt: skip
"""What stands after ``token`` where the value says something about it."""

_HARMLESS: Final = frozenset(
    {"credentialpassthrough", "deletesecretafterrun", "pwd", "oldpwd", "secretname", "secretsname", "secretvariables"}
)
_PAIRS: Final = frozenset(
    {(of, "key") for of in ("account", "access", "private", "secret", "encryption", "signing", "api")}
    | {("connection", "string"), ("conn", "str"), ("access", "tokens"), ("api", "tokens"), ("auth", "tokens")}
)
"""Words that tell of a secret wherever they follow each other: ``fs.azure.account.key.<name>.blob.core.windows.net``."""


@lru_cache(maxsize=4096)
def is_secret_name(name: str) -> bool:
    """Whether a value under this name is a secret, as far as a name can tell."""
    words = [word.lower() for word in _WORD.findall(name[-160:])]
    letters = "".join(words)
    if not words or letters in _HARMLESS:
        return False
    if _ANYWHERE.search(letters) or any(pair in _PAIRS for pair in pairwise(words)):
        return True
    return any(_tells(words, at) for at in range(len(words)))


def _tells(words: list[str], at: int) -> bool:
    """Whether the word at this place tells of a secret, with those around it."""
    word, is_last = words[at], at == len(words) - 1
    before = words[at - 1] if at else ""
    after = "" if is_last else words[at + 1]
    if word == "key":
        return is_last and bool(before) and before not in _PUBLIC_KEYS
    if word == "token":
        return before not in _TEXT_TOKENS and after not in _OF_TOKENS
    if word.endswith("token"):
        return is_last and word.removesuffix("token") not in _TEXT_TOKENS
    if word in {"pwd", "authorization"}:
        return is_last
    if word in {"sas", "pat"}:
        return is_last and (bool(before) or word == "sas")
    return word in _RUN_TOGETHER and is_last
