"""Writing a new run configuration from a template."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from runyard.errors import ConfigError, NotFoundError
from runyard.runconfig.files import write_file
from runyard.runconfig.job import unsupported
from runyard.runconfig.locate import FOLDERS, SUFFIX
from runyard.runconfig.meaning import meaning
from runyard.runconfig.read import parse
from runyard.runconfig.templates import CONDA_FILE, Template, fill, find_template
from runyard.targets.registry import known_kinds

_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for."""

    template: str
    name: str | None
    directory: Path
    script: str
    arguments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is written, and where."""

    template: Template
    name: str
    directory: Path
    path: Path
    text: str
    script: str


def made(wish: Wish) -> Plan:
    """The run configuration that was asked for; nothing is written.

    Raises:
        ConfigError: if there is no such template, or the name or the script is not legal.
        NotFoundError: if there is no such directory.
    """
    template = find_template(wish.template)
    if not wish.directory.is_dir():
        raise NotFoundError(
            f"there is no directory {str(wish.directory)[:200]!r}; make it first, or give another with --dir"
        )
    name = (wish.name or template.name).removesuffix(SUFFIX)
    if not _NAME.fullmatch(name):
        raise ConfigError(f"the name {name[:120]!r} is not one of a file: 1 to 128 letters, digits, '_', '-' or '.'")
    folder = FOLDERS[0] if (wish.directory / FOLDERS[0]).is_dir() else FOLDERS[1]
    text = fill(template, script=wish.script, name=name, folder=folder, arguments=wish.arguments)
    path = wish.directory / folder / f"{name}{SUFFIX}"
    return Plan(template, name, wish.directory, path, text, wish.script)


def write(plan: Plan, *, force: bool) -> None:
    """Write the run configuration, and its conda file if there is none yet.

    Raises:
        ConfigError: if the file is there and may not be written over.
    """
    if not force:
        taken = [path for path in (plan.path, plan.path.with_name(plan.name)) if path.exists() or path.is_symlink()]
        if taken:
            raise ConfigError(f"{taken[0]} is there already; give another --name, or --force to write over it")
    write_file(plan.path, plan.text.encode())
    conda = plan.path.with_name("conda_dependencies.yml")
    if plan.template.has_packages and not conda.exists():
        write_file(conda, CONDA_FILE.encode())


def next_steps(plan: Plan) -> Iterator[str]:
    """What to do now, one sentence each."""
    config = parse(plan.text.encode(), plan.path.name)
    for sentence in unsupported(config, meaning(config)):
        yield f"note: {sentence}"
    kind = plan.template.kind
    if kind not in known_kinds():
        yield f"note: it needs a compute of kind {kind}, which this version does not have"
    elif kind != "local":
        yield f"note: it needs a compute of kind {kind}; `runyard config check` says how to make it"
    if not (plan.directory / plan.script).is_file():
        yield f"put the script at {plan.directory / plan.script}, or name another with --script"
    place = shlex.quote(str(plan.directory))
    yield f"next: `runyard config check {place} --runconfig {plan.name}`, then `runyard submit {place} --runconfig {plan.name}`"
