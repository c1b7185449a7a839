"""Keyset pages over runs: the cursor's form and the checks of a query."""

from __future__ import annotations

import base64
import binascii
from typing import Final

import msgspec

from runyard.errors import ConfigError
from runyard.ports.runs import Query
from runyard.runs.model import Run

MAX_PAGE: Final = 1000
"""Runs on one page."""

Key = tuple[float, str]
"""Where a run stands in a listing: (created, id), descending."""

_decoder: Final[msgspec.json.Decoder[Key]] = msgspec.json.Decoder(Key)


def key_of(run: Run) -> Key:
    """The run's place in a listing."""
    return run.created, run.id


def encode_cursor(key: Key) -> str:
    """An opaque cursor: what follows the run with this key."""
    return base64.urlsafe_b64encode(msgspec.json.encode(key)).decode("ascii").rstrip("=")


def decode_cursor(cursor: str) -> Key:
    """Read what :func:`encode_cursor` made.

    Raises:
        ConfigError: if it did not make this.
    """
    try:
        return _decoder.decode(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError) as error:
        raise ConfigError("the cursor is not one that a page of runs gave; ask for the first page again") from error


def check_query(query: Query) -> Key | None:
    """Check a query and return the key after which its page begins.

    Raises:
        ConfigError: for a page size out of range or a cursor that is none.
    """
    if not 1 <= query.limit <= MAX_PAGE:
        raise ConfigError(f"a page has 1 to {MAX_PAGE} runs, not {query.limit}")
    return None if query.after is None else decode_cursor(query.after)
