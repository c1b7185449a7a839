"""Values of metrics: what JSON can say."""

import math


def plain(value):
    """What JSON has for it.

    A bool, number, text or ``None`` is as it is, a scalar of numpy, pandas, PyTorch or TensorFlow is its number, and anything
    else is its ``repr``.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return text(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return _number(float(value))
    # scalars, and arrays and tensors of one element, without importing what made them
    for method in ("item", "numpy"):
        convert = getattr(value, method, None)
        if callable(convert) and hasattr(value, "dtype"):
            try:
                found = convert()
            except (TypeError, ValueError, RuntimeError):
                continue
            if type(found) is not type(value):
                return plain(found)
    return text(_represent(value))


def text(value):
    """It as a text that every reader takes: halves of surrogate pairs, which no encoding has, become question marks."""
    return str(value).encode("utf-8", "replace").decode("utf-8")


def _represent(value):
    try:
        return repr(value)
    except Exception as error:  # a foreign __repr__ may raise anything, and a metric is no reason to end
        return "<%s whose repr raised %s>" % (type(value).__name__, type(error).__name__)


def _number(value):
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return value


def sequence(value):
    """The elements of a list, tuple, array, tensor or column, each plain; anything without elements is the only one."""
    return [plain(element) for element in _elements(value)]


def cell(value):
    """A column of a table: a list, or one plain value."""
    return sequence(value) if is_sequence(value) else plain(value)


def is_sequence(value):
    """Whether it has elements of its own (a text has not, nor has an array without dimensions)."""
    if isinstance(value, (list, tuple, set, range)):
        return True
    if not hasattr(value, "dtype") or not (hasattr(value, "tolist") or hasattr(value, "numpy")):
        return False
    shape = getattr(value, "shape", ())
    return len(shape) > 0


def _elements(value):
    if isinstance(value, (list, tuple)):
        return list(value)
    if not hasattr(value, "tolist") and hasattr(value, "dtype") and hasattr(value, "numpy"):
        value = value.numpy()
    if hasattr(value, "tolist"):
        listed = value.tolist()
        return listed if isinstance(listed, list) else [listed]
    try:
        return list(value)
    except TypeError:  # a number, or None
        return [value]


def back(value):
    """A number again, where a number is written as a text; through lists and columns too."""
    if isinstance(value, list):
        return [back(element) for element in value]
    if isinstance(value, dict):
        return {name: back(element) for name, element in value.items()}
    if value in ("NaN", "Infinity", "-Infinity"):
        return float(value)
    return value
