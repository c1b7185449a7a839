"""Packs this package into one file that any Python from 3.6 on runs: the same bytes each time it is built."""

import hashlib
import io
import os
import zipfile
from typing import Iterator, Tuple

from .places import is_source

PACKAGE = "runyard_runner"
_SHEBANG = b"#!/usr/bin/env python3\n"
_MAIN = "import sys\nfrom %s.__main__ import main\nsys.exit(main())\n" % PACKAGE
_EPOCH = (1980, 1, 1, 0, 0, 0)


def zipapp_bytes() -> bytes:
    """The file's content. Stored, not compressed: what zlib makes differs between its versions."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, data in sorted(_sources()):
            info = zipfile.ZipInfo(name, _EPOCH)
            info.create_system = 3
            info.external_attr = 0o100644 << 16
            archive.writestr(info, data)
    return _SHEBANG + buffer.getvalue()


def build_zipapp(path: str) -> str:
    """Write the runner to ``path`` in one step, executable.

    Returns:
        12 hexadecimal digits that tell this build from another.

    Raises:
        OSError: if there is no room.
    """
    data = zipapp_bytes()
    temporary = "%s.%d" % (path, os.getpid())
    with open(temporary, "wb") as stream:
        stream.write(data)
    os.chmod(temporary, 0o755)
    os.rename(temporary, path)
    return build_id(data)


def own_program(folder: str) -> str:
    """The path of this program as one file; it is made in ``folder`` where it runs from its sources.

    Raises:
        OSError: if it cannot be made.
    """
    archive = getattr(globals().get("__loader__"), "archive", None)
    if archive is not None:
        return str(archive)
    data = zipapp_bytes()
    path = "%s/runner-%s.pyz" % (folder, build_id(data))
    if not os.path.exists(path):
        build_zipapp(path)
    return path


def build_id(data: bytes) -> str:
    """12 hexadecimal digits that tell this build from another."""
    return hashlib.sha256(data).hexdigest()[:12]


def _sources() -> Iterator[Tuple[str, bytes]]:
    here = os.path.dirname(os.path.abspath(__file__))
    yield "__main__.py", _MAIN.encode()
    for folder, _, names in os.walk(here):
        for name in names:
            if is_source(name):
                path = os.path.join(folder, name)
                with open(path, "rb") as stream:
                    yield PACKAGE + "/" + os.path.relpath(path, here).replace(os.sep, "/"), stream.read()
