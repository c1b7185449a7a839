"""The public names and where they live; they are imported when they are first asked for."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

PUBLIC: Final = {
    "Client": "runyard.sdk.client",
    "Run": "runyard.runner.hook.runyard_hook",
    "RunyardError": "runyard.errors",
}
"""Public name to the module that holds it under the same name."""


def resolve(name: str) -> Any:
    """The object behind a public name.

    Raises:
        AttributeError: if there is no such name.
    """
    if name == "__version__":
        from importlib.metadata import version  # noqa: PLC0415 - 20 ms

        return version("runyard")
    module = PUBLIC.get(name)
    if module is None:
        raise AttributeError(f"module 'runyard' has no attribute {name!r}")
    return getattr(import_module(module), name)
