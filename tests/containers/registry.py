"""A registry on loopback that has one image and wants a password: as much of the distribution API as a pull needs.

https://distribution.github.io/distribution/spec/api/: basic authentication, a manifest of schema 2, blobs. Engines take
registries on 127.0.0.0/8 without TLS.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = "application/vnd.docker.container.image.v1+json"
LAYER = "application/vnd.docker.image.rootfs.diff.tar"


def digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def contents(saved: bytes) -> tuple[bytes, dict[str, bytes]]:
    """The manifest and the blobs of an image, from what ``docker save`` printed."""
    with tarfile.open(fileobj=io.BytesIO(saved)) as archive:

        def member(name: str) -> bytes:
            found = archive.extractfile(name)
            assert found is not None
            return found.read()

        [listed] = json.loads(member("manifest.json"))
        config = member(listed["Config"])
        layers = [member(name) for name in listed["Layers"]]
    described = [{"mediaType": LAYER, "size": len(layer), "digest": digest(layer)} for layer in layers]
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": CONFIG, "size": len(config), "digest": digest(config)},
        "layers": described,
    }
    return json.dumps(manifest).encode(), {digest(blob): blob for blob in [config, *layers]}


class Registry(ThreadingHTTPServer):
    """A running one; serves one image under ``name`` with the tag ``1``."""

    def __init__(self, saved: bytes, name: str, credentials: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.manifest, self.blobs = contents(saved)
        self.prefix = f"/v2/{name}/"
        self.wanted = "Basic " + base64.b64encode(credentials.encode()).decode()
        self.address = f"127.0.0.1:{self.server_address[1]}"
        self.pulls = 0
        """Manifests that were given out."""

    def found(self, path: str) -> tuple[str, bytes] | None:
        """The type and the bytes of what is at a path."""
        kind, _, last = path.removeprefix(self.prefix).partition("/")
        if path == "/v2/":
            return "application/json", b"{}"
        if kind == "manifests" and last in {"1", digest(self.manifest)}:
            return MANIFEST, self.manifest
        if kind == "blobs" and last in self.blobs:
            return "application/octet-stream", self.blobs[last]
        return None


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: Registry

    def do_HEAD(self) -> None:
        """As GET; the body is left out below."""
        self.do_GET()

    def do_GET(self) -> None:
        """Answer."""
        if self.headers.get("Authorization") != self.server.wanted:
            self._send(401, "application/json", b'{"errors":[{"code":"UNAUTHORIZED","message":"unauthorized"}]}')
            return
        found = self.server.found(self.path)
        if found is None:
            self._send(
                404, "application/json", b'{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}'
            )
            return
        self.server.pulls += found[0] == MANIFEST and self.command == "GET"
        self._send(200, *found)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the standard library's name
        """Say nothing."""

    def _send(self, status: int, kind: str, data: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Docker-Distribution-Api-Version", "registry/2.0")
        if status == 401:
            self.send_header("WWW-Authenticate", 'Basic realm="test"')
        if kind == MANIFEST:
            self.send_header("Docker-Content-Digest", digest(data))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)


@contextmanager
def running_registry(saved: bytes, name: str, username: str, password: str) -> Iterator[Registry]:
    """Serve the image under ``name`` until the block ends."""
    server = Registry(saved, name, f"{username}:{password}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
