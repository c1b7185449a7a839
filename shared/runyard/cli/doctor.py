"""What ``runyard doctor`` finds: the service's own checks, and the host that the service cannot see from inside."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from runyard.cli.context import connect
from runyard.errors import RunyardError

if TYPE_CHECKING:
    from runyard.api.shapes import CheckShape
    from runyard.sdk.client import Client


def examined(folder: Path) -> list[CheckShape]:
    """Every finding; a root that cannot be opened is one of them."""
    try:
        with connect(folder) as client:
            return [*client.doctor(), _host(folder, _work(client))]
    except (RunyardError, OSError) as error:
        return _closed(folder, error)


def _closed(folder: Path, error: Exception) -> list[CheckShape]:
    from runyard.services import checks_without_stores  # noqa: PLC0415 - the stores

    return [
        {"name": check.name, "ok": check.ok, "detail": check.detail, "fix": "" if check.ok else check.fix}
        for check in checks_without_stores(folder, error)
    ]


def _work(client: Client) -> int:
    """How much waits for a host: messages, runs on waiting lists, runs on computes."""
    from runyard.dispatch.wakes import SUBMISSIONS  # noqa: PLC0415 - msgspec

    computes = sum(each["waiting"] + each["taken"] for each in client.computes.list())
    return computes + client.queues.counts().get(SUBMISSIONS, 0)


def _host(folder: Path, work: int) -> CheckShape:
    from runyard.host import running_host  # noqa: PLC0415 - msgspec

    host = running_host(folder)
    if host is not None:
        return {"name": "host", "ok": True, "detail": f"process {host.pid} at {host.url}", "fix": ""}
    start = "start one with `runyard up`"
    if work:
        return {"name": "host", "ok": False, "detail": f"not running, and {work} runs or messages wait", "fix": start}
    return {"name": "host", "ok": True, "detail": f"not running; {start}", "fix": ""}
