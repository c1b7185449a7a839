"""Metrics: the lines of ``metrics.jsonl``, read as the Azure ML SDK v1 gives them back, and as figures on the run.

A line is ``{"name", "type", "value", "time", "step", "child"}``. Types and shapes are those of the SDK
(``Run.get_metrics()``):

=====================  ==================================  =====================================================
type                   logged by                           read back
=====================  ==================================  =====================================================
``azureml.v1.scalar``  ``log(name, value)``                one value, or a list when the name was logged again
``azureml.v1.list``    ``log_list(name, values)``          a list (one element comes back bare, as a scalar does)
``azureml.v1.table``   ``log_row``, ``log_table``          columns, each one value or a list
``azureml.v1.image``   ``log_image(name, path)``           the artifact, or a list of them
``azureml.v1.…``       ``log_confusion_matrix`` and the    the JSON file among the outputs: see ``FILES``
                       like
``runyard.file``       any of these, with a value too      the file that holds the line
                       large for a line
``runyard.tag``        ``tag(name, value)``                no metric: see :func:`tags_of`; no value = removed
``runyard.property``   ``add_properties(pairs)``           no metric: see :func:`properties_of`
``runyard.param``      MLflow's ``log_param(name, value)``  no metric: ``Metrics.params``
``runyard.child``      ``child_run(name)``                 no metric: how a child run stands
``runyard.model``      ``register_model(name, path)``      no metric: which files were called a model
=====================  ==================================  =====================================================

What a child run logged is read back under ``<child>/<name>``.
Not-a-number and infinities are written as the texts ``NaN``, ``Infinity`` and ``-Infinity``, as JSON has no such numbers.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from runyard.runs.model import MetricSummary

SCALAR: Final = "azureml.v1.scalar"
LIST: Final = "azureml.v1.list"
TABLE: Final = "azureml.v1.table"
IMAGE: Final = "azureml.v1.image"
FILES: Final = frozenset(
    f"azureml.v1.{name}" for name in ("confusion_matrix", "accuracy_table", "residuals", "predictions")
)
FILE: Final = "runyard.file"
TYPES: Final = FILES | {SCALAR, LIST, TABLE, IMAGE, FILE}
TAG: Final = "runyard.tag"
PROPERTY: Final = "runyard.property"
PARAM: Final = "runyard.param"
NO_METRICS: Final = frozenset({TAG, PROPERTY, PARAM, "runyard.child", "runyard.model"})

MAX_SUMMARIES: Final = 200
"""Numeric metrics that are summarised on a run, the first ones logged: a run's row stays small. The file keeps all."""
MAX_PAIRS: Final = 200
"""Tags, and properties, that a script may give its run, the first ones: for the same reason."""
MAX_PAIR_LENGTH: Final = 1000
"""Characters of a tag's or a property's name, and of its value; more is cut."""

MINIMIZE: Final = "minimize"
MAXIMIZE: Final = "maximize"
GOALS: Final = (MINIMIZE, MAXIMIZE)
_NO_FIGURES: Final = frozenset({"NaN", "Infinity", "-Infinity"})
_SMALLER_IS_BETTER: Final = re.compile(
    r"loss|error|perplexity|deviance|(?<![a-z])(r?mse|rmsle|mae|mape|msle|err|wer|cer)(?![a-z])"
)


class _Line(msgspec.Struct):
    name: str
    value: Any
    type: str = SCALAR
    time: float = 0.0
    step: Any = None
    child: str = ""

    @property
    def full_name(self) -> str:
        return f"{self.child}/{self.name}" if self.child else self.name


_DECODER: Final = msgspec.json.Decoder(_Line)


@dataclass(slots=True, kw_only=True)
class Metrics:
    """What a run logged."""

    values: dict[str, Any] = field(default_factory=dict)
    """By name, in the shapes of the SDK."""
    params: dict[str, str] = field(default_factory=dict)
    """What the script computed with, as it told MLflow; the last value of each."""
    problems: list[str] = field(default_factory=list)
    """One sentence for each thing that could not be read back."""


def summarise(lines: Iterable[bytes | str]) -> dict[str, MetricSummary]:
    """The figures of each numeric metric: scalars and lists of numbers.

    NaN and infinities are no figures; truth values and texts are no numbers. A line that cannot be read (the last one of
    a script that was killed) is left out.
    """
    figures: dict[str, _Figures] = {}
    for line in lines:
        entry = _read(line)
        if entry is None or entry.type not in {SCALAR, LIST}:
            continue
        seen = figures.get(entry.full_name)
        if seen is None:
            if len(figures) >= MAX_SUMMARIES:
                continue
            seen = figures[entry.full_name] = _Figures()
        for value in entry.value if isinstance(entry.value, list) else (entry.value,):
            seen.add(value)
    return {name: seen.summary() for name, seen in figures.items() if seen.count}


def as_sdk(lines: Iterable[bytes | str]) -> dict[str, Any]:
    """The metrics by name, as the SDK's ``get_metrics()`` returns them."""
    return collect(lines).values


def collect(lines: Iterable[bytes | str]) -> Metrics:
    """The metrics in the SDK's shapes, and what could not be read back.

    As in the SDK, a value of another kind than the name's first one comes back as ``None``, and a name that was logged with
    two metric types keeps the first.
    """
    found: dict[str, _Series] = {}
    result = Metrics()
    unreadable = 0
    dropped: set[str] = set()
    for line in lines:
        entry = _read(line)
        if entry is not None and entry.type in NO_METRICS:
            if entry.type == PARAM:
                result.params[entry.full_name] = str(entry.value)
            continue
        if entry is None or entry.type not in TYPES:
            unreadable += bool(line.strip())
            continue
        name = entry.full_name
        series = found.setdefault(name, _Series(type=entry.type))
        if series.type == entry.type:
            series.add(entry.value)
        elif name not in dropped:
            dropped.add(name)
            result.problems.append(
                f"{name!r} was logged as {_short(series.type)} and as {_short(entry.type)}; only the first is kept"
            )
    if unreadable:
        result.problems.append(f"{unreadable} lines of metrics.jsonl could not be read")
    result.values = {name: series.shape() for name, series in found.items()}
    return result


def tags_of(lines: Iterable[bytes | str]) -> dict[str, str]:
    """The tags that the script gave its run; the last value of each, without those that it removed again."""
    return _pairs(lines, TAG)


def properties_of(lines: Iterable[bytes | str]) -> dict[str, str]:
    """The properties that the script gave its run; the last value of each."""
    return _pairs(lines, PROPERTY)


def _pairs(lines: Iterable[bytes | str], kind: str) -> dict[str, str]:
    found: dict[str, str] = {}
    mark = kind.encode()
    for line in lines:
        if (mark if isinstance(line, bytes) else kind) not in line:  # type: ignore[operator]
            continue  # nearly all lines are metrics: they are not read for this
        entry = _read(line)
        if entry is None or entry.type != kind:
            continue
        name = entry.full_name[:MAX_PAIR_LENGTH]
        if entry.value is None:
            found.pop(name, None)
        elif name in found or len(found) < MAX_PAIRS:
            found[name] = str(entry.value)[:MAX_PAIR_LENGTH]
    return found


def default_goal(metric: str) -> str:
    """``minimize`` for a name that looks like a loss or an error, else ``maximize``."""
    return MINIMIZE if _SMALLER_IS_BETTER.search(metric.lower()) else MAXIMIZE


def best_of(summary: MetricSummary, goal: str) -> float:
    """A run's figure in a comparison: its smallest or largest value, as HyperDrive compares children."""
    return summary.min if goal == MINIMIZE else summary.max


@dataclass(slots=True)
class _Figures:
    last: float = 0.0
    low: float = math.inf
    high: float = -math.inf
    count: int = 0

    def add(self, value: object) -> None:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return
        try:
            number = float(value)
        except OverflowError:
            return
        if not math.isfinite(number):
            return
        self.last = number
        self.low = min(self.low, number)
        self.high = max(self.high, number)
        self.count += 1

    def summary(self) -> MetricSummary:
        return MetricSummary(last=self.last, min=self.low, max=self.high, count=self.count)


@dataclass(slots=True)
class _Column:
    """Values under one name: bare while there is one."""

    values: list[Any] = field(default_factory=list)
    kind: str = ""

    def add(self, value: Any) -> None:
        if isinstance(value, str) and value in _NO_FIGURES:
            value = float(value)
        kind = _kind(value)
        if not self.kind and kind != "none":
            self.kind = kind
        self.values.append(value if kind in {self.kind, "none"} else None)

    def shape(self) -> Any:
        return self.values[0] if len(self.values) == 1 else self.values


@dataclass(slots=True)
class _Series:
    """Everything logged under one name."""

    type: str
    whole: _Column = field(default_factory=_Column)
    columns: dict[str, _Column] = field(default_factory=dict)

    def add(self, value: Any) -> None:
        if self.type != TABLE:
            for each in value if isinstance(value, list) else (value,):
                self.whole.add(each)
            return
        if not isinstance(value, Mapping):
            return
        for name, cell in value.items():
            column = self.columns.setdefault(str(name), _Column())
            for each in cell if isinstance(cell, list) else (cell,):
                column.add(each)

    def shape(self) -> Any:
        if self.type == TABLE:
            return {name: column.shape() for name, column in self.columns.items()}
        return self.whole.shape()


def _kind(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, (int, float)):
        return "number"
    return "text" if isinstance(value, str) else "object"


def _read(line: bytes | str) -> _Line | None:
    try:
        return _DECODER.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _read_leniently(line)


def _read_leniently(line: bytes | str) -> _Line | None:
    """Python writes NaN and infinities into JSON, which strict readers refuse."""
    try:
        value = json.loads(line)
        return msgspec.convert(value, _Line) if isinstance(value, dict) else None
    except (ValueError, RecursionError):
        return None


def _short(kind: str) -> str:
    return kind.rpartition(".")[2]
