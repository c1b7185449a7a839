"""Values of metrics: what JSON can say."""

import math

_NUMBER_KINDS = "biuf"


def plain(value):
    """A bool, number, text or ``None`` as it is; a numpy scalar as its number; anything else as its ``repr``."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return _number(float(value))
    # numpy scalars, and arrays and tensors of one element, without importing what made them
    item = getattr(value, "item", None)
    if callable(item) and hasattr(value, "dtype"):
        try:
            return plain(item())
        except (TypeError, ValueError, RuntimeError):
            pass
    return repr(value)


def _number(value):
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return value


def sequence(value):
    """The elements of a list, tuple, array or column, each plain."""
    return [plain(element) for element in _elements(value)]


def is_sequence(value):
    """Whether it has elements of its own (a text has not, nor has an array without dimensions)."""
    if isinstance(value, (list, tuple, set, range)):
        return True
    return hasattr(value, "tolist") and hasattr(value, "dtype") and getattr(value, "shape", ()) != ()


def _elements(value):
    if hasattr(value, "tolist") and not isinstance(value, (list, tuple)):
        listed = value.tolist()
        return listed if isinstance(listed, list) else [listed]
    return list(value)


def back(value):
    """A number again, where a number is written as a text; through lists and columns too."""
    if isinstance(value, list):
        return [back(element) for element in value]
    if isinstance(value, dict):
        return {name: back(element) for name, element in value.items()}
    if value in ("NaN", "Infinity", "-Infinity"):
        return float(value)
    return value
