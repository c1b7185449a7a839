"""``runyard``: the application and its start."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from runyard.cli import (
    compute,
    config,
    control,
    drain,
    env,
    events,
    files,
    logs,
    notify,
    outcome,
    queue,
    runs,
    schedule,
    secret,
    service,
    submit,
    sweep,
    up,
    webhook,
    why,
)
from runyard.cli.context import remember_root

EPILOG = "Exit codes: " + "; ".join(f"{code} {meaning}" for code, meaning in outcome.CODES) + "."


class Commands(TyperGroup):
    """Reports what goes wrong in a command."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Refuse what is no text: nothing that is sent or stored could hold it."""
        for number, arg in enumerate(args, 1):
            try:
                arg.encode()
            except UnicodeEncodeError:
                raise typer.BadParameter(f"argument {number} is not UTF-8 text; write it as UTF-8") from None
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command; errors become one sentence and an exit code."""
        with outcome.reported():
            return super().invoke(ctx)


app = typer.Typer(
    name="runyard",
    cls=Commands,
    help="Drop a snapshot, get a run.",
    epilog=EPILOG,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"runyard {service.own_version()}")
        raise typer.Exit


@app.callback()
def before_any_command(
    root: Annotated[
        Path | None,
        typer.Option("--root", envvar="RUNYARD_ROOT", help="The root folder (default ~/.runyard).", show_default=False),
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_show_version)
    ] = False,
) -> None:
    """Drop a snapshot, get a run."""
    del version
    remember_root(root)


for module in (up, drain, submit, runs, why, events, logs, control, files, sweep):
    module.register(app)
for group in (config, compute, env, secret, webhook, notify, schedule, queue):
    app.add_typer(group.app)
service.register(app)


def main() -> None:
    """The console script."""
    # What a host logs is shown by `up`; elsewhere the commands say themselves what matters.
    logging.getLogger("runyard").addHandler(logging.NullHandler())
    try:
        app()
    except Exception as error:
        if outcome.is_debugging():
            raise
        sys.exit(outcome.unexpected(error))


if __name__ == "__main__":
    main()
