"""A real conda channel in a folder: a packed Python, and packages of one module each."""

from __future__ import annotations

import hashlib
import io
import json
import sys
import tarfile
from pathlib import Path
from typing import Any

SUBDIR = "linux-64"
PYTHON = ".".join(map(str, sys.version_info[:3]))
MINOR = ".".join(map(str, sys.version_info[:2]))
_LEFT_OUT = {"site-packages", "dist-packages", "test", "tests", "idlelib", "turtledemo", "__pycache__", "lib2to3"}


class Channel:
    """Packages are added to it; their records are in its repodata at once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = folder.as_uri()
        self._records: dict[str, dict[str, Any]] = {SUBDIR: {}, "noarch": {}}
        self._publish()

    def add_python(self) -> None:
        """This very Python, without its tests and packages."""
        home = Path(sys.base_prefix)
        files = {f"bin/python{MINOR}": home / "bin" / f"python{MINOR}"}
        for path in (home / "lib" / f"python{MINOR}").rglob("*"):
            if path.is_file() and not _LEFT_OUT & set(path.parts) and path.suffix != ".a":
                files[str(path.relative_to(home))] = path
        for library in [*home.glob("lib/libpython3*.so*"), *home.glob(f"lib/*-linux-gnu/libpython{MINOR}.so*")]:
            files[str(library.relative_to(home))] = library
        content = {name: (path.read_bytes(), path.stat().st_mode & 0o777) for name, path in files.items()}
        links = dict.fromkeys(("bin/python", "bin/python3"), f"python{MINOR}")
        self._add(SUBDIR, _index("python", PYTHON, [], None), content, links)

    def add_module(self, name: str, version: str) -> None:
        """A noarch package with the module ``name``, of which ``VERSION`` tells the version."""
        data = (f'VERSION = "{version}"\n'.encode(), 0o644)
        index = _index(name, version, [f"python {MINOR}.*"], "python")
        self._add("noarch", index, {f"site-packages/{name}.py": data}, {})

    def _add(
        self, subdir: str, index: dict[str, Any], files: dict[str, tuple[bytes, int]], links: dict[str, str]
    ) -> None:
        file = f"{index['name']}-{index['version']}-{index['build']}.tar.bz2"
        paths = [
            {
                "_path": name,
                "path_type": "hardlink",
                "sha256": hashlib.sha256(data).hexdigest(),
                "size_in_bytes": len(data),
            }
            for name, (data, _) in files.items()
        ]
        paths += [
            {"_path": name, "path_type": "softlink", "sha256": hashlib.sha256(b"").hexdigest(), "size_in_bytes": 0}
            for name in links
        ]
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:bz2", compresslevel=1) as archive:
            _put(archive, "info/index.json", json.dumps(dict(index, subdir=subdir)).encode())
            _put(archive, "info/paths.json", json.dumps({"paths": paths, "paths_version": 1}).encode())
            _put(archive, "info/files", "\n".join([*files, *links]).encode())
            if index.get("noarch"):
                _put(archive, "info/link.json", b'{"noarch": {"type": "python"}, "package_metadata_version": 1}')
            for name, (data, mode) in files.items():
                _put(archive, name, data, mode)
            for name, target in links.items():
                info = tarfile.TarInfo(name)
                info.type, info.linkname = tarfile.SYMTYPE, target
                archive.addfile(info)
        data = buffer.getvalue()
        (self.folder / subdir / file).write_bytes(data)
        sums = {"md5": hashlib.md5(data).hexdigest(), "sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
        self._records[subdir][file] = dict(index, subdir=subdir, **sums)
        self._publish()

    def _publish(self) -> None:
        for subdir, packages in self._records.items():
            (self.folder / subdir).mkdir(parents=True, exist_ok=True)
            repodata = {"info": {"subdir": subdir}, "packages": packages, "packages.conda": {}, "repodata_version": 1}
            (self.folder / subdir / "repodata.json").write_text(json.dumps(repodata))


def _index(name: str, version: str, depends: list[str], noarch: str | None) -> dict[str, Any]:
    index: dict[str, Any] = {"name": name, "version": version, "build": "0", "build_number": 0, "depends": depends}
    return dict(index, timestamp=1_700_000_000_000, **({"noarch": noarch} if noarch else {}))


def _put(archive: tarfile.TarFile, name: str, data: bytes, mode: int = 0o644) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(data), mode
    archive.addfile(info, io.BytesIO(data))
