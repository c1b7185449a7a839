"""Conda packages by py-rattler, in an interpreter that has it: run as a program, with what is wanted on stdin.

Its last line is JSON after :data:`ANSWER`: ``{"ok": ...}`` or ``{"error": text, "channel": name}``.
"""

import asyncio
import importlib
import json
import os
import re
import sys
from typing import Any, Dict, List

ANSWER = "\x1e"
"""What the line with the answer begins with (a record separator, RFC 7464): such lines are not passed on."""
LIMIT = 20
"""Seconds that a channel may take to answer."""


def main() -> None:
    """Do what stdin says, and end the process."""
    wanted = json.load(sys.stdin)
    loop = asyncio.new_event_loop()
    work = {"probe": _probe, "install": _install}[wanted["do"]]
    try:
        answer = loop.run_until_complete(work(importlib.import_module("rattler"), wanted))
    except Exception as error:  # the process's boundary: the builder says it
        answer = {"error": "%s: %s" % (type(error).__name__, error)}
    finally:
        loop.close()
    sys.stdout.write("\n" + ANSWER + json.dumps(answer) + "\n")
    sys.stdout.flush()
    # The library's threads may still run, and would meet an interpreter that is being taken down.
    os._exit(0 if "ok" in answer else 1)


def sources(rattler: Any, names: List[str]) -> List[Any]:
    """Channels by their names or URLs; ``defaults`` is two, as conda has it."""
    expanded: List[str] = []
    for name in names:
        expanded += ["main", "r"] if name == "defaults" else [name if "://" not in name else name.rstrip("/") + "/"]
    config = rattler.ChannelConfig()
    alias = os.environ.get("CONDA_CHANNEL_ALIAS")
    if alias:
        config = rattler.ChannelConfig(channel_alias=alias)
    return [rattler.Channel(name, config) for name in expanded]


async def _probe(rattler: Any, wanted: Dict[str, Any]) -> Dict[str, Any]:
    """Whether each channel answers."""
    gateway = rattler.Gateway(client=_client(rattler, 0), max_concurrent_requests=8)
    platforms = [str(rattler.Subdir.current() if hasattr(rattler, "Subdir") else rattler.Platform.current()), "noarch"]
    for name in wanted["channels"]:
        try:
            work = gateway.names(sources(rattler, [name]), platforms)
            await asyncio.wait_for(work, LIMIT)
        except asyncio.TimeoutError:
            return {"error": "it did not answer in %d s" % LIMIT, "channel": name}
        except Exception as error:
            return {"error": _last_cause(error), "channel": name}
    return {"ok": True}


async def _install(rattler: Any, wanted: Dict[str, Any]) -> Dict[str, Any]:
    """Solve, and install into a prefix."""
    client = _client(rattler, 3)
    channels = sources(rattler, wanted["channels"])
    sys.stdout.write("solving for %s\n" % ", ".join(wanted["packages"]))
    sys.stdout.flush()
    records = await rattler.solve(
        channels,
        [rattler.MatchSpec(text) for text in wanted["packages"]],
        gateway=rattler.Gateway(client=client),
        virtual_packages=rattler.VirtualPackage.detect(),
    )
    for record in records:
        sys.stdout.write("installing %s %s %s\n" % (record.name.normalized, record.version, record.build))
    sys.stdout.flush()
    await rattler.install(records, wanted["prefix"], show_progress=False, client=client, execute_link_scripts=True)
    return {"ok": len(records)}


def _client(rattler: Any, retries: int) -> Any:
    # The limit is of whole requests: a package may take as long as it takes.
    return rattler.Client.default_client(max_retries=retries, timeout=LIMIT if retries == 0 else None)


def _last_cause(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return re.sub(r"^Caused by: ", "", lines[-1]) if lines else type(error).__name__


if __name__ == "__main__":
    main()
