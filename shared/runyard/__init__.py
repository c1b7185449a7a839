"""Runyard: drop a snapshot, get a run.

``Run`` is what a script logs with, ``Client`` talks to a service. Names are imported when they are first used, so that
``import runyard`` costs a script next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runyard.errors import RunyardError
    from runyard.sdk.client import Client

    Run: Any
    __version__: str

__all__ = ["Client", "Run", "RunyardError", "__version__"]


def __getattr__(name: str) -> Any:
    from runyard._exports import resolve  # noqa: PLC0415 - only when a name is asked for

    return resolve(name)
