"""What a run configuration would do, told before anything runs: command, environment, variables, limits, and what is wrong."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from runyard.errors import RunyardError
from runyard.runconfig.convert import fold
from runyard.runconfig.eras import era_of
from runyard.runconfig.explain_environment import EnvironmentAccount, account_of
from runyard.runconfig.explain_keys import Setting, settings
from runyard.runconfig.explain_problems import at_line, idle_placeholders, refusals, sift
from runyard.runconfig.job import DEFAULT_INTERPRETER
from runyard.runconfig.locate import FOLDERS
from runyard.runconfig.meaning import Meaning, meaning
from runyard.runconfig.model import RunConfiguration
from runyard.runconfig.paths import inside
from runyard.runconfig.redact import redacted, redacted_items, redacted_text
from runyard.runconfig.yaml12 import load

_NAMES_OF_SECRETS = "runyard.secrets."
"""What is under it names a secret of the service, and is none."""


class Place(Protocol):
    """Where the files lie that a run configuration speaks of: a directory or a zip."""

    @property
    def what(self) -> str:
        """How sentences call it: ``the directory``, ``the zip``."""

    def has(self, path: str) -> bool:
        """Whether there is a file at a path."""

    def read(self, path: str) -> bytes | None:
        """A small file's content; ``None`` if there is none."""


@dataclass(slots=True)
class Account:
    """What a run configuration would do. Nothing in it is a secret."""

    source: str
    """The file."""
    config: RunConfiguration | None = None
    """As far as it can be read; in clear."""
    meant: Meaning | None = None
    era: str = ""
    """The release whose defaults count."""
    command: list[str] = field(default_factory=list)
    """Interpreter, script, arguments."""
    environment: EnvironmentAccount = field(default_factory=EnvironmentAccount)
    variables: dict[str, Any] = field(default_factory=dict)
    limits: dict[str, object] = field(default_factory=dict)
    settings: list[Setting] = field(default_factory=list)
    substitutions: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    """Why it cannot be read, would be refused, or would fail."""

    @property
    def defaults(self) -> list[Setting]:
        """The keys that the file does not say."""
        return [setting for setting in self.settings if setting.is_default]


def explain(data: bytes, name: str, place: Place) -> Account:
    """Read a run configuration and say what it would do, all problems at once.

    Args:
        data: The file.
        name: Its path in ``place``, or how errors shall call it.
        place: Where the files are that it speaks of.
    """
    account = Account(source=name)
    try:
        document = load(data, name)
    except RunyardError as error:
        account.problems.append(redacted_text(error.message))
        return account
    account.config, faults = sift(document, name, place.read)
    account.problems = [redacted_text(fault) for fault in faults]
    if account.config is not None:
        _tell(account, account.config, place)
    return account


def _tell(account: Account, config: RunConfiguration, place: Place) -> None:
    meant = account.meant = meaning(config)
    account.era = era_of(map(fold, config.document))
    folder = posixpath.dirname(account.source)
    account.environment = account_of(config, meant, place.read, folder if folder in FOLDERS else _folder(place))
    account.command = _command(config, meant)
    account.variables = _variables(config)
    account.limits = _limits(config, meant)
    account.settings = settings(config, place.read)
    account.substitutions = [redacted_text(sentence) for sentence in meant.substitutions]
    account.unknown = [redacted_text(key) for key in config.unknown]
    account.notes = [redacted_text(note) for note in (*config.notes, *account.environment.notes)]
    problems = [*_missing_script(config, place), *account.environment.faults, *idle_placeholders(config)]
    problems += refusals(config, meant)
    account.problems += [
        redacted_text(problem) for problem in problems if redacted_text(problem) not in account.problems
    ]
    masked = [setting.key for setting in account.settings if setting.is_masked]
    if secrets := [key for key in masked if not key.startswith(_NAMES_OF_SECRETS)]:
        account.notes.append(f"{account.source} holds what looks like secrets, in clear: {_some(secrets)}")


def _command(config: RunConfiguration, meant: Meaning) -> list[str]:
    """The command line, masked."""
    if isinstance(config.command, list):
        return [redacted_text(str(word)) for word in redacted_items(config.command)]
    if config.command:
        return [redacted_text(config.command)]
    python = config.environment.python
    program = (
        (python.interpreter_path.strip() or DEFAULT_INTERPRETER)
        if python.user_managed_dependencies
        else DEFAULT_INTERPRETER
    )
    if meant.framework == "PySpark":
        program = "spark-submit"
    return [redacted_text(program), redacted_text(config.script or "?"), *map(str, redacted_items(config.arguments))]


def _variables(config: RunConfiguration) -> dict[str, Any]:
    both = {**config.environment.environment_variables, **config.environment_variables}
    masked: Any = redacted(both)
    return dict(masked)


def _limits(config: RunConfiguration, meant: Meaning) -> dict[str, object]:
    """What bounds the run; what is not set is left out."""
    own = config.runyard
    needs = {name: value for name, value in vars(own.requirements).items() if value is not None}
    limits = {
        "seconds": config.max_run_duration_seconds,
        "nodes": meant.node_count if meant.node_count > 1 else None,
        "processes per node": meant.process_count_per_node if meant.process_count_per_node > 1 else None,
        "attempts after a failure": own.retries or None,
        "attempts after preemption": own.on_preemption or None,
        "priority": own.priority or None,
        "shared memory": meant.shm_size if meant.container else None,
        **{f"needs {name}": value for name, value in needs.items()},
    }
    return {name: value for name, value in limits.items() if value is not None}


def _missing_script(config: RunConfiguration, place: Place) -> list[str]:
    script = inside(config.script) if config.script else None
    if config.command or script is None or place.has(script):
        return []
    return [
        f"{at_line(config, 'script')}: script is {redacted_text(config.script or '')[:120]!r}, and {place.what} holds no such file"
    ]


def _folder(place: Place) -> str:
    """Of the two folders, the one whose conda file counts for a run configuration that is in neither."""
    return next((folder for folder in FOLDERS if place.has(f"{folder}/conda_dependencies.yml")), FOLDERS[0])


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return ", ".join(names[:8]) + more
