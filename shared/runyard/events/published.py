"""Writes what is made from code and published as a file."""

from __future__ import annotations

import sys
from pathlib import Path


def publish(text: str, place: str) -> None:
    """Write a text to the path that the command line gives, else to ``place`` below the current folder."""
    path = Path(sys.argv[1] if len(sys.argv) > 1 else place)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
