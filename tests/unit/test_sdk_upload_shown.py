"""What a terminal shows of packing and uploading."""

from __future__ import annotations

from pathlib import Path

import pytest

from runyard.cli import submit
from runyard.sdk.submitting import Asked, Posted, Progress


class Terminal:
    """A client that tells of what it would do."""

    def __init__(self, *steps: tuple[str, int, int]) -> None:
        self.steps = steps
        self.progress: Progress | None = None

    def submit_once(
        self, source: Path | str, asked: Asked, *, key: str | None, progress: Progress | None = None
    ) -> Posted:
        self.progress = progress
        for step in self.steps:
            if progress is not None:
                progress(*step)
        return Posted({"runId": "r"}, created=True, same=True)


def send(client: Terminal, tmp_path: Path, *, quiet: bool = False) -> Posted:
    return submit._send(client, str(tmp_path), Asked(experiment="e"), None, quiet=quiet)  # type: ignore[arg-type]


def test_a_terminal_gets_bars_and_one_line_when_nothing_was_sent(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submit, "colourless", lambda: False)
    assert send(Terminal(("packing", 1, 2), ("packing", 2, 2), ("unchanged", 2, 2)), tmp_path).created
    assert "unchanged: the service has this snapshot already" in capsys.readouterr().err
    assert send(Terminal(("packing", 2, 2), ("uploading", 1, 2), ("uploading", 2, 2)), tmp_path).created
    assert "unchanged" not in capsys.readouterr().err


@pytest.mark.parametrize("quiet", [True, False])
def test_without_a_terminal_or_for_json_nothing_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, quiet: bool
) -> None:
    monkeypatch.setattr(submit, "colourless", lambda: not quiet)
    client = Terminal(("packing", 1, 1), ("unchanged", 1, 1))
    assert send(client, tmp_path, quiet=quiet).created
    assert client.progress is None
    assert capsys.readouterr() == ("", "")
