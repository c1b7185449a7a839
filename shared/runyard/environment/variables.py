"""Names of environment variables: which are legal, and which an event may not set."""

from __future__ import annotations

import re
from typing import Final

NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
"""What an event may call a variable: POSIX names."""

RESERVED_PREFIXES: Final = ("LD_", "PYTHON", "AZUREML_", "RUNYARD_")
RESERVED_NAMES: Final = frozenset({"PATH"})


def fault_of_name(name: str) -> str | None:
    """Why an event may not set the variable ``name``, as the end of a sentence; ``None`` if it may.

    Reserved are the names that decide which code is loaded and those that Runyard itself sets. The author of a run
    configuration may set any of them: he also wrote the script.
    """
    if not NAME.fullmatch(name):
        return "is not a legal name: letters, digits and '_', not beginning with a digit, at most 128"
    upper = name.upper()
    if upper in RESERVED_NAMES or upper.startswith(RESERVED_PREFIXES):
        prefixes = ", ".join(f"{prefix}*" for prefix in RESERVED_PREFIXES)
        return f"is reserved: an event may not set PATH, {prefixes}; set it in the run configuration"
    return None
