"""Services: the only place that picks adapters."""

from runyard.services.checks import Check
from runyard.services.house import Services, current, install, kinds, open_embedded

__all__ = ["Check", "Services", "current", "install", "kinds", "open_embedded"]
