"""The embedded host: ``runyard up`` plays Azure's Functions host on one machine.

It loads the same ``function_app.py``, reads each function's bindings and serves them; nothing is wired a second time. This
is the only package of the library that imports ``azure.functions``, and it does so when a host is made, not before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runyard.host.lock import HostInfo, HostLock, running_host

if TYPE_CHECKING:
    from runyard.host.host import Host, HostOptions

__all__ = ["Host", "HostInfo", "HostLock", "HostOptions", "running_host"]


def __getattr__(name: str) -> Any:
    if name in {"Host", "HostOptions"}:
        from runyard.host import host  # noqa: PLC0415 - 150 ms that the CLI's other commands do not pay

        return getattr(host, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
