"""What runs on this machine, as tests look at it."""

from __future__ import annotations

import os
from pathlib import Path


def living(marker: str) -> list[int]:
    """Processes whose environment holds a text; zombies have none."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                if marker.encode() in (entry / "environ").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
    return found
