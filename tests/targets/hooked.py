"""A script beside the hook, in a run or outside of one."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import runyard.runner

HOOK = Path(runyard.runner.__file__).parent / "hook"


class Script:
    """A script with the hook."""

    def __init__(self, folder: Path, interpreter: str) -> None:
        self.folder = folder
        self.interpreter = interpreter
        self.metrics = folder / "metrics.jsonl"
        self.work = folder / "work"
        self.work.mkdir()
        (self.work / "outputs").mkdir()
        self.errors = ""

    def __call__(
        self,
        text: str,
        *,
        submitted: bool = True,
        path: str | Path = "",
        code: int = 0,
        flags: tuple[str, ...] = (),
        variables: dict[str, str] | None = None,
    ) -> str:
        """Run it; returns what it printed, or its errors if another ``code`` than 0 is expected."""
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join([str(HOOK), str(path)] if path else [str(HOOK)]),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONIOENCODING": "utf-8",
        }
        if submitted:
            environment |= {
                "AZUREML_RUN_ID": "exp_1_abc",
                "AZUREML_ARM_PROJECT_NAME": "exp",
                "RUNYARD_METRICS": str(self.metrics),
                "RUNYARD_OUTPUTS": str(self.work / "outputs"),
                "RUNYARD_ATTEMPT": "2",
            }
        done = subprocess.run(
            [self.interpreter, *flags, "-c", text],
            env=environment | (variables or {}),
            cwd=self.work,
            capture_output=True,
            text=True,
            check=False,
        )
        self.errors = done.stderr
        assert done.returncode == code, done.stderr
        return done.stdout if code == 0 else done.stderr

    def lines(self) -> list[dict[str, Any]]:
        """What was logged."""
        return [json.loads(line, parse_constant=refuse) for line in self.metrics.read_text().splitlines()]

    def stored(self) -> list[str]:
        """The lines as they are."""
        return self.metrics.read_text().splitlines()

    def kept(self, name: str) -> bytes:
        """One of the run's files."""
        return (self.work / name).read_bytes()


def refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")
