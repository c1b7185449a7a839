"""The service's token: made once, read from the vault, changed there."""

from __future__ import annotations

import pytest

from runyard.errors import AuthError, TransientError
from runyard.ports import Secrets
from runyard.services.entry import AGAIN, CLAIM, FRESH, TOKEN, Entry
from runyard.testing import ManualClock, MemoryBlobStore, MemorySecrets


class Vault:
    """A vault in memory that can be down, and that counts who asks."""

    def __init__(self) -> None:
        self.inner = MemorySecrets()
        self.down = False
        self.reads = 0

    def get(self, name: str) -> str | None:
        self.reads += 1
        if self.down:
            raise TransientError("the vault is down")
        return self.inner.get(name)

    def __getattr__(self, name: str) -> object:
        return getattr(self.inner, name)


class Scene:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.vault = Vault()
        self.blobs = MemoryBlobStore(self.clock)
        self.waits: list[float] = []

    def entry(self) -> Entry:
        secrets: Secrets = self.vault  # type: ignore[assignment]
        return Entry(secrets, self.blobs, now=self.clock.now, wait=self.waits.append)


def test_all_instances_count_the_one_token() -> None:
    scene = Scene()
    tokens = {scene.entry().token() for _ in range(3)}
    assert {scene.vault.inner.get(TOKEN)} == tokens
    assert len(tokens.pop()) >= 43


def test_who_does_not_make_the_claim_waits_for_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene()
    scene.blobs.put(*CLAIM, b"")
    entry = scene.entry()

    def other_instance(seconds: float) -> None:
        scene.waits.append(seconds)
        if len(scene.waits) == 3:
            scene.vault.inner.set(TOKEN, "of the other")

    monkeypatch.setattr(entry, "_wait", other_instance)
    assert "of the other" == entry.token()
    assert 3 == len(scene.waits)


def test_a_claim_whose_maker_is_gone_holds_nobody_up_for_good() -> None:
    scene = Scene()
    scene.blobs.put(*CLAIM, b"")
    token = scene.entry().token()
    assert 10 == len(scene.waits)
    assert scene.vault.inner.get(TOKEN) == token


def test_a_token_that_was_changed_in_the_vault_counts_at_once_and_the_old_one_a_minute() -> None:
    scene = Scene()
    entry = scene.entry()
    old = entry.token()
    scene.clock.advance(AGAIN)
    scene.vault.inner.set(TOKEN, "new")
    entry.admit(old)
    entry.admit("new")
    with pytest.raises(AuthError):
        entry.admit(old)


def test_wrong_tokens_do_not_have_the_vault_asked_each_time() -> None:
    scene = Scene()
    entry = scene.entry()
    entry.token()
    before = scene.vault.reads
    for _ in range(50):
        with pytest.raises(AuthError):
            entry.admit("wrong")
    assert scene.vault.reads == before
    scene.clock.advance(AGAIN)
    with pytest.raises(AuthError):
        entry.admit("wrong")
    assert before + 1 == scene.vault.reads


def test_a_token_that_was_read_goes_on_to_count_while_the_vault_is_down() -> None:
    scene = Scene()
    entry = scene.entry()
    token = entry.token()
    scene.vault.down = True
    scene.clock.advance(FRESH)
    entry.admit(token)
    with pytest.raises(TransientError):
        scene.entry().admit(token)


def test_nothing_opens_without_a_token() -> None:
    scene = Scene()
    with pytest.raises(AuthError):
        scene.entry().admit("")
