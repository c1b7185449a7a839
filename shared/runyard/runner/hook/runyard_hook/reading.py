"""Reads logged metrics back in the shapes of the Azure ML SDK's ``get_metrics()``."""

import json
import warnings

from .values import back

SCALAR, LIST, TABLE, IMAGE = ("azureml.v1." + kind for kind in ("scalar", "list", "table", "image"))


def read_metrics(path, name=None):
    """Metrics by name: one scalar bare, repeated ones as a list; lists joined, one element bare; tables by column.

    A name that was logged as two types keeps its first one, with a warning.
    """
    kinds = {}
    values = {}
    for line in _lines(path):
        if line["type"] not in (SCALAR, LIST, TABLE, IMAGE) or (name is not None and line["name"] != name):
            continue
        kind = kinds.setdefault(line["name"], line["type"])
        if kind != line["type"]:
            message = "metric %s was logged as %s and as %s; the first is kept" % (line["name"], kind, line["type"])
            warnings.warn(message, stacklevel=3)
            continue
        _add(values, line["name"], kind, back(line["value"]))
    return {key: _shape(kinds[key], value) for key, value in values.items()}


def _lines(path):
    try:
        with open(path, encoding="utf-8") as stream:
            for text in stream:
                try:
                    line = json.loads(text)
                except ValueError:
                    continue  # being written just now, or cut short by a full disk
                if isinstance(line, dict) and {"name", "type", "value"} <= set(line):
                    yield line
    except FileNotFoundError:
        return


def _add(values, name, kind, value):
    if kind == TABLE:
        columns = values.setdefault(name, {})
        for column, cells in value.items():
            _extend(columns.setdefault(column, []), cells if isinstance(cells, list) else [cells])
    else:
        _extend(values.setdefault(name, []), value if kind == LIST else [value])


def _extend(cells, more):
    """Add cells; one of another kind than the first has becomes ``None``, as in the SDK."""
    for cell in more:
        first = next((known for known in cells if known is not None), None)
        cells.append(cell if first is None or cell is None or _kind(first) == _kind(cell) else None)


def _kind(value):
    return "number" if isinstance(value, (int, float)) and not isinstance(value, bool) else type(value).__name__


def _shape(kind, value):
    if kind == TABLE:
        return {column: _bare(cells) for column, cells in value.items()}
    return _bare(value)


def _bare(cells):
    return cells[0] if len(cells) == 1 else cells
