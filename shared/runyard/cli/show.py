"""Output: JSON, tables, times and sizes."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from runyard.cli.terminal import plain

WIDE: Final = 10_000
"""Columns of output that is no terminal: nothing is cut or folded there."""
LONGEST_NAME: Final = 60
"""Characters of a metric's name in a table; JSON has it whole."""
_STYLES: Final = {"Completed": "green", "Failed": "red", "Canceled": "yellow", "Running": "cyan"}
_UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB")


def print_json(value: Any) -> None:
    """JSON on stdout; everything but ASCII is escaped, so that no terminal obeys it."""
    print(json.dumps(value, indent=2))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, fixed: int = 1, status: int = -1) -> None:
    """A table on stdout: the first ``fixed`` columns are never cut, the last one folds; ``status`` is coloured."""
    from rich.console import Console  # noqa: PLC0415 - 60 ms
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    terminal = sys.stdout.isatty()
    console = Console(highlight=False, width=None if terminal else WIDE)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold", show_edge=False)
    for index, name in enumerate(columns):
        last = index == len(columns) - 1
        table.add_column(
            name, no_wrap=not last and index >= fixed, overflow="fold" if last or index < fixed else "ellipsis"
        )
    for row in rows:
        cells = [Text(plain(cell)) for cell in row]
        if status >= 0:
            cells[status].stylize(_STYLES.get(row[status], ""))
        table.add_row(*cells)
    console.print(table)


def print_fields(fields: Iterable[tuple[str, str]]) -> None:
    """Names and values, one a line; empty ones are left out."""
    print_lines((name, value) for name, value in fields if value)


def print_lines(lines: Iterable[tuple[str, str]]) -> None:
    """Names and texts, aligned; a name may be empty for a line that belongs to the one above."""
    shown = list(lines)
    width = max((len(name) for name, _ in shown), default=0)
    for name, value in shown:
        print(f"{name:<{width}}  {plain(value)}")


def local_time(iso: str | None) -> str:
    """A time of the API in the user's time zone, to the second."""
    return "" if iso is None else datetime.fromisoformat(iso).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def age(iso: str | None) -> str:
    """How long ago a time of the API is: ``3m``."""
    return "" if iso is None else span(time.time() - datetime.fromisoformat(iso).timestamp())


def between(start: str | None, end: str | None) -> str:
    """From one time of the API to another, or until now."""
    if start is None:
        return ""
    until = time.time() if end is None else datetime.fromisoformat(end).timestamp()
    return span(until - datetime.fromisoformat(start).timestamp())


def relative(iso: str, now: str) -> str:
    """A time of the API as seen from another: ``in 45s``, ``3m05s ago``."""
    ahead = datetime.fromisoformat(iso).timestamp() - datetime.fromisoformat(now).timestamp()
    return f"in {span(ahead)}" if ahead > 0 else f"{span(-ahead)} ago"


def span(seconds: float) -> str:
    """A duration in its two largest units at most."""
    seconds = max(seconds, 0.0)
    if seconds < 10:
        return f"{seconds:.1f}s"
    if seconds < 60:
        return f"{seconds:.0f}s"
    minutes = int(seconds // 60)
    if minutes < 60:
        return f"{minutes}m{int(seconds % 60):02d}s"
    if minutes < 48 * 60:
        return f"{minutes // 60}h{minutes % 60:02d}m"
    return f"{minutes // 1440}d{minutes % 1440 // 60:02d}h"


def size(count: float) -> str:
    """Bytes in a readable unit."""
    for unit in _UNITS:
        if count < 1024 or unit == _UNITS[-1]:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    raise AssertionError


def figure(value: object) -> str:
    """A metric's value."""
    if isinstance(value, float):
        return f"{value:.6g}"
    return value if isinstance(value, str) else json.dumps(value)


def shortened(name: str) -> str:
    """A name that a script made up, short enough for a column."""
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "\u2026"


def colourless() -> bool:
    """Whether colour and movement are unwanted on stderr."""
    return not sys.stderr.isatty() or bool(os.environ.get("NO_COLOR"))
