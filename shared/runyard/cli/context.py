"""What the commands share: the root, the client, common options."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from runyard.errors import ConfigError

if TYPE_CHECKING:
    from runyard.sdk.client import Client

Root = Annotated[
    Path | None, typer.Option("--root", help="The root folder; RUNYARD_ROOT, else ~/.runyard.", show_default=False)
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
RunId = Annotated[
    str, typer.Argument(metavar="RUN", help="A run's id, its beginning or end if only one run has it, or `latest`.")
]

Runconfig = Annotated[str | None, typer.Option(help="Which run configuration of the snapshot: a name or a path in it.")]
Target = Annotated[str | None, typer.Option(help="The compute, instead of the run configuration's.")]

_AGE: Final = re.compile(r"(\d+(?:\.\d+)?)([smhdw])")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}

_said: dict[str, Path | None] = {"root": None}


def remember_root(root: Path | None) -> None:
    """Keep the ``--root`` that stood before the command."""
    _said["root"] = root


def root_of(root: Path | None) -> Path:
    """The root that is meant: the command's, else the one before the command, else the default.

    Raises:
        ConfigError: if it is a file, or would be in one.
    """
    from runyard.sdk.root import default_root  # noqa: PLC0415

    chosen = root or _said["root"]
    folder = (chosen.expanduser() if chosen is not None else default_root()).absolute()
    there = next(path for path in (folder, *folder.parents) if path.exists())
    if not there.is_dir():
        raise ConfigError(f"{there} is a file; a root is a folder: give another with --root")
    return folder


def connect(root: Path | None) -> Client:
    """A client of the host that serves the root, or of the root itself."""
    from runyard.sdk.client import Client, user_name  # noqa: PLC0415 - 150 ms

    return Client.connect(root_of(root), caller=f"cli:{user_name()}")


def pairs(given: list[str] | None, option: str) -> dict[str, str]:
    """``NAME=VALUE`` options as a dictionary.

    Raises:
        typer.BadParameter: for one without ``=``.
    """
    found = {}
    for text in given or []:
        name, equals, value = text.partition("=")
        if not (name and equals):
            raise typer.BadParameter(f"{option} takes NAME=VALUE, and {text[:60]!r} has no '='")
        found[name] = value
    return found


def seconds(text: str | None, option: str) -> float | None:
    """A duration such as ``30d`` in seconds.

    Raises:
        typer.BadParameter: if it does not have that form.
    """
    if text is None:
        return None
    found = _AGE.fullmatch(text.strip().lower())
    if found is None:
        raise typer.BadParameter(
            f"{option} takes a number and a unit (s, m, h, d or w), such as 30d, and not {text[:30]!r}"
        )
    length = float(found[1]) * _SECONDS[found[2]]
    if not math.isfinite(length):
        raise typer.BadParameter(f"{option} is too long a time")
    return length
