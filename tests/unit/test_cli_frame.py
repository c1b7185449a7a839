"""The command line's frame: help, start-up, exit codes, terminals, the generated page."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from runyard.cli import main, outcome, reference, show
from runyard.cli.files import place
from runyard.cli.terminal import Neutraliser, neutral, plain
from runyard.errors import ConfigError

ROOT = Path(__file__).parents[2]


def test_help_tells_the_exit_codes() -> None:
    text = " ".join(CliRunner().invoke(main.app, ["--help"]).stdout.split())
    for code, meaning in outcome.CODES:
        assert f"{code} {meaning}" in text


def test_every_command_has_help_that_fits_80_columns() -> None:
    for words in ([], ["submit"], ["runs"], ["webhook"], ["webhook", "add"], ["compute", "set"], ["prune"]):
        result = CliRunner().invoke(main.app, [*words, "--help"])
        assert result.exit_code == 0
        assert max(map(len, result.stdout.splitlines())) <= 80


def test_a_wrong_command_line_is_exit_code_2() -> None:
    for words in (["nothing"], ["runs", "--nothing"], ["show"], ["runs", "--limit", "0"]):
        assert CliRunner().invoke(main.app, words).exit_code == outcome.USAGE


def test_version_is_printed_both_ways() -> None:
    said = {CliRunner().invoke(main.app, [word]).stdout for word in ("--version", "version")}
    assert len(said) == 1
    assert said.pop().startswith("runyard ")


def test_help_starts_fast_and_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom runyard.cli.main import app\n"
        "heavy = {'fastapi', 'httpx', 'pydantic', 'rich', 'azure', 'msgspec', 'uvicorn'} & set(sys.modules)\n"
        "sys.exit(', '.join(sorted(heavy)) or 0)"
    )
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT / "shared")
    assert time.perf_counter() - started < 5  # 0.15 s on an idle machine


def test_the_published_page_is_the_applications_own() -> None:
    text = (ROOT / reference.PUBLISHED).read_text(encoding="utf-8")
    assert text == reference.page(), "write it again with `make docs`"


def test_a_bug_is_one_sentence_unless_debugging(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken() -> None:
        raise ZeroDivisionError("inner")

    monkeypatch.setattr(main, "app", broken)
    monkeypatch.delenv("RUNYARD_DEBUG", raising=False)
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert ended.value.code == outcome.FAILED
    assert "RUNYARD_DEBUG=1" in capsys.readouterr().err
    monkeypatch.setenv("RUNYARD_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        main.main()


def test_every_ending_has_an_exit_code() -> None:
    assert {str(state) for state in outcome.OF_STATUS} == {"Completed", "Failed", "Canceled"}
    with pytest.raises(typer.Exit) as ended, outcome.reported():
        raise ConfigError("a\nb")
    assert ended.value.exit_code == outcome.FAILED


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é 日本", "plain é 日本"),
        ("a\tb\n", "a\tb\n"),
        ("\x1b[31m", r"\x1b[31m"),
        ("\x9b1m\x00\x7f", r"\x9b1m\x00\x7f"),
        ("a\u202eb", r"a\u202eb"),
        ("\x1b]8;;http://evil\x07", r"\x1b]8;;http://evil\x07"),
    ],
)
def test_escapes_are_spelled_out(text: str, shown: str) -> None:
    assert neutral(text) == shown


def test_a_line_stays_a_line() -> None:
    assert plain("a\nb\tc") == "a\\nb c"


def test_neutralised_pieces_are_the_whole() -> None:
    data = "é\x1b[1m日\r\n50%\r100%\r\nend\r".encode() + b"\xff\xc3"
    for size in (1, 2, 3, 7, len(data)):
        terminal = Neutraliser()
        pieces = [terminal.feed(data[at : at + size]) for at in range(0, len(data), size)]
        text = "".join(pieces) + terminal.feed(b"", last=True)
        assert text == "é\\x1b[1m日\n50%\n100%\nend\n\ufffd\ufffd", size


@pytest.mark.parametrize("name", ["../a", "/a", "a/../b", "", "a//b", "a/.", "a\0"])
def test_unsafe_names_go_nowhere(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError):
        place(tmp_path, name)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1, "0.0s"), (3.14, "3.1s"), (59.4, "59s"), (61, "1m01s"), (3700, "1h01m"), (200_000, "2d07h")],
)
def test_spans_are_short(seconds: float, text: str) -> None:
    assert show.span(seconds) == text


def test_sizes_are_readable() -> None:
    assert [show.size(count) for count in (0, 1023, 1536, 5 << 30)] == ["0 B", "1023 B", "1.5 KiB", "5.0 GiB"]
