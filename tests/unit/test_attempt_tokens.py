"""Attempt tokens: what one says, whose it is, how long it is worth something, and for which blobs."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from runyard.attempts import (
    AttemptOverError,
    Keyring,
    TokenError,
    grant,
    issue,
    job_document,
    read,
    registers,
    standing,
    trade,
)
from runyard.attempts.keys import LONGEST, OF_KEY, RENEWED
from runyard.attempts.standing import GRACE, Standing
from runyard.errors import ConfigError, ThrottledError, TransientError
from runyard.runs.model import Run
from runyard.runs.states import State
from runyard.testing import ManualClock, MemorySecrets
from tests.remote import Far


@pytest.fixture
def far() -> Far:
    made = Far()
    made.begin()
    return made


def held(far: Far) -> Standing:
    return standing(far.house.ports, far.services.keyring, far.token())


def test_a_token_says_whose_it_is_and_until_when() -> None:
    clock = ManualClock(start=1000.0)
    keyring = Keyring(MemorySecrets(), clock)
    claim = read(keyring, issue(keyring, "exp_1_ab", 3, seconds=60))
    assert (claim.run_id, claim.attempt, claim.expires) == ("exp_1_ab", 3, 1060.0)
    token = issue(keyring, "exp_1_ab", 3, seconds=60)
    clock.advance(60)
    with pytest.raises(TokenError):
        read(keyring, token)
    with pytest.raises(ConfigError, match="at most"):
        issue(keyring, "r", 1, seconds=LONGEST + 1)


def test_no_part_of_a_token_can_be_changed() -> None:
    keyring = Keyring(MemorySecrets(), ManualClock(start=1000.0))
    token = issue(keyring, "exp_1_ab", 1)
    assert read(keyring, token)
    for index, letter in enumerate(token):
        for other in "0aZ-":
            if other != letter and (index < len(token) - 1 or other in "aZ"):
                with pytest.raises((TokenError, ThrottledError)):
                    read(keyring, token[:index] + other + token[index + 1 :])
    for text in ("", "rya1", token + "x", " " + token, token.replace("rya1", "rya2"), "é" * 100):
        with pytest.raises(TokenError) as error:
            read(keyring, text)
        assert token[-20:] not in str(error.value)


def test_every_process_finds_the_key_that_one_made() -> None:
    secrets, clock = MemorySecrets(), ManualClock()
    one, other = Keyring(secrets, clock), Keyring(secrets, clock)
    assert read(other, issue(one, "r", 1)).run_id == "r"
    assert one.signing().id == other.signing().id
    assert one.signing().key not in repr(one.signing())


def test_two_processes_that_make_the_first_key_at_once_make_good_tokens_both() -> None:
    clock = ManualClock()
    secrets = MemorySecrets()
    one, other = Keyring(secrets, clock), Keyring(secrets, clock)
    first, second = one._make(), other._make()
    one._signing, other._signing = (clock.now(), first), (clock.now(), second)
    third = Keyring(secrets, clock)
    assert read(third, issue(one, "a", 1)).run_id == "a"
    clock.advance(2)
    assert read(third, issue(other, "b", 1)).run_id == "b"


def test_an_older_key_is_good_for_a_while_and_then_goes() -> None:
    clock, secrets = ManualClock(), MemorySecrets()
    keyring = Keyring(secrets, clock)
    token = issue(keyring, "r", 1, seconds=LONGEST)
    keyring.rotate()
    assert read(keyring, token)
    clock.advance(LONGEST - 1)
    assert read(keyring, token)
    clock.advance(2)
    keyring.rotate()
    keyring.rotate()
    assert 3 == len([name for name in secrets.names() if name.startswith(OF_KEY)])


def test_a_key_is_followed_by_another_when_it_has_served_its_time() -> None:
    clock = ManualClock()
    keyring = Keyring(MemorySecrets(), clock)
    before = keyring.signing()
    clock.advance(RENEWED + 1)
    assert keyring.signing().id != before.id


def test_a_key_that_leaked_can_be_made_worthless_at_once() -> None:
    clock, secrets = ManualClock(), MemorySecrets()
    keyring, other = Keyring(secrets, clock), Keyring(secrets, clock)
    token = issue(keyring, "r", 1)
    assert read(other, token)
    keyring.rotate(at_once=True)
    with pytest.raises(TokenError):
        read(keyring, token)
    clock.advance(61)
    with pytest.raises(TokenError):
        read(other, token)


def test_made_up_keys_do_not_flood_the_secrets() -> None:
    keyring = Keyring(MemorySecrets(), ManualClock())
    token = issue(keyring, "r", 1)
    parts = token.split(".")
    with pytest.raises(TokenError):
        read(keyring, ".".join([parts[0], "0" * 16, *parts[2:]]))
    with pytest.raises(ThrottledError):
        read(keyring, ".".join([parts[0], "1" * 16, *parts[2:]]))


def test_a_token_is_worth_something_while_its_attempt_is_on_its_compute(far: Far) -> None:
    assert held(far).may_start
    token = far.token()
    far.end()
    with pytest.raises(AttemptOverError):
        standing(far.house.ports, far.services.keyring, token)


def test_a_token_of_another_attempt_is_worth_nothing(far: Far) -> None:
    for attempt in (2, 7):
        with pytest.raises(AttemptOverError):
            standing(far.house.ports, far.services.keyring, far.token(attempt))
    stranger = issue(far.services.keyring, "exp_1_00000000", 1)
    with pytest.raises(AttemptOverError):
        standing(far.house.ports, far.services.keyring, stranger)


def test_a_voided_attempt_may_do_nothing(far: Far) -> None:
    assert registers.void(far.blobs, far.run.id, 1, "too late")
    with pytest.raises(AttemptOverError):
        held(far)


def test_after_a_cancel_by_force_a_runner_may_still_store_what_it_has_for_a_while(far: Far) -> None:
    ports = far.house.ports
    token = far.token()
    run = ports.runs.get(far.run.id)
    assert run is not None

    class Ended:
        def __getattr__(self, name: str) -> object:
            return getattr(ports.runs, name)

        def get(self, _run_id: str) -> Run:
            assert run is not None
            return replace(run, state=State.CANCELED, ended=far.house.clock.now())

    from dataclasses import replace as change

    ended = change(ports, runs=Ended())  # type: ignore[arg-type]
    found = standing(ended, far.services.keyring, token)
    assert found.cancel_requested
    assert not found.may_start
    assert grant(found, "outputs/a", "replace").blob == f"{run.id}/1/outputs/a"
    for name, use in (("@snapshot", "read"), ("@register", "create")):
        with pytest.raises(AttemptOverError):
            grant(found, name, use)  # type: ignore[arg-type]
    with pytest.raises(AttemptOverError):
        job_document(ended, found)
    far.house.clock.advance(GRACE + 1)
    later = change(ports, runs=ports.runs)
    far.end()
    with pytest.raises(AttemptOverError):
        standing(later, far.services.keyring, token)


def test_a_token_gives_exactly_the_blobs_of_its_attempt(far: Far) -> None:
    found = held(far)
    run = far.run
    assert run.snapshot is not None
    grants = [grant(found, name, use) for name, use in _ALLOWED]  # type: ignore[arg-type]
    assert [(each.container, each.blob) for each in grants] == [
        ("snapshots", run.snapshot.name),
        ("registers", f"{run.id}/1"),
        ("runs", f"{run.id}/1/result.json"),
        ("runs", f"{run.id}/1/azureml-logs/70_driver_log.txt"),
        ("runs", f"{run.id}/1/metrics.jsonl"),
        ("runs", f"{run.id}/1/outputs/ß/model.bin"),
    ]
    assert grants[0].etag == run.snapshot.etag


_ALLOWED = [
    ("@snapshot", "read"),
    ("@register", "create"),
    ("result.json", "create"),
    ("azureml-logs/70_driver_log.txt", "append"),
    ("metrics.jsonl", "append"),
    ("outputs/ß/model.bin", "replace"),
]


@pytest.mark.parametrize(("name", "use"), _ALLOWED)
def test_each_name_is_for_one_use_only(far: Far, name: str, use: str) -> None:
    for other in {"read", "create", "replace", "append", "delete", ""} - {use}:
        with pytest.raises(ConfigError):
            grant(held(far), name, other)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "name",
    ["", "/", "../2/x", "a/../../x", "a/./b", "a//b", "/a", "a/", "a\\b", "a\0b", "a\nb", "@other", "a./b", "..", "\udc80",
     "x" * 901, "é" * 200, "/".join("a" * 201)],
    ids=ascii,
)  # fmt: skip
def test_no_name_leads_out_of_the_attempts_folder(far: Far, name: str) -> None:
    with pytest.raises(ConfigError):
        grant(held(far), name, "replace")


def test_a_trade_is_bounded_and_its_links_are_in_no_repr(far: Far) -> None:
    with pytest.raises(ConfigError, match="100"):
        trade(far.house.ports, held(far), [(f"outputs/{n}", "replace") for n in range(101)])
    (link,) = trade(far.house.ports, held(far), [("outputs/a", "replace")])
    assert link.url is None
    assert "url" not in repr(link)


def test_whoever_creates_a_register_decides(far: Far) -> None:
    blobs = far.blobs
    assert registers.decision(blobs, "r", 1) is None
    assert registers.void(blobs, "r", 1, "two\nlines")
    assert registers.void(blobs, "r", 1, "again")
    assert registers.decision(blobs, "r", 1) == ("void", "two lines")
    blobs.put("registers", "r/2", b"started abc\n")
    assert not registers.void(blobs, "r", 2, "late")
    blobs.put("registers", "r/3", b"\xff\xfe")
    assert not registers.void(blobs, "r", 3, "nobody knows what that is")
    registers.forget(blobs, "r", 1)
    registers.forget(blobs, "r", 1)
    assert registers.decision(blobs, "r", 1) is None


def test_a_register_that_cannot_be_reached_decides_nothing(far: Far) -> None:
    class Down:
        def put(self, *_: object, **__: object) -> None:
            raise OSError(5, "Input/output error")

    with pytest.raises(TransientError, match="could not be voided"):
        registers.void(Down(), "r", 1, "x")  # type: ignore[arg-type]
