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
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = "application/vnd.docker.container.image.v1+json"
LAYER = "application/vnd.docker.image.rootfs.diff.tar"


@dataclass
class Registry:
    """A running one."""

    address: str
    pulls: int = 0
    """Manifests that were given out."""


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


@contextmanager
def running_registry(saved: bytes, name: str, username: str, password: str) -> Iterator[Registry]:
    """Serve the image under ``name`` until the block ends."""
    manifest, blobs = contents(saved)
    wanted = "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()
    registry = Registry(address="")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:  # noqa: N802 - the standard library's name
            self._answer(with_body=False)

        def do_GET(self) -> None:  # noqa: N802 - as above
            self._answer(with_body=True)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as above
            pass

        def _answer(self, *, with_body: bool) -> None:
            if self.headers.get("Authorization") != wanted:
                self._send(401, "application/json", b'{"errors":[{"code":"UNAUTHORIZED","message":"unauthorized"}]}')
                return
            kind, _, last = self.path.removeprefix(f"/v2/{name}/").partition("/")
            if self.path == "/v2/":
                self._send(200, "application/json", b"{}")
            elif kind == "manifests" and last in {"1", digest(manifest)}:
                registry.pulls += with_body
                self._send(200, MANIFEST, manifest, with_body=with_body)
            elif kind == "blobs" and last in blobs:
                self._send(200, "application/octet-stream", blobs[last], with_body=with_body)
            else:
                self._send(
                    404, "application/json", b'{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}'
                )

        def _send(self, status: int, kind: str, data: bytes, *, with_body: bool = True) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            self.send_header("Docker-Distribution-Api-Version", "registry/2.0")
            if status == 401:
                self.send_header("WWW-Authenticate", 'Basic realm="test"')
            if kind == MANIFEST:
                self.send_header("Docker-Content-Digest", digest(data))
            self.end_headers()
            if with_body and self.command != "HEAD":
                self.wfile.write(data)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    registry.address = f"127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield registry
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
