"""``runyard prune``, ``doctor`` and ``version``."""

from __future__ import annotations

from typing import Annotated

import typer

from runyard.cli.context import Json, Root, connect, root_of, seconds
from runyard.cli.doctor import examined
from runyard.cli.outcome import FAILED
from runyard.cli.show import print_json, print_table, size


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("prune")(prune)
    app.command("doctor")(doctor)
    app.command("version")(version)


def prune(
    runs_older_than: Annotated[
        str | None, typer.Option(metavar="AGE", help="Remove runs that ended longer ago, with their files.")
    ] = None,
    logs_older_than: Annotated[
        str | None, typer.Option(metavar="AGE", help="Remove the files of runs that ended longer ago.")
    ] = None,
    snapshots_older_than: Annotated[
        str | None,
        typer.Option(metavar="AGE", help="Remove older snapshots that no unfinished run, schedule or webhook needs."),
    ] = None,
    keep: Annotated[int | None, typer.Option(min=0, help="Keep the newest so many runs whatever their age.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count.")] = False,
    json: Json = False,
    root: Root = None,
) -> None:
    """Remove what is old.

    Ages are a number and s, m, h, d or w: 30d.
    """
    if (runs_older_than, logs_older_than, snapshots_older_than) == (None, None, None) and keep is None:
        raise typer.BadParameter("say what to remove: --runs-older-than, --logs-older-than or --snapshots-older-than")
    if keep is not None and runs_older_than is None:
        raise typer.BadParameter("--keep spares runs from --runs-older-than, so it needs that option")
    with connect(root) as client:
        report = client.prune(
            runs_older_than=seconds(runs_older_than, "--runs-older-than"),
            logs_older_than=seconds(logs_older_than, "--logs-older-than"),
            snapshots_older_than=seconds(snapshots_older_than, "--snapshots-older-than"),
            keep=keep,
            dry_run=dry_run,
        )
    if json:
        print_json(report)
        return
    verb = "would remove" if dry_run else "removed"
    print(
        f"{verb} {report['runs']} runs, the files of {report['logs']} more, {report['snapshots']} snapshots: "
        f"{size(report['bytes'])}"
    )


def doctor(json: Json = False, root: Root = None) -> None:
    """Check what a run needs here.

    The exit code is 1 if something is missing.
    """
    checks = examined(root_of(root))
    ok = all(check["ok"] for check in checks)
    if json:
        print_json({"ok": ok, "checks": checks})
    else:
        rows = [
            (
                "ok" if check["ok"] else "FIX",
                check["name"],
                check["detail"] + (f": {check['fix']}" if check["fix"] else ""),
            )
            for check in checks
        ]
        print_table(("", "CHECK", "FOUND"), rows, fixed=2)
    if not ok:
        raise typer.Exit(FAILED)


def version() -> None:
    """Print the version."""
    print(f"runyard {own_version()}")


def own_version() -> str:
    """The version of this package."""
    from runyard._exports import resolve  # noqa: PLC0415

    return str(resolve("__version__"))
