"""``runyard config``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from runyard.cli.context import Json, Root, Target
from runyard.cli.outcome import FAILED, USAGE, code_of, say
from runyard.cli.show import print_json, print_table
from runyard.errors import NotFoundError, RunyardError

if TYPE_CHECKING:
    from runyard.cli.config_prepared import Prepared
    from runyard.cli.config_source import Selected
    from runyard.cli.config_where import Where
    from runyard.runconfig.explain import Account
    from runyard.runconfig.model import RunConfiguration

app = typer.Typer(
    name="config",
    help="Run configurations: check, show, create and compare them.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Place = Annotated[
    Path, typer.Argument(metavar="FILE|DIR|ZIP", help="A run configuration, a project's directory, or a zip.")
]
Which = Annotated[
    str | None,
    typer.Option("--runconfig", help="Which run configuration of the directory or zip: a name or a path in it."),
]


@app.command("check")
def check(
    path: Place,
    runconfig: Which = None,
    target: Target = None,
    everything: Annotated[bool, typer.Option("--all", help="Show every default and every ignored key.")] = False,
    json: Json = False,
    root: Root = None,
) -> None:
    """Say what would run, where, and why, without running it.

    Names the run configuration that counts, every default and substitution, and all problems; exits with 1 if it would not run.
    """
    from runyard.cli.config_prepared import prepared  # noqa: PLC0415 - 100 ms, with those below
    from runyard.cli.config_print import check_rows, print_rows  # noqa: PLC0415
    from runyard.cli.config_source import select  # noqa: PLC0415
    from runyard.cli.config_where import where  # noqa: PLC0415
    from runyard.runconfig.explain import explain  # noqa: PLC0415
    from runyard.runconfig.redact import masked  # noqa: PLC0415

    with masked():
        selected = select(path, runconfig)
        account = explain(selected.data, selected.name, selected.place)
        found = ready = None
        if account.config is not None and account.meant is not None:
            found = where(target or account.meant.target, account.meant.framework, selected.place, root)
            account.problems += [found.problem] if found.problem else []
            if found.kind == "local" and not account.environment.faults:
                ready = prepared(selected, account.config, account.meant, root)
                account.problems += [ready.problem] if ready is not None and ready.problem else []
    account.problems[:0] = _all_masked(selected.problems)
    if json:
        print_json({**_account_json(selected, account, found), "prepared": _prepared_json(ready)})
    else:
        ready_row = [("", ready.sentence, "")] if ready is not None else []
        print_rows(check_rows(selected, account, found, everything=everything, prepared=ready_row))
    if account.problems:
        raise typer.Exit(FAILED)


@app.command("show")
def show(
    path: Place,
    runconfig: Which = None,
    raw: Annotated[bool, typer.Option("--raw", help="The file as it was written, comments and all.")] = False,
    json: Json = False,
) -> None:
    """Show every key of a run configuration with its value, and which are defaults. Secrets are masked."""
    from runyard.cli.config_print import setting_rows  # noqa: PLC0415
    from runyard.cli.config_source import select  # noqa: PLC0415
    from runyard.cli.terminal import neutral  # noqa: PLC0415
    from runyard.runconfig.explain_keys import effective, settings  # noqa: PLC0415
    from runyard.runconfig.redact import masked, redacted  # noqa: PLC0415

    with masked():
        selected = select(path, runconfig)
        if raw:
            from runyard.runconfig.explain_source import masked_source  # noqa: PLC0415

            print(neutral(masked_source(selected.data, selected.name)), end="")
            return
        config = _read(selected)
        known = settings(config, selected.place.read)
        document = redacted(effective(config))
    if json:
        print_json(
            {
                "source": selected.name,
                "runconfig": document,
                "defaults": [setting.key for setting in known if setting.is_default],
                "unknown": config.unknown,
            }
        )
        return
    say(f"{selected.name}: {selected.choice.why}")
    print_table(("KEY", "VALUE", ""), setting_rows(known))


@app.command("new")
def new(  # noqa: PLR0913, PLR0917 - one per option
    template: Annotated[
        str,
        typer.Argument(
            metavar="[TEMPLATE]", help="local, conda, docker, ssh, aci, batch, mpi or livy.", show_default="local"
        ),
    ] = "",
    kind: Annotated[str, typer.Option("--kind", help="The same as TEMPLATE.", show_default=False)] = "",
    name: Annotated[str | None, typer.Option(help="Its name.", show_default="the template's")] = None,
    directory: Annotated[Path, typer.Option("--dir", help="The project.", show_default="the current folder")] = Path(),
    script: Annotated[str, typer.Option(help="The script, by its path in the project.")] = "train.py",
    arg: Annotated[list[str] | None, typer.Option(help="An argument of the script; --arg=--alpha=0.5. Repeat.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
    stdout: Annotated[bool, typer.Option("--stdout", help="Print it instead.")] = False,
    json: Json = False,
) -> None:
    """Write a commented run configuration to begin with, into aml_config/ if that exists, else into .azureml/."""
    from runyard.cli.config_new import Wish, made, next_steps, write  # noqa: PLC0415

    if template and kind and template != kind:
        raise typer.BadParameter(f"the template is {template!r}, and --kind is {kind!r}; give one")
    plan = made(Wish(template or kind or "local", name, directory, script, tuple(arg or ())))
    if stdout:
        print(plan.text, end="")
        return
    write(plan, force=force)
    if json:
        print_json({"path": str(plan.path), "template": plan.template.name, "next": list(next_steps(plan))})
        return
    print(plan.path)
    for step in next_steps(plan):
        say(step)


@app.command("diff")
def diff(
    old: Annotated[Path, typer.Argument(metavar="A", help="A run configuration, a directory or a zip.")],
    new: Annotated[Path, typer.Argument(metavar="B", help="Another one.")],
    runconfig: Annotated[
        list[str] | None,
        typer.Option(help="Which one of a directory or zip; given twice, first for A, then for B."),
    ] = None,
    json: Json = False,
) -> None:
    """Compare two run configurations by what they mean: key, old value, new value.

    Spellings, comments, order and layout do not count. Exits with 0 if they are the same, with 1 if they differ, and with 2
    if they cannot be compared.
    """
    from runyard.cli.config_print import difference_rows, print_rows  # noqa: PLC0415
    from runyard.runconfig.explain_difference import ABSENT, differences  # noqa: PLC0415

    one, other = _both(old, new, runconfig or [])
    found = differences(one, other)
    if json:
        shown = [
            {
                "key": each.key,
                **{side: value for side, value in (("old", each.old), ("new", each.new)) if value is not ABSENT},
                "masked": each.is_masked,
            }
            for each in found
        ]
        print_json({"differences": shown})
    elif found:
        print_rows(difference_rows(found))
    if found:
        raise typer.Exit(FAILED)


def _both(old: Path, new: Path, names: Sequence[str]) -> tuple[RunConfiguration, RunConfiguration]:
    """The two, or the end with a code that is not that of a difference."""
    from runyard.cli.config_source import is_container, select  # noqa: PLC0415
    from runyard.runconfig.redact import masked  # noqa: PLC0415

    if len(names) > 2:
        raise typer.BadParameter("--runconfig is given at most twice: for A, and for B")
    wanted = [names[0] if names else None, names[-1] if names else None]
    try:
        with masked():
            first, second = (
                _read(select(path, name if is_container(path) else None))
                for path, name in zip((old, new), wanted, strict=True)
            )
    except NotFoundError:
        raise
    except RunyardError as error:
        say(f"runyard: {error.message}")
        raise typer.Exit(USAGE if code_of(error) == FAILED else code_of(error)) from None
    except OSError as error:
        say(f"runyard: {error.strerror or error}" + (f" ({error.filename})" if error.filename else ""))
        raise typer.Exit(USAGE) from None
    return first, second


def _read(selected: Selected) -> RunConfiguration:
    """The run configuration with its packages."""
    from runyard.runconfig import conda_file  # noqa: PLC0415
    from runyard.runconfig.locate import FOLDERS  # noqa: PLC0415
    from runyard.runconfig.read import parse  # noqa: PLC0415

    config = parse(selected.data, selected.name, files=selected.place.read)
    folder = selected.name.partition("/")[0]
    conda_file.attach(config, folder if folder in FOLDERS else FOLDERS[0], selected.place.read)
    return config


def _all_masked(sentences: Sequence[str]) -> list[str]:
    from runyard.runconfig.redact import redacted_text  # noqa: PLC0415

    return [redacted_text(sentence) for sentence in sentences]


def _prepared_json(ready: Prepared | None) -> dict[str, Any] | None:
    return None if ready is None else {"key": ready.key, "ready": ready.is_ready, "detail": ready.sentence}


def _account_json(selected: Selected, account: Account, found: Where | None) -> dict[str, Any]:
    """What ``config check --json`` says."""
    from dataclasses import asdict  # noqa: PLC0415

    choice = selected.choice
    return {
        "runconfig": selected.name,
        "why": choice.why,
        "others": [asdict(other) for other in choice.others],
        "command": account.command,
        "where": None if found is None else asdict(found),
        "environment": asdict(account.environment),
        "variables": account.variables,
        "limits": account.limits,
        "era": account.era,
        "defaults": {setting.key: setting.value for setting in account.defaults},
        "substitutions": account.substitutions,
        "unknown": account.unknown,
        "notes": [*selected.notes, *account.notes],
        "problems": account.problems,
        "wouldRun": not account.problems,
    }
