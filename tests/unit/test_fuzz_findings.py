"""What the fuzz targets take for a finding, and how it is told."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fuzz import __main__ as command
from tests.fuzz import fuzz_runconfig, fuzz_zip, target
from tests.fuzz.target import GreedyError, SlowError, Target, check

HERE = Path(__file__).parents[2]


def fake(run: Callable[[bytes], object]) -> Target:
    return Target(name="fake", run=run, seeds=lambda: [b"1"])


def test_an_input_that_is_refused_or_read_is_no_finding() -> None:
    check(fake(len), b"123")


def test_any_other_exception_is_a_finding() -> None:
    def fail(_: bytes) -> None:
        raise IndexError

    with pytest.raises(IndexError):
        check(fake(fail), b"123")


def test_a_slow_input_is_a_finding_when_it_is_slow_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([0.0, 2.0, 2.0, 4.0])
    monkeypatch.setattr(time, "process_time", lambda: next(times))
    with pytest.raises(SlowError, match=r"2\.0 s for 3 bytes"):
        check(fake(len), b"123")
    times = iter([0.0, 2.0, 2.0, 2.1])
    check(fake(len), b"123")


def test_a_greedy_input_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = iter([100 << 20, 200 << 20])
    monkeypatch.setattr(target, "_memory", lambda: next(sizes))
    with pytest.raises(GreedyError, match="105 MB for 3 bytes"):
        check(fake(len), b"123")


@pytest.mark.parametrize("load", [fuzz_zip.load, fuzz_runconfig.load])
def test_what_every_target_begins_with_is_no_finding(load: Callable[[], Target]) -> None:
    made = load()
    assert len(made.seeds()) >= 8
    for data in made.seeds():
        check(made, data)
        assert len(data) <= made.longest


def test_a_finding_can_be_repeated(tmp_path: Path) -> None:
    (tmp_path / "finding").write_bytes(b"PK")
    options = {"cwd": HERE, "env": {"PYTHONPATH": f"{HERE / 'shared'}:{HERE}"}, "capture_output": True}
    done = subprocess.run([sys.executable, "-m", "tests.fuzz.fuzz_zip", tmp_path / "finding"], check=False, **options)  # type: ignore[call-overload]
    assert (0, b"") == (done.returncode, done.stderr)


FAULTY = """
import sys
from tests.fuzz.target import Target, main
def run(data):
    if data[:1] == b"!":
        raise KeyError("found")
sys.exit(main(lambda: Target(name="fuzz_faulty", run=run, seeds=lambda: [b"ab"], words=(b"!",)), ()))
"""


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None, reason="atheris has no build for this Python and system"
)
def test_the_engine_finds_what_is_wrong_and_keeps_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tests" / "fuzz").mkdir(parents=True)
    for name in ("__init__.py", "target.py"):
        (tmp_path / "tests" / "fuzz" / name).write_bytes((HERE / "tests" / "fuzz" / name).read_bytes())
    (tmp_path / "tests" / "fuzz" / "fuzz_faulty.py").write_text(FAULTY)
    monkeypatch.setattr(command, "HERE", tmp_path)
    assert not command.passes("fuzz_faulty", 20, 1, tmp_path / "found")
    (finding,) = command.findings("fuzz_faulty", tmp_path / "found")
    assert b"!" == finding.read_bytes()[:1]
    told = capsys.readouterr().out
    assert "KeyError: 'found'" in told
    assert f"-m tests.fuzz.fuzz_faulty {finding}" in told
