"""What the runner is asked to run."""

from typing import Any, Dict, List, Mapping, Optional

from .problems import Problem
from .sealed import MASK, UnfitError, reveal

_TEXTS = (
    "name",
    "run",
    "experiment",
    "compute",
    "framework",
    "communicator",
    "script",
    "interpreter",
    "snapshot",
    "snapshot_etag",
)

_TELLING = 4
"""Characters from which on a secret is looked for in texts: a shorter one stands in many by chance."""


class Job:
    """One attempt of a run. ``record`` is its JSON form, as the register keeps it: its secrets are masked."""

    def __init__(self, record: Dict[str, Any], secrets: Optional[Mapping[str, Any]] = None) -> None:
        """``secrets`` by their JSON pointers into the record; ``None`` = they are not known any more."""
        self.record = record
        self._lacks_secrets = bool(record.get("concealed")) and secrets is None
        self._secrets = secrets or {}
        record = reveal(record, self._secrets)
        self.name: str = record["name"]
        self.run: str = record["run"]
        self.attempt: int = record["attempt"]
        self.experiment: str = record.get("experiment", "")
        self.compute: str = record.get("compute", "")
        self.framework: str = record.get("framework", "Python")
        self.communicator: str = record.get("communicator", "None")
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

    def check_secrets(self) -> None:
        """See that nothing begins with a mask in place of a secret.

        Raises:
            Problem: if its secrets are not at hand: they are in no register, and went with the supervisor that was given them.
        """
        if self._lacks_secrets:
            raise Problem(
                "its supervisor ended before the script started, and its secrets with it; another attempt brings them",
                "transient",
            )

    def masked(self, text: str) -> str:
        """A text about this job without its secrets."""
        for value in self._secrets.values():
            if isinstance(value, str) and len(value) >= _TELLING:
                text = text.replace(value, MASK).replace(repr(value)[1:-1], MASK)
        return text


def read_job(record: Any, secrets: Optional[Mapping[str, Any]] = None) -> Job:
    """Make a job of a record, and of its secrets, if they are at hand.

    Raises:
        Problem: if it does not have the agreed form.
    """
    try:
        job = Job(record, secrets)
        texts = [getattr(job, field) for field in _TEXTS]
        texts += job.arguments
        texts += job.watched_directories
        texts += job.environment_variables
        texts += job.environment_variables.values()
    except UnfitError as error:
        raise Problem(str(error)) from None
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
