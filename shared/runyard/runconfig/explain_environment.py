"""In what a run configuration's script runs: interpreter, packages, image."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from runyard.errors import RunyardError
from runyard.runconfig import conda_file
from runyard.runconfig.document import has_inline_conda
from runyard.runconfig.meaning import Meaning
from runyard.runconfig.model import RunConfiguration
from runyard.runconfig.paths import inside
from runyard.runconfig.read import Files
from runyard.runconfig.redact import redacted_items, redacted_text

if TYPE_CHECKING:
    from runyard.environment.conda import CondaDependencies

REQUIREMENTS: Final = "requirements.txt"


@dataclass(slots=True)
class EnvironmentAccount:
    """What is known of a run configuration's environment; nothing in it is a secret."""

    kind: str = "none"
    """``user-managed``, ``conda file``, ``inline``, ``requirements.txt`` or ``none``."""
    interpreter: str | None = None
    """Of a user-managed one."""
    file: str | None = None
    """That lists the packages."""
    conda_packages: list[str] = field(default_factory=list)
    pip_packages: list[str] = field(default_factory=list)
    pip_options: list[str] = field(default_factory=list)
    channels: list[str] = field(default_factory=list)
    image: str | None = None
    """Of the container; ``None`` where there is none."""
    docker_arguments: list[str] = field(default_factory=list)
    spark_packages: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def account_of(config: RunConfiguration, meant: Meaning, files: Files, folder: str) -> EnvironmentAccount:
    """Look at a run configuration's environment, and at the files that list its packages.

    The packages of a conda file are attached to ``config``, as reading a project does.

    Args:
        config: The run configuration.
        meant: Its meaning.
        files: Gives files of the snapshot.
        folder: Of the two folders, the one whose ``conda_dependencies.yml`` counts where none is named.
    """
    account = EnvironmentAccount()
    if meant.container:
        account.image = redacted_text(meant.image) if meant.image else None
        account.docker_arguments = redacted_items(meant.docker_arguments)
    if meant.framework == "PySpark":
        account.spark_packages = [
            ":".join(part for part in (package.group, package.artifact, package.version) if part)
            for package in config.environment.spark.packages
        ]
    if config.environment.python.user_managed_dependencies:
        account.kind = "user-managed"
        account.interpreter = redacted_text(config.environment.python.interpreter_path.strip() or "python")
        return account
    try:
        _packages(config, account, files, folder)
    except RunyardError as error:
        account.faults.append(error.message)
    return account


def _packages(config: RunConfiguration, account: EnvironmentAccount, files: Files, folder: str) -> None:
    python = config.environment.python
    was_inline = has_inline_conda(config)
    before = len(config.notes)
    conda_file.attach(config, folder, files)
    path = inside(python.conda_dependencies_file or f"{folder}/{conda_file.FILE}")
    if was_inline:
        account.kind = "inline"
    elif python.conda is not None and path is not None and files(path) is not None:
        account.kind, account.file = "conda file", path
    elif python.conda is not None:
        account.kind = account.file = REQUIREMENTS
    else:
        missing = config.notes[before:]
        del config.notes[before:]
        account.faults += missing if conda_file.is_named(config) else []
    conda = python.conda
    if conda is None:
        return
    account.conda_packages = redacted_items(conda.conda_packages)
    account.pip_packages = redacted_items(conda.pip_packages)
    account.pip_options = redacted_items(conda.pip_options)
    account.channels = redacted_items(conda.conda_channels)
    if account.kind != REQUIREMENTS:
        _validate(conda, account)


def _validate(conda: CondaDependencies, account: EnvironmentAccount) -> None:
    """Check the entries; that Python is not among them is worth a note only, as a compute has one."""
    from runyard.environment.specification import conda_name  # noqa: PLC0415

    if "python" not in map(conda_name, conda.conda_packages):
        account.notes.append(
            f"{account.file or 'condaDependencies'} lists no python; add a line such as '- python=3.8'"
        )
        conda = type(conda).from_document(conda.as_dict(), account.file or "condaDependencies")
        conda.set_python_version("3.8")
    conda.validate()
