"""What is traced: each scene acts on a root, and says when something was acknowledged to it.

Usage: python -m tests.powerloss.scenes SCENE ROOT ACKS
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

from runyard.ports import TargetContext
from runyard.runner import codes, register
from runyard.runner.places import lay_out
from runyard.runs.model import Attempt
from runyard.stores.embedded import FolderBlobs, SystemClock
from runyard.stores.memory import MemorySecrets
from runyard.targets.local.target import LocalTarget
from tests.acceptance.yard import running
from tests.fakes import runconfig, snapshot
from tests.targets.house import end_all

Acknowledge = Callable[..., None]


def host(root: Path, acknowledge: Acknowledge) -> None:
    """A host that is given a run and a message, and carries out the run."""
    with running(root) as yard, yard.client() as client:
        script = "raise SystemExit(3)"
        answer = client.post(
            "/api/runs",
            files={"snapshot": ("a.zip", snapshot({"train.py": script}, config=runconfig()), "application/zip")},
            data={"submission": json.dumps({"experiment": "up"})},
            headers={"Idempotency-Key": "k-1"},
        )
        assert answer.is_success, answer.text
        acknowledge("door", run=answer.json()["runId"])
        sent = client.post("/api/queues/mine/messages", content=b"hello")
        assert sent.is_success, sent.text
        acknowledge("message", id=sent.json()["messageId"])
        run = yard.ended(answer.json()["runId"])
        acknowledge("ended", run=run.id, status=run.status)
    end_all(root)


def win(root: Path, acknowledge: Acknowledge) -> None:
    """A runner that wins a register on a new root."""
    lay_out(str(root))
    assert register.win(str(root / "local" / "registers" / "ry-a-1"), "started 1.0 boot", {"name": "ry-a-1"})
    acknowledge("won")


def void(root: Path, acknowledge: Acknowledge) -> None:
    """A control plane that voids a start, also one that another voided and was killed before it was on disk."""
    context = TargetContext(
        blobs=FolderBlobs(root), secrets=MemorySecrets(), clock=SystemClock(), tell=lambda _: None, root=root
    )
    target = LocalTarget(context)
    first, second = (
        Attempt(run_id=f"exp_1_{n}", number=1, compute="local", name=f"ry-{n}", slot=0, claimed=0.0) for n in "ab"
    )
    assert target.void(first, "the deadline passed")
    acknowledge("void", name=first.name)
    (root / "local" / "registers" / second.name).write_text("void it was late\n")
    assert target.void(second, "again")
    acknowledge("void", name=second.name)


def note(root: Path, acknowledge: Acknowledge) -> None:
    """A keeper that notes how a script ended."""
    lay_out(str(root))
    codes.write(str(root), (7, 50), "boot", codes.Code(3, 12.5, 100))
    acknowledge("noted")


def main(scene: str, root: Path, acks: Path) -> None:
    descriptor = os.open(acks, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def acknowledge(what: str, **facts: object) -> None:
        os.write(descriptor, json.dumps({"what": what, **facts}).encode() + b"\n")

    {"host": host, "win": win, "void": void, "note": note}[scene](root, acknowledge)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
