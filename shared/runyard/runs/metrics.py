"""Metrics as a script logs them: one JSON line per call, and what is made of those lines.

A line: ``{"name": …, "type": "azureml.v1.scalar|list|table|image", "value": …, "time": …, "step": …}``. The type tags
and the shapes that :func:`as_sdk` gives are those of the Azure ML v1 SDK's ``run.get_metrics()``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from runyard.runs.model import MetricSummary

SCALAR: Final = "azureml.v1.scalar"
LIST: Final = "azureml.v1.list"
TABLE: Final = "azureml.v1.table"
IMAGE: Final = "azureml.v1.image"

MAX_NAMES: Final = 200
"""Metrics that are summarised on a run's row; all of them stay in its ``metrics.jsonl``."""

_SPECIAL: Final = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


class MetricLine(msgspec.Struct, frozen=True):
    """One logged value."""

    name: str
    type: str = SCALAR
    value: Any = None
    time: float = 0.0
    step: int | None = None


_DECODER: Final = msgspec.json.Decoder(MetricLine)


def read_lines(lines: Iterable[bytes]) -> Iterator[MetricLine]:
    """The lines that can be read; a torn last line, or one a script wrote by itself, is passed over."""
    for line in lines:
        if not line.strip():
            continue
        try:
            yield _DECODER.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue


def summarise(lines: Iterable[bytes]) -> dict[str, MetricSummary]:
    """The figures of each numeric metric: scalars, and the items of lists. NaN and infinities do not count."""
    figures: dict[str, list[float]] = {}
    for line in read_lines(lines):
        values = line.value if line.type == LIST and isinstance(line.value, list) else [line.value]
        if line.type not in {SCALAR, LIST}:
            continue
        numbers = [float(v) for v in values if isinstance(v, int | float) and not isinstance(v, bool) and math.isfinite(v)]
        if numbers and (line.name in figures or len(figures) < MAX_NAMES):
            figures.setdefault(line.name, []).extend(numbers)
    return {
        name: MetricSummary(last=values[-1], min=min(values), max=max(values), count=len(values))
        for name, values in figures.items()
    }


def as_sdk(lines: Iterable[bytes]) -> dict[str, Any]:
    """What ``run.get_metrics()`` gives.

    One scalar is a bare value, repeated ones a list; a list of one is a bare value too. A table is a mapping of columns
    to a value or a list. Where a name was logged with two types, the first counts.
    """
    kinds: dict[str, str] = {}
    values: dict[str, list[Any]] = {}
    tables: dict[str, dict[str, list[Any]]] = {}
    for line in read_lines(lines):
        if kinds.setdefault(line.name, line.type) != line.type:
            continue
        if line.type == TABLE and isinstance(line.value, dict):
            columns = tables.setdefault(line.name, {})
            for column, cell in line.value.items():
                columns.setdefault(column, []).extend(cell if isinstance(cell, list) else [cell])
        elif line.type == LIST and isinstance(line.value, list):
            values.setdefault(line.name, []).extend(map(_restore, line.value))
        else:
            values.setdefault(line.name, []).append(_restore(line.value))
    result: dict[str, Any] = {name: _bare(items) for name, items in values.items()}
    for name, columns in tables.items():
        result[name] = {column: _bare([_restore(cell) for cell in cells]) for column, cells in columns.items()}
    return result


def _restore(value: Any) -> Any:
    return _SPECIAL.get(value, value) if isinstance(value, str) else value


def _bare(items: list[Any]) -> Any:
    return items[0] if len(items) == 1 else items
