"""``runyard files`` and ``download``."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from runyard.cli.context import Json, Root, RunId, connect
from runyard.cli.outcome import say
from runyard.cli.show import print_json, print_table, size
from runyard.errors import ConfigError, NotFoundError

if TYPE_CHECKING:
    from runyard.api.shapes import FileShape
    from runyard.sdk.client import Client

Attempt = Annotated[int | None, typer.Option(min=1, help="Which attempt; the newest one by default.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("files")(files)
    app.command("download")(download)


def files(run: RunId, attempt: Attempt = None, json: Json = False, root: Root = None) -> None:
    """List a run's files: logs, outputs, metrics."""
    with connect(root) as client:
        found = client.runs.resolve(run)
        listed = client.runs.files(found, attempt=attempt)
        none = "" if listed else _why_none(client, found)
    if json:
        print_json({"runId": found, "files": listed})
    elif not listed:
        say(none)
    else:
        print_table(("SIZE", "NAME"), [(size(file["size"]), file["name"]) for file in listed])


def download(
    run: RunId,
    path: Annotated[
        list[str] | None, typer.Argument(metavar="[PATH]...", help="Files or folders of the run; all when not given.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="DIR", help="Where to.", show_default="a folder named as the run"),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite what is there.")] = False,
    attempt: Attempt = None,
    root: Root = None,
) -> None:
    """Download a run's files."""
    with connect(root) as client:
        found = client.runs.resolve(run)
        there = client.runs.files(found, attempt=attempt)
        if not there:
            raise NotFoundError(_why_none(client, found))
        wanted = _choose(there, path or [], found)
        base = out if out is not None else Path(found)
        places = [(file["name"], place(base, file["name"])) for file in wanted]
        if not force and (taken := next((str(to) for _, to in places if to.exists() or to.is_symlink()), None)):
            raise ConfigError(f"{taken} is there already; use --force to overwrite, or another --out")
        total = sum(_fetch(client, found, name, to, attempt) for name, to in places)
    say(f"{len(places)} files, {size(total)}, in {base}")


def _why_none(client: Client, run_id: str) -> str:
    run = client.runs.get(run_id)
    if run["endTimeUtc"] is None:
        return f"{run_id} has no files yet"
    # Every script that started has a log, if an empty one.
    return f"{run_id} has no files: " + ("they were removed" if run["startTimeUtc"] else run["reason"])


def _choose(files: list[FileShape], paths: list[str], run_id: str) -> list[FileShape]:
    if not paths:
        return files
    chosen: list[FileShape] = []
    for path in paths:
        start = path.rstrip("/") + "/"
        found = [file for file in files if file["name"] == path or file["name"].startswith(start)]
        if not found:
            raise NotFoundError(f"{run_id} has no file or folder {path[:200]!r}; `runyard files {run_id}` lists them")
        chosen.extend(file for file in found if file not in chosen)
    return chosen


def place(base: Path, name: str) -> Path:
    """Where a run's file goes under ``base``; its name came from a script, so it is not trusted.

    Raises:
        ConfigError: if it would leave ``base``, by its parts or through a link.
    """
    parts = name.split("/")
    if not name or any(part in {"", ".", ".."} for part in parts) or "\0" in name or os.sep != "/":
        raise ConfigError(
            f"the run has a file named {name[:120]!r}, which is no safe name here; nothing was downloaded"
        )
    target = base.joinpath(*parts)
    if not target.parent.resolve().is_relative_to(base.resolve()):
        raise ConfigError(f"{target.parent} leads out of {base} through a link; nothing was downloaded")
    return target


def _fetch(client: Client, run_id: str, name: str, target: Path, attempt: int | None) -> int:
    """Download into a temporary file beside the target: what is there is whole."""
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.parent / f".{target.name[:200]}.part"
    draft.unlink(missing_ok=True)
    try:
        with draft.open("xb") as file:
            count = client.runs.download(run_id, name, file, attempt=attempt)
        draft.replace(target)
    finally:
        with contextlib.suppress(FileNotFoundError):
            draft.unlink()
    return count
