"""Builders of environments as processes, and packages for them that need no network."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runyard.runner.environments import Wish, builder_command, read_wish

_SETTINGS = ("PIP_", "UV_", "CONDA_", "MAMBA_", "RATTLER_", "VIRTUAL_ENV")


def make_wheel(folder: Path, name: str, version: str, requires: Sequence[str] = ()) -> Path:
    """A wheel with the module ``name``, of which ``VERSION`` tells the version."""
    folder.mkdir(parents=True, exist_ok=True)
    info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    files = {
        f"{name}.py": f"VERSION = {version!r}\n",
        f"{info}/METADATA": metadata + "".join(f"Requires-Dist: {each}\n" for each in requires),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py2.py3-none-any\n",
    }
    sums = {each: base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()) for each, text in files.items()}
    record = [f"{each},sha256={sums[each].rstrip(b'=').decode()},{len(text)}" for each, text in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,"]) + "\n"
    path = folder / f"{name}-{version}-py2.py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for each, text in files.items():
            archive.writestr(each, text)
    return path


@dataclass
class Told:
    """What a builder told."""

    code: int
    messages: list[dict[str, Any]]
    output: str
    errors: str = ""
    lines: list[str] = field(init=False)
    notes: list[str] = field(init=False)

    def __post_init__(self) -> None:
        self.lines = [each["line"] for each in self.messages if "line" in each]
        self.notes = [each["note"] for each in self.messages if "note" in each]

    @property
    def end(self) -> dict[str, Any]:
        """The last message."""
        assert self.messages, self.errors
        return self.messages[-1]

    @property
    def ready(self) -> dict[str, Any]:
        """The environment's record."""
        assert "ready" in self.end, self.output
        record: dict[str, Any] = self.end["ready"]
        return record

    @property
    def problem(self) -> tuple[str, str]:
        """Class and sentence."""
        assert "problem" in self.end, self.output
        return self.end["class"], self.end["problem"]


class Builders:
    """Builders over one cache, with settings of tools that are only ours."""

    def __init__(self, folder: Path, pyz: Path) -> None:
        self.folder = folder
        self.cache = folder / "environments"
        self.wheels = folder / "wheels"
        self.wheels.mkdir(exist_ok=True)
        self.pyz = pyz
        self.python = sys.executable
        self.variables = {name: text for name, text in os.environ.items() if not name.startswith(_SETTINGS)}
        self.variables |= {"PIP_CONFIG_FILE": os.devnull, "UV_CACHE_DIR": str(folder / "uv-cache"), "UV_NO_CONFIG": "1"}
        self.variables |= {
            "RATTLER_CACHE_DIR": str(folder / "rattler-cache"),
            "XDG_CONFIG_HOME": str(folder / "config"),
        }

    def record(
        self, *packages: str, pip: Sequence[str] = (), channels: Sequence[str] = (), **more: Any
    ) -> dict[str, Any]:
        """A wish's record."""
        dependencies: list[Any] = [*packages, {"pip": list(pip)}] if pip else [*packages]
        conda = {"channels": list(channels), "dependencies": dependencies, **more.pop("conda", {})}
        return {"conda": conda, "python": sys.executable, "cache": str(self.cache), "resolver": "uv", **more}

    def local(self, *pip: str, **more: Any) -> dict[str, Any]:
        """A wish for packages that are in the folder of wheels."""
        return self.record(pip=["--no-index", f"--find-links {self.wheels}", *pip], **more)

    def wish(self, record: dict[str, Any]) -> Wish:
        """The wish of a record."""
        return read_wish(record)

    def start(self, record: dict[str, Any], **variables: str) -> subprocess.Popen[bytes]:
        """Start a builder; the wish is with it."""
        process = subprocess.Popen(
            builder_command(self.python, str(self.pyz)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**self.variables, **variables},
        )
        assert process.stdin
        process.stdin.write(json.dumps(record).encode())
        process.stdin.close()
        process.stdin = None
        return process

    def wait(self, process: subprocess.Popen[bytes]) -> Told:
        """What a builder told until its end."""
        output, errors = process.communicate(timeout=300)
        messages = [json.loads(line) for line in output.splitlines()]
        return Told(process.returncode, messages, output.decode(), errors.decode())

    def build(self, record: dict[str, Any], **variables: str) -> Told:
        """Run a builder to its end."""
        return self.wait(self.start(record, **variables))


def says(interpreter: str, code: str) -> str:
    """What an interpreter prints."""
    done = subprocess.run([interpreter, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
