"""Records whose secrets were taken out: a mask stands where they were, and JSON pointers (RFC 6901) say where they belong.

Only pointers decide. What a text says, a mask of its own among it, means nothing.
"""

from typing import Any, Dict, List, Mapping

MASK = "********"
"""What stands where a secret was."""


class UnfitError(ValueError):
    """A pointer leads nowhere in the document: its secrets belong to another one."""


def reveal(document: Any, values: Mapping[str, Any]) -> Any:
    """A copy of the document with the secrets put back; what holds none of them is shared with the document.

    Args:
        document: Plain values, as JSON has them.
        values: The secrets by their JSON pointers.

    Raises:
        UnfitError: if there is no place for one of them.
    """
    for pointer in values:
        document = _with(document, parts_of(pointer), values[pointer])
    return document


def at(document: Any, pointer: str) -> Any:
    """What stands at a JSON pointer; ``None`` if there is no such place."""
    for part in parts_of(pointer):
        try:
            document = document[part] if isinstance(document, Mapping) else document[int(part)]
        except (LookupError, ValueError, TypeError):
            return None
    return document


def parts_of(pointer: str) -> List[str]:
    """The keys and indices of a JSON pointer, outermost first."""
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]


def pointer_to(*parts: object) -> str:
    """The JSON pointer of keys and indices, outermost first."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def _with(document: Any, parts: List[str], value: Any) -> Any:
    if not parts:
        return value
    try:
        if isinstance(document, Mapping):
            made: Dict[str, Any] = dict(document)
            made[parts[0]] = _with(made[parts[0]], parts[1:], value)
            return made
        if isinstance(document, (list, tuple)) and parts[0].isdigit():
            items = list(document)
            items[int(parts[0])] = _with(items[int(parts[0])], parts[1:], value)
            return items
    except LookupError:
        pass
    raise UnfitError("the document has no place for a secret that is said to be in it")
