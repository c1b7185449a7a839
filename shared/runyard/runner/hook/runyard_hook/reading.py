"""Reads logged metrics back in the shapes of the Azure ML SDK's ``get_metrics()``."""

import json
import warnings

from .values import back

SCALAR, LIST, TABLE, IMAGE = ("azureml.v1." + kind for kind in ("scalar", "list", "table", "image"))
FILES = {name: "azureml.v1." + name for name in ("confusion_matrix", "accuracy_table", "residuals", "predictions")}
"""Metrics whose value is a JSON file in the outputs."""
TAG, PROPERTY, PARAM, CHILD, MODEL = ("runyard." + kind for kind in ("tag", "property", "param", "child", "model"))
FILE = "runyard.file"
"""A metric whose line was too large for the run: the file that holds it."""
_METRICS = frozenset([SCALAR, LIST, TABLE, IMAGE, FILE]) | frozenset(FILES.values())


def read_metrics(path, name=None, child=""):
    """Metrics by name: one scalar bare, repeated ones as a list; lists joined, one element bare; tables by column.

    A name that was logged as two types keeps its first one, with a warning.
    """
    kinds = {}
    values = {}
    for line in entries(path, child):
        if line["type"] not in _METRICS or (name is not None and line["name"] != name):
            continue
        kind = kinds.setdefault(line["name"], line["type"])
        if kind != line["type"]:
            message = "metric %s was logged as %s and as %s; the first is kept" % (line["name"], kind, line["type"])
            warnings.warn(message, stacklevel=3)
            continue
        _add(values, line["name"], kind, back(line["value"]))
    return {key: _shape(kinds[key], value) for key, value in values.items()}


def read_pairs(path, kind, child=""):
    """Tags, properties or params: the last value of each name, without those that were removed."""
    found = {}
    for line in entries(path, child):
        if line["type"] == kind:
            found[line["name"]] = line["value"]
    return {name: value for name, value in found.items() if value is not None}


def read_children(path, parent):
    """``(id, name, label, status)`` of the child runs of ``parent`` (an id), in the order in which they began."""
    found = {}
    for line in entries(path, None):
        value = line["value"]
        if line["type"] == CHILD and isinstance(value, dict) and value.get("parent") == parent:
            found[value.get("id")] = (value.get("id"), value.get("name"), line.get("child", ""), value.get("status"))
    return list(found.values())


def entries(path, child=""):
    """The whole lines of one child run, of the run itself (an empty name), or of all (``None``)."""
    try:
        with open(path, encoding="utf-8") as stream:
            for text in stream:
                try:
                    line = json.loads(text)
                except ValueError:
                    continue  # being written just now, or cut short by a full disk
                whole = isinstance(line, dict) and {"name", "type", "value"} <= set(line)
                if whole and (child is None or line.get("child", "") == child):
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
