"""Services: the only place that picks adapters."""

from runyard.services.check import Check
from runyard.services.checks import checks_without_stores
from runyard.services.house import Services, current, install, kinds, open_embedded

__all__ = ["Check", "Services", "checks_without_stores", "current", "install", "kinds", "open_embedded"]
