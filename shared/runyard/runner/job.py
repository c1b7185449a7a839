"""What the runner is asked to run."""

from typing import Any, Dict, List, Optional

from .problems import Problem

_TEXTS = ("name", "run", "experiment", "compute", "framework", "script", "interpreter", "snapshot", "snapshot_etag")


class Job:
    """One attempt of a run. ``record`` is its JSON form, as it came and as the register keeps it."""

    def __init__(self, record: Dict[str, Any]) -> None:
        self.record = record
        self.name: str = record["name"]
        self.run: str = record["run"]
        self.attempt: int = record["attempt"]
        self.experiment: str = record.get("experiment", "")
        self.compute: str = record.get("compute", "")
        self.framework: str = record.get("framework", "Python")
        self.script: str = record.get("script", "")
        self.arguments: List[str] = record.get("arguments", [])
        self.interpreter: str = record.get("interpreter", "")
        self.environment_variables: Dict[str, str] = record.get("environment_variables", {})
        self.node_count: int = record.get("node_count", 1)
        self.gpu: Optional[int] = record.get("gpu")
        self.max_duration: Optional[float] = record.get("max_duration")
        """Seconds that the script may run; ``None`` = no limit."""
        self.grace: float = record.get("grace", 10.0)
        """Seconds between TERM and KILL at the maximum duration."""
        self.watched_directories: List[str] = record.get("watched_directories", ["logs"])
        self.snapshot: str = record.get("snapshot", "")
        self.snapshot_etag: str = record.get("snapshot_etag", "")
        self.hook: bool = record.get("hook", True)
        self.environment: Optional[Dict[str, Any]] = record.get("environment")
        """The wish for an environment; ``None`` = ``interpreter`` is used as it is."""
        self.container: Optional[Dict[str, Any]] = record.get("container")


def read_job(record: Any) -> Job:
    """Make a job of a record.

    Raises:
        Problem: if it does not have the agreed form.
    """
    try:
        job = Job(record)
        texts = [getattr(job, field) for field in _TEXTS]
        texts += job.arguments
        texts += job.watched_directories
        texts += job.environment_variables
        texts += job.environment_variables.values()
    except (KeyError, TypeError, AttributeError):
        raise Problem("a job has at least name, run and attempt") from None
    if not all(isinstance(text, str) and "\0" not in text for text in texts) or not isinstance(job.attempt, int):
        raise Problem(
            "a job's names, arguments, folders and variables are texts without NUL, and its attempt is a number"
        )
    if not _plain(job.name) or not _plain(job.run):
        raise Problem("%r of run %r is no name of a folder" % (job.name[:80], job.run[:80]))
    return job


def _plain(name: str) -> bool:
    return bool(name) and not name.startswith(".") and "/" not in name
