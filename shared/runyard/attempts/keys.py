"""The keys that attempt tokens are signed with: secrets of the service, each under a name of its own.

``attempt-key-<id>`` holds a key, and a token names the one that signed it. ``attempt-signing`` names the key of new tokens. Two
processes that find none make one each; one of them is named in the end, and the tokens of both are good.
"""

from __future__ import annotations

import re
import secrets as random
from typing import Final

import msgspec

from runyard.errors import ThrottledError
from runyard.ports import Clock, Secrets

OF_KEY: Final = "attempt-key-"
SIGNING: Final = "attempt-signing"
LONGEST: Final = 86_400.0
"""Seconds that a token may live, and so that a key which signs no more is still good."""
RENEWED: Final = 30 * 86_400.0
"""Seconds after which a key is followed by a new one."""
REMEMBERED: Final = 60.0
"""Seconds that a process goes by what it read of a key: so long a key that was removed may still be taken for good."""
_UNKNOWN: Final = 1.0
"""Seconds between look-ups of keys that this process does not know: whoever makes names up must not flood the secrets' store."""

_ID: Final = re.compile(r"[0-9a-f]{16}")


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """One key, as it is stored (JSON)."""

    id: str
    made: float
    key: str
    """32 random bytes, in hexadecimal digits."""
    until: float | None = None
    """When it ends, once another has followed it."""

    def __repr__(self) -> str:
        return f"Key({self.id})"


_decoder: Final = msgspec.json.Decoder(Key)


class Keyring:
    """The keys, read when they are needed and remembered for a minute. Any thread."""

    def __init__(self, secrets: Secrets, clock: Clock) -> None:
        self._secrets = secrets
        self._clock = clock
        self._known: dict[str, tuple[float, Key | None]] = {}
        self._signing: tuple[float, Key] | None = None
        self._looked = float("-inf")

    @property
    def clock(self) -> Clock:
        """The clock that keys and tokens go by."""
        return self._clock

    def signing(self) -> Key:
        """The key for new tokens; it is made if there is none, or if the one there is has served its time."""
        now = self._clock.now()
        if self._signing is not None and now - self._signing[0] < REMEMBERED:
            return self._signing[1]
        named = self._secrets.get(SIGNING)
        key = self._read(named) if named is not None and _ID.fullmatch(named) else None
        if key is None or key.until is not None:
            key = self._make()
        elif now - key.made > RENEWED:
            key = self.rotate()
        self._signing = (now, key)
        return key

    def find(self, ident: str) -> Key | None:
        """The key of this id, if it is good now.

        Raises:
            ThrottledError: if a key is asked for that is not known here, right after another.
        """
        if not _ID.fullmatch(ident):
            return None
        now = self._clock.now()
        read, key = self._known.get(ident, (float("-inf"), None))
        if now - read >= REMEMBERED:
            if key is None:
                self._wait_for_turn(now)
            key = self._read(ident)
            if key is None:
                self._known.pop(ident, None)
            else:
                self._known[ident] = (now, key)
        return key if key is not None and (key.until is None or now < key.until) else None

    def rotate(self, *, at_once: bool = False) -> Key:
        """Have new tokens signed by a new key.

        Args:
            at_once: Whether tokens that were signed before are worth nothing from now on (other processes: within a minute).
                Otherwise they live out their time.
        """
        key = self._make()
        now = self._clock.now()
        for name in self._secrets.names():
            ident = name.removeprefix(OF_KEY)
            if not name.startswith(OF_KEY) or ident == key.id:
                continue
            old = self._read(ident)
            if at_once or old is None or (old.until is not None and old.until <= now):
                self._secrets.remove(name)
            elif old.until is None:
                self._write(msgspec.structs.replace(old, until=now + LONGEST))
        self._known = {key.id: (now, key)}
        self._signing = (now, key)
        return key

    def _make(self) -> Key:
        key = Key(id=random.token_hex(8), made=self._clock.now(), key=random.token_hex(32))
        self._write(key)  # before it is named: whoever finds the name finds the key
        self._secrets.set(SIGNING, key.id)
        return key

    def _write(self, key: Key) -> None:
        self._secrets.set(OF_KEY + key.id, msgspec.json.encode(key).decode())

    def _read(self, ident: str) -> Key | None:
        text = self._secrets.get(OF_KEY + ident)
        try:
            return _decoder.decode(text) if text is not None else None
        except msgspec.DecodeError:
            return None

    def _wait_for_turn(self, now: float) -> None:
        if 0 <= now - self._looked < _UNKNOWN:
            raise ThrottledError("too many tokens with unknown keys; try again in a moment", _UNKNOWN)
        self._looked = now
