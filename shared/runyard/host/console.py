"""The lines that ``runyard up`` prints: one per event, made from what the code logs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime

from runyard.telemetry.lines import as_json

Print = Callable[[str], None]


class ConsoleHandler(logging.Handler):
    """Prints log records as ``time  source  what happened  run id``.

    A record's source is its ``action`` (``extra={"action": "blob.arrived"}``), else its logger's last name; the run id is
    its ``run``: an id, or a run's ``log_context()``. Times are local: a person at the machine reads them.
    """

    def __init__(self, console: Print, level: int = logging.INFO, *, json_lines: bool = False) -> None:
        super().__init__(level)
        self._console = console
        self._form = as_json if json_lines else line

    def emit(self, record: logging.LogRecord) -> None:
        """Print one line."""
        try:
            self._console(self._form(record))
        except Exception:  # noqa: BLE001 - logging's own rule: a handler reports its failure and never raises
            self.handleError(record)


def line(record: logging.LogRecord) -> str:
    """A record as one line; control characters (a file's name may hold them) are shown, not sent to the terminal."""
    moment = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
    source = str(getattr(record, "action", None) or record.name.rpartition(".")[2])
    run = getattr(record, "run", None)
    if isinstance(run, Mapping):
        run = run.get("run")
    mark = "" if record.levelno < logging.WARNING else f"{record.levelname.lower()}: "
    text = record.getMessage()
    if not text.isprintable():
        text = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)
    return f"{moment}  {source:<16} {mark}{text}" + (f"  {run}" if run and run not in text else "")
