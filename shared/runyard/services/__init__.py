"""Services: the only place that picks adapters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runyard.services.check import Check
from runyard.services.checks import checks_without_stores
from runyard.services.house import Services, begin, current, install, kinds

if TYPE_CHECKING:
    from runyard.services.azure import open_azure
    from runyard.services.embedded import open_embedded

__all__ = [
    "Check",
    "Services",
    "begin",
    "checks_without_stores",
    "current",
    "install",
    "kinds",
    "open_azure",
    "open_embedded",
]


def __getattr__(name: str) -> Any:
    """Each of the two is loaded by who asks for it: an app in Azure has no use for SQLite, nor a machine for Azure."""
    if name == "open_azure":
        from runyard.services.azure import open_azure  # noqa: PLC0415

        return open_azure
    if name == "open_embedded":
        from runyard.services.embedded import open_embedded  # noqa: PLC0415

        return open_embedded
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
