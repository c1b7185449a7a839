"""Run configurations on disk: found by the SDK's rules, written back with every byte that did not have to change.

Layout (``aml_config/`` if it exists, else ``.azureml/``) and the order in which a name is looked for are the SDK's.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from runyard.errors import RunconfigError
from runyard.runconfig import conda_file
from runyard.runconfig.change import applied, applied_to_workbench
from runyard.runconfig.document import to_document
from runyard.runconfig.edit import differences, fresh, rewrite
from runyard.runconfig.environment_sections import EnvironmentDefinition
from runyard.runconfig.locate import BODIES, FOLDERS, SUFFIX, choose
from runyard.runconfig.model import RunConfiguration
from runyard.runconfig.paths import inside
from runyard.runconfig.read import Files, from_document
from runyard.runconfig.workbench import is_workbench
from runyard.runconfig.yaml12 import MAX_BYTES
from runyard.runconfig.yaml12 import load as load_yaml

DEFAULT_NAME: Final = "local"
_ENVIRONMENT: Final = "environment"


@dataclass(frozen=True, slots=True)
class Loaded:
    """The file that a run configuration came from."""

    path: Path
    root: Path
    """Of the project: what paths in the file are relative to."""
    name: str
    data: bytes
    document: dict[str, Any]
    """The whole written form, as it was read."""
    environment: str | None
    """The path of the file that holds the environment, if another one does."""
    conda: bytes | None
    """The conda file's packages in their normal form, as they were read."""


def project_directory(project: Any) -> Path:
    """The directory of a project object of the SDK, or of a path.

    Raises:
        RunconfigError: if it has none.
    """
    for name in ("project_directory", "directory", "_project_directory"):
        found = getattr(project, name, None)
        if isinstance(found, (str, os.PathLike)):
            return Path(found)
    if isinstance(project, (str, os.PathLike)):
        return Path(project)
    raise RunconfigError(f"project_object is of the type {type(project).__name__}; give the project's directory")


def load(path: str | Path, name: str | None = None) -> RunConfiguration:
    """Read a run configuration from disk.

    Args:
        path: A file; or a project's directory, or its ``aml_config/`` or ``.azureml/``.
        name: Which one, with or without ``.runconfig``; needed where there are several.

    Raises:
        RunconfigError: if there is none, there are several, or it cannot be read.
    """
    file, root = find(Path(path), name)
    data = read_bytes(file)
    shown = _shown(file, root)
    whole = load_yaml(data, shown)
    files = files_of(root)
    config = from_document(whole, shown, files=files)
    conda_file.attach(config, file.parent.name if file.parent.name in FOLDERS else _folder(root), files, unused=True)
    config.loaded = _loaded(config, file, root, data)
    return config


def find(path: Path, name: str | None = None) -> tuple[Path, Path]:
    """The file of a run configuration, and its project's directory.

    Raises:
        RunconfigError: if there is none, or there are several.
    """
    if path.is_file():
        return path, _root_of(path)
    if not path.is_dir():
        raise RunconfigError(f"there is no file or directory {str(path)[:200]!r}")
    root = path.parent if path.name in FOLDERS else path
    if name:
        for spelled in (name, name + SUFFIX):
            for folder in (*FOLDERS, ""):
                if (found := root / folder / spelled).is_file():
                    return found, _root_of(found) if folder else root
    names = [f"{folder}/{entry.name}" for folder in FOLDERS for entry in _entries(root / folder) if entry.is_file()] + [
        body for body in BODIES if (root / body).is_file()
    ]
    try:
        return root / choose(names, name), root
    except RunconfigError as error:
        raise RunconfigError(f"{root}: " + error.message.replace("the snapshot holds", "the directory holds")) from None


def files_of(root: Path) -> Files:
    """Gives the files of a directory, and nothing outside it."""
    top = os.path.realpath(root)

    def read(path: str) -> bytes | None:
        real = os.path.realpath(os.path.join(top, path))  # noqa: PTH118
        if not real.startswith(top + os.sep) or not os.path.isfile(real):  # noqa: PTH113
            return None
        return read_bytes(Path(real))

    return read


def read_bytes(path: Path) -> bytes:
    """A small file.

    Raises:
        RunconfigError: if it cannot be read, or is larger than a run configuration may be.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise RunconfigError(f"{path} cannot be read: {error.strerror}") from None
    if len(data) > MAX_BYTES:
        raise RunconfigError(f"{path} has more than {MAX_BYTES:,} bytes, the most that a run configuration may have")
    return data


def save(
    config: RunConfiguration,
    path: str | Path | None = None,
    name: str | None = None,
    *,
    separate_environment_yaml: bool = False,
) -> Path:
    """Write a run configuration, and its conda file where it has one; only what was changed changes.

    Args:
        config: One that was loaded keeps the file's comments, unknown keys, and bytes; a new one is written with the keys of
            release 1.0.85 and those that say something.
        path: A file, or a project's directory (``aml_config/`` in it if that exists, else ``.azureml/``, which is made). Where
            it was loaded from when not given, else the working directory.
        name: The file's name in that folder, taken as it is; the loaded one's when not given, else ``local``.
        separate_environment_yaml: Put the environment of a new file into ``environment.yml`` beside it.

    Returns:
        The file that was written.

    Raises:
        RunconfigError: if a value is not legal, or the file cannot be changed in place; nothing is written then.
    """
    target, root = _target(config, path, name)
    conda = conda_file.plan(config, root, _relative(target.parent, root), target)
    if config.loaded is None:
        writes = _new(config, target, root, conda.name, separate_environment_yaml)
    else:
        if conda.writes and conda.name is not None:
            config.environment.python.conda_dependencies_file = conda.name
        writes = _changed(config, config.loaded, target, root)
    writes.update(conda.writes)
    data = writes[target]
    shown = _shown(target, root)

    def overlaid(wanted: str) -> bytes | None:
        return writes.get(root / wanted) or files_of(root)(wanted)

    from_document(load_yaml(data, shown), shown, files=overlaid)  # what could not be read is not written
    for file, content in writes.items():
        write_file(file, content)
    config.loaded = _loaded(config, target, root, data)
    return target


def _loaded(config: RunConfiguration, file: Path, root: Path, data: bytes) -> Loaded:
    environment = config.document.get(_ENVIRONMENT)
    conda = config.environment.python.conda
    return Loaded(
        file,
        root,
        file.name,
        data,
        to_document(config, full=True),
        inside(environment) if isinstance(environment, str) else None,
        conda_file.identity(conda),
    )


def _target(config: RunConfiguration, path: str | Path | None, name: str | None) -> tuple[Path, Path]:
    """The file to write, and its project's directory."""
    loaded = config.loaded
    if path is None and loaded is not None:
        return loaded.path if name is None else loaded.path.with_name(name), loaded.root
    place = Path(path) if path is not None else Path()
    if place.is_file() or (not place.is_dir() and name is None and place.parent.is_dir()):
        return place, _root_of(place)
    if not place.is_dir():
        raise RunconfigError(f"there is no directory {str(place)[:200]!r} to save into; make it first")
    root = place.parent if place.name in FOLDERS else place
    folder = place if place.name in FOLDERS else root / _folder(root)
    name = name or (loaded.name if loaded is not None else DEFAULT_NAME)
    if "/" in name or name in {".", ".."}:
        raise RunconfigError(
            f"the name {name[:120]!r} is a path; give the directory as `path` and a file's name as `name`"
        )
    if not (folder / name).exists() and (folder / (name + SUFFIX)).exists():
        name += SUFFIX  # the same name, as releases until 1.0.33 wrote it
    return folder / name, root


def _new(config: RunConfiguration, target: Path, root: Path, conda: str | None, separate: bool) -> dict[Path, bytes]:
    """The files of a run configuration that was made here."""
    document = to_document(config)
    environment = document[_ENVIRONMENT]
    if conda is not None:
        environment["python"]["condaDependenciesFile"] = conda
        config.environment.python.conda_dependencies_file = conda
    writes = {}
    if separate:
        beside = target.with_name("environment.yml")
        writes[beside] = fresh(environment)
        document[_ENVIRONMENT] = _relative(beside, root)
    writes[target] = fresh(document)
    config.document = document
    return writes


def _changed(config: RunConfiguration, loaded: Loaded, target: Path, root: Path) -> dict[Path, bytes]:
    """The file's bytes with what changed since it was loaded; what others changed in it meanwhile stays."""
    data = read_bytes(loaded.path) if target == loaded.path and target.is_file() else loaded.data
    shown = _shown(loaded.path, loaded.root)
    new = to_document(config, full=True)
    old = loaded.document
    if new == old:
        return {target: data}
    writes = {}
    if loaded.environment is not None and new[_ENVIRONMENT] != old[_ENVIRONMENT]:
        held = files_of(loaded.root)(loaded.environment) or b""
        raw = load_yaml(held, loaded.environment)
        after = applied(raw, old[_ENVIRONMENT], new[_ENVIRONMENT], EnvironmentDefinition)
        writes[root / loaded.environment] = rewrite(held, differences(raw, after), loaded.environment)
        new = {**new, _ENVIRONMENT: old[_ENVIRONMENT]}
    whole = load_yaml(data, shown)
    after = _in_whole(whole, config, old, new, shown)
    writes[target] = rewrite(data, differences(whole, after), shown)
    return writes


def _in_whole(whole: Any, config: RunConfiguration, old: dict[str, Any], new: dict[str, Any], name: str) -> Any:
    """The whole document of a file, whose run configuration may lie deeper (``definition.json``)."""
    if whole is None:
        return applied({}, old, new)
    if is_workbench(whole):
        return applied_to_workbench(whole, old, new, name)
    if not isinstance(whole, dict):
        raise RunconfigError(f"{name} is no longer a mapping; it cannot be changed in place")
    if whole == config.document:
        return applied(whole, old, new)
    for key, value in whole.items():
        if isinstance(value, dict) and (value == config.document or _holds(value, config.document)):
            return {**whole, key: _in_whole(value, config, old, new, name)}
    return applied(whole, old, new)


def _holds(value: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    return any(isinstance(item, dict) and (item == wanted or _holds(item, wanted)) for item in value.values())


def write_file(path: Path, data: bytes) -> None:
    """Write a file whole or not at all; one that is there keeps its mode, and one that has these bytes is left alone.

    Raises:
        RunconfigError: if it cannot be written.
    """
    try:
        if path.is_file() and path.read_bytes() == data:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        real = Path(os.path.realpath(path))
        part = real.with_name(f".{real.name}.{os.getpid()}.part")
        try:
            part.write_bytes(data)
            if real.exists():
                part.chmod(real.stat().st_mode & 0o7777)
            part.replace(real)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise RunconfigError(f"{path} cannot be written: {error.strerror}") from None


def _entries(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _root_of(file: Path) -> Path:
    return file.parent.parent if file.parent.name in FOLDERS else file.parent


def _folder(root: Path) -> str:
    """``aml_config`` where it exists, else ``.azureml``."""
    return FOLDERS[0] if (root / FOLDERS[0]).is_dir() else FOLDERS[1]


def _relative(path: Path, root: Path) -> str:
    try:
        return path.relative_to(root).as_posix()
    except ValueError:
        return path.name


def _shown(file: Path, root: Path) -> str:
    return _relative(file, root)
