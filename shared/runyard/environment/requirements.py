"""Reading pip's ``requirements.txt``.

Format: https://pip.pypa.io/en/stable/reference/requirements-file-format/. Lines are joined and comments taken away as pip
does; files named by ``-r`` and ``-c`` are not opened, their lines stay as they are.
"""

from __future__ import annotations

import codecs
import re
from typing import Final

from runyard.environment.conda_pip import fault_of_pip
from runyard.errors import RunconfigError
from runyard.runconfig.yaml12 import MAX_BYTES, MAX_NODES

_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_DECLARED: Final = re.compile(rb"^[ \t]*#.*?coding[:=][ \t]*([-\w.]+)", re.MULTILINE)
_COMMENT: Final = re.compile(r"(?:^|\s)#.*$")


def read_requirements(data: bytes | str, name: str = "requirements.txt") -> list[str]:
    """The entries of a requirements file, in their order: packages with their hashes and markers, and option lines.

    Args:
        data: The file. Bytes may begin with a byte order mark, or name their encoding in a comment as PEP 263 has it.
        name: How errors call it.

    Raises:
        RunconfigError: naming the file and the line, when pip would refuse it.
    """
    text = data if isinstance(data, str) else decode(data, name)
    if len(text) > MAX_BYTES:
        raise RunconfigError(f"{name} has {len(text):,} characters; a requirements file has at most {MAX_BYTES:,}")
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise RunconfigError(f"{name}, line {line}: a NUL byte; the file must be text")
    entries = []
    for number, logical in _logical_lines(text.removeprefix("\ufeff")):
        entry = " ".join(_COMMENT.sub("", logical).split())
        if not entry:
            continue
        fault = fault_of_pip(entry)
        if fault:
            raise RunconfigError(f"{name}, line {number}: {fault}")
        entries.append(entry)
        if len(entries) > MAX_NODES:
            raise RunconfigError(f"{name}, line {number}: more than {MAX_NODES:,} entries")
    return entries


def decode(data: bytes, name: str) -> str:
    """The text of a requirements file.

    Raises:
        RunconfigError: if it is not text in the encoding that it declares, or else UTF-8.
    """
    encoding = next((encoding for mark, encoding in _MARKS if data.startswith(mark)), None)
    if encoding is None:
        declared = _DECLARED.search(b"\n".join(data.split(b"\n", 2)[:2]))
        encoding = declared[1].decode("ascii", "replace") if declared else "utf-8"
    try:
        return data.decode(encoding)
    except LookupError:
        raise RunconfigError(f"{name}: {encoding[:40]!r} is no text encoding; save the file as UTF-8") from None
    except UnicodeError as error:
        at = getattr(error, "start", 0)
        line = data.count(b"\n", 0, at) + 1
        raise RunconfigError(f"{name}, line {line}: not text in {encoding}; save the file as UTF-8") from None


def _logical_lines(text: str) -> list[tuple[int, str]]:
    """Lines with their number, those that end in a backslash joined with the next; a comment ends a join."""
    joined: list[tuple[int, str]] = []
    parts: list[str] = []
    first = 0
    for number, line in enumerate(text.splitlines(), 1):
        first = first if parts else number
        comment = line.lstrip().startswith("#")
        if line.endswith("\\") and not comment:
            parts.append(line[:-1])
            continue
        # The blank keeps a comment that follows a join a comment, and not a part of the word before it.
        joined.append((first, "".join([*parts, f" {line}" if comment else line])))
        parts = []
    if parts:
        joined.append((first, "".join(parts)))
    return joined
