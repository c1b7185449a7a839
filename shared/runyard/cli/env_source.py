"""Which environment is meant when a command is given a project, a zip, a run configuration or a list of packages."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import msgspec

from runyard.cli.config_source import is_container, select
from runyard.cli.context import connect, root_of
from runyard.cli.env_problems import as_ours
from runyard.computes.catalog import DEFAULT
from runyard.errors import ConfigError, NotFoundError
from runyard.ports import Compute
from runyard.runconfig.files import read_bytes
from runyard.runconfig.read import parse
from runyard.runconfig.surroundings import environment_of, environment_of_file
from runyard.runner.environments import Wish, read_wish
from runyard.runner.unpack import unpack
from runyard.runs.model import EnvironmentSpec
from runyard.sdk.submitting import experiment_name
from runyard.targets.local.jobs import KIND, environment_record
from runyard.targets.local.options import LocalOptions

_CONDA: Final = (".yml", ".yaml")
_REQUIREMENTS: Final = ".txt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was asked for on the command line."""

    path: Path
    runconfig: str | None = None
    legacy: str | None = None
    resolver: str | None = None


def options_of(root: Path | None) -> LocalOptions:
    """The options of the compute ``local``: those of the root if there is one, else the defaults.

    Raises:
        RunyardError: if the root's computes cannot be looked up.
    """
    folder = root_of(root)
    options: dict[str, Any] = {}
    if (folder / "runyard.db").exists():
        with connect(folder) as client:
            found = [each for each in client.computes.list() if each["kind"] == KIND]
        found.sort(key=lambda each: each["name"] != DEFAULT)
        options = found[0]["options"] if found else {}
    return LocalOptions.read(Compute(name=DEFAULT, kind=KIND, limit=1, options=options))


@contextmanager
def wish_of(asked: Asked, options: LocalOptions) -> Iterator[Wish]:
    """The wish, as a run would have it; the files that it names are there meanwhile.

    Raises:
        NotFoundError: if there is nothing at the path.
        RunyardError: if it cannot be read, or asks for no environment.
    """
    spec = msgspec.structs.replace(_spec(asked), auto_prepare=True)  # this is being asked for
    if asked.legacy is not None:
        spec = msgspec.structs.replace(spec, policy=asked.legacy)
    if asked.resolver is not None:
        options = replace(options, resolver=asked.resolver)
    with wish_for(spec, asked.path, options) as wish:
        yield wish


@contextmanager
def wish_for(spec: EnvironmentSpec, path: Path, options: LocalOptions) -> Iterator[Wish]:
    """The wish for what a project, zip or file at a path asks for.

    Raises:
        RunyardError: if it cannot be read.
    """
    if path.is_file() and path.suffix.lower() in {*_CONDA, _REQUIREMENTS}:
        whole = path.absolute()
        spec = msgspec.structs.replace(spec, source=whole.relative_to(_project(path)).as_posix())
    record = environment_record(spec, options, experiment_name(_project(path)))
    with _folder(path) as folder, as_ours():
        record["folder"] = str(folder)
        yield read_wish(record)


def _spec(asked: Asked) -> EnvironmentSpec:
    path = asked.path
    if path.is_file() and path.suffix.lower() in {*_CONDA, _REQUIREMENTS}:
        if asked.runconfig:
            raise ConfigError(f"{path} lists packages; --runconfig names a run configuration of a directory or a zip")
        return environment_of_file(read_bytes(path), path.name, asked.legacy or "nearest")
    selected = select(path, asked.runconfig)
    config = parse(selected.data, selected.name, files=selected.place.read)
    found = environment_of(config, selected.place.read)
    if found is None:
        raise ConfigError(
            f"{selected.name} has userManagedDependencies: true: its script gets the interpreter that it names, and nothing is "
            "prepared"
        )
    return found


@contextmanager
def _folder(path: Path) -> Iterator[Path]:
    """Where relative paths among the packages start from, as they do in a snapshot."""
    if path.is_dir():
        yield path.absolute()
    elif is_container(path):
        with tempfile.TemporaryDirectory(prefix="runyard-") as folder, as_ours():
            unpack(str(path), "", folder)
            yield Path(folder)
    elif path.exists():
        yield _project(path)
    else:
        raise NotFoundError(f"there is no file or directory {str(path)[:200]!r}")


def _project(path: Path) -> Path:
    """The folder or zip that a path means, or that a file belongs to."""
    whole = path.absolute()
    if path.is_dir() or is_container(path):
        return whole
    return whole.parent.parent if whole.parent.name in {"aml_config", ".azureml"} else whole.parent
