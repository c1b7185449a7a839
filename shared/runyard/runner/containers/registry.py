"""What an engine is told of a registry, and nobody else: no password is in an argument, a variable, or a file that stays."""

import base64
import json
import os
import shutil
import tempfile
from contextlib import contextmanager
from typing import Any, Dict, Iterator, List

HUB = "https://index.docker.io/v1/"
"""The name of Docker Hub in a client's configuration."""


@contextmanager
def credentials(address: str, username: str, password: str) -> Iterator[List[str]]:
    """Arguments that let the client log in; none if nobody gave a name and a password.

    The client reads them from a configuration folder of its own (``docker --config``), in which ``config.json`` is a link to
    a file without a name that we hold: it is gone with us, however we end.
    """
    if not username or not password:
        yield []
        return
    secret = base64.b64encode(("%s:%s" % (username, password)).encode()).decode()
    document = {"auths": {address or HUB: {"auth": secret}}}
    folder = tempfile.mkdtemp(prefix="runyard-registry-")
    try:
        with _nameless() as stream:
            stream.write(json.dumps(document).encode())
            stream.seek(0)
            os.symlink("/proc/%d/fd/%d" % (os.getpid(), stream.fileno()), folder + "/config.json")
            yield ["--config", folder]
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _nameless() -> Any:
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("registry"), "w+b", 0)
    return tempfile.TemporaryFile(buffering=0)


def reference(container: Dict[str, Any]) -> str:
    """The base image with the address of its registry before it, unless it is there already."""
    image: str = container["image"]
    address = _host(container.get("registry", ""))
    if not address or image.startswith(address + "/"):
        return image
    return "%s/%s" % (address, image)


def _host(address: str) -> str:
    return address.partition("://")[2].strip("/") if "://" in address else address.strip("/")


def auth_address(container: Dict[str, Any]) -> str:
    """The registry that the credentials are for, as the client's configuration names it."""
    host = _host(container.get("registry", ""))
    if host and host not in ("docker.io", "index.docker.io", "registry-1.docker.io"):
        return host
    first = container.get("image", "").partition("/")[0]
    return first if not host and ("." in first or ":" in first) else HUB
