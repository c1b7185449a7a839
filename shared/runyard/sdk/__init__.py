"""The client SDK: a running host over HTTP, or the same handlers in-process when there is none."""

from __future__ import annotations

from runyard.sdk.client import Client

__all__ = ["Client"]
