"""Which root folder is meant when none is said."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

VARIABLE: Final = "RUNYARD_ROOT"


def default_root() -> Path:
    """``$RUNYARD_ROOT``, else ``~/.runyard``."""
    said = os.environ.get(VARIABLE)
    return Path(said).expanduser() if said else Path.home() / ".runyard"
