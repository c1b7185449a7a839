"""``runyard env``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from runyard.cli import env_images
from runyard.cli.context import Json, Root, seconds
from runyard.cli.outcome import say
from runyard.cli.show import print_json, print_lines, print_table, size, span
from runyard.errors import NotFoundError

app = typer.Typer(
    name="env",
    help="Prepared Python environments of this machine: list, build, explain and remove them.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Key = Annotated[str, typer.Argument(metavar="KEY", help="An environment's key, or its first characters.")]
Place = Annotated[
    Path,
    typer.Argument(
        metavar="[DIR|ZIP|FILE]",
        help="A project, a zip, a run configuration, a conda file (.yml) or requirements (.txt).",
        show_default="the current folder",
    ),
]
Which = Annotated[
    str | None,
    typer.Option("--runconfig", help="Which run configuration of the directory or zip: a name or a path in it."),
]
Legacy = Annotated[
    str | None, typer.Option(metavar="nearest|exact", help="What is not there any more: replaced, or an error.")
]
Resolver = Annotated[
    str | None, typer.Option(help="What builds it: auto, uv, pip, rattler, micromamba, mamba or conda.")
]

_SIZE: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?", re.IGNORECASE)
_POWERS: Final = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_HEX: Final = re.compile(r"[0-9a-fA-F]{4,64}")
_SAID: Final = re.compile(r"the environment ([0-9a-f]{12}) was ")
"""In a run's history (:mod:`runyard.runner.environment_step`)."""


@app.command("list")
def list_(json: Json = False, root: Root = None) -> None:
    """List the prepared environments: sizes, last use, what they were made for."""
    from runyard.cli.env_print import list_rows  # noqa: PLC0415 - 150 ms, with those below
    from runyard.cli.env_problems import as_ours  # noqa: PLC0415
    from runyard.cli.env_source import options_of  # noqa: PLC0415
    from runyard.runner.environments import list_environments  # noqa: PLC0415

    cache = options_of(root).environments
    with as_ours():
        found = list_environments(cache)
    total = sum(each["bytes"] or 0 for each in found)
    if json:
        print_json({"cache": cache, "bytes": total, "environments": found})
        return
    if found:
        print_table(("KEY", "STATE", "PYTHON", "TOOL", "SIZE", "LAST USE", "SOURCE"), list_rows(found))
    say(f"{len(found)} environment{'' if len(found) == 1 else 's'}, {size(total)}, in {cache}")


app.command("images")(env_images.images)


@app.command("show")
def show(key: Key, json: Json = False, root: Root = None) -> None:
    """Show one environment: where it is, what it was made of, what was taken instead of what was asked for."""
    from runyard.cli.env_print import show_lines  # noqa: PLC0415
    from runyard.cli.env_source import options_of  # noqa: PLC0415

    found = _described(options_of(root).environments, key)
    if json:
        print_json(found)
        return
    print_lines(show_lines(found))


@app.command("build")
def build(
    path: Place = Path(),
    runconfig: Which = None,
    legacy: Legacy = None,
    resolver: Resolver = None,
    json: Json = False,
    root: Root = None,
) -> None:
    """Prepare an environment now, so that the first run does not wait for it. One that is there is left as it is."""
    from runyard.cli.env_build import have  # noqa: PLC0415
    from runyard.cli.env_source import options_of, wish_of  # noqa: PLC0415
    from runyard.runconfig.redact import masked  # noqa: PLC0415

    with masked(), wish_of(_asked(path, runconfig, legacy, resolver), options_of(root)) as wish:
        found = have(wish)
    ready = found.ready
    if json:
        print_json(
            {
                "key": ready.key,
                "built": found.is_new,
                "seconds": round(found.seconds, 3),
                "prefix": ready.prefix,
                "interpreter": ready.interpreter,
                "tool": ready.tool,
                "notes": ready.notes,
            }
        )
        return
    if not found.is_new:
        for note in ready.notes:
            say(note)
    how = f"was built in {span(found.seconds)} with {ready.tool}" if found.is_new else "is there already"
    say(f"the environment {ready.key[:12]} {how}")
    print(ready.prefix)


@app.command("prune")
def prune(
    keys: Annotated[list[str] | None, typer.Argument(metavar="[KEY]...", help="Remove these.")] = None,
    older_than: Annotated[str | None, typer.Option(metavar="AGE", help="Those not used for that long: 30d.")] = None,
    max_size: Annotated[
        str | None, typer.Option(metavar="SIZE", help="The longest unused, until the rest is no larger: 10GB.")
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="All that no run uses.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Remove nothing; say what would be.")] = False,
    json: Json = False,
    root: Root = None,
) -> None:
    """Remove environments; never one that a run uses. With no option: what is broken, as killed builds leave it."""
    from runyard.cli.env_problems import as_ours  # noqa: PLC0415
    from runyard.cli.env_source import options_of  # noqa: PLC0415
    from runyard.runner.environments import prune as prune_environments  # noqa: PLC0415

    age = 0.0 if all_ else seconds(older_than, "--older-than")
    most = _bytes(max_size)
    cache = options_of(root).environments
    whole = [_described(cache, key)["key"] for key in keys or []]
    with as_ours():
        found = prune_environments(cache, older_than=age, most_bytes=most, keys=whole, dry_run=dry_run)
    gone = [each for each in found if each["removed"]]
    total = sum(each["bytes"] or 0 for each in gone)
    if json:
        print_json({"cache": cache, "dryRun": dry_run, "bytes": total, "environments": found})
        return
    verb = "would remove" if dry_run else "removed"
    for each in found:
        print(f"{verb if each['removed'] else 'kept'} {each['key'][:12]}: {each['reason']}")
    print(f"{verb} {len(gone)} environments: {size(total)}")


@app.command("explain")
def explain(
    what: Annotated[
        str,
        typer.Argument(metavar="[DIR|ZIP|FILE|RUN|KEY]", help="As for `build`; or a run; or an environment's key."),
    ] = ".",
    runconfig: Which = None,
    legacy: Legacy = None,
    resolver: Resolver = None,
    json: Json = False,
    root: Root = None,
) -> None:
    """Say why an environment has its key: all that counts, and what changed since the one before it."""
    from runyard.cli.env_print import explain_lines  # noqa: PLC0415
    from runyard.cli.env_problems import as_ours  # noqa: PLC0415
    from runyard.cli.env_source import options_of, wish_of  # noqa: PLC0415
    from runyard.runconfig.redact import masked  # noqa: PLC0415
    from runyard.runner.environments import explain as explain_wish  # noqa: PLC0415
    from runyard.runner.environments import explain_key  # noqa: PLC0415

    options = options_of(root)
    if Path(what).exists():
        asked = _asked(Path(what), runconfig, legacy, resolver)
        with masked(), wish_of(asked, options) as wish, as_ours():
            found = explain_wish(wish)
    else:
        key = _described(options.environments, _key_of(what, options.environments, root))["key"]
        with as_ours():
            found = explain_key(options.environments, key)
    if json:
        print_json(found)
        return
    print_lines(explain_lines(found))


def _asked(path: Path, runconfig: str | None, legacy: str | None, resolver: str | None) -> Any:
    """What was asked for.

    Raises:
        typer.BadParameter: for a word that is none of those allowed.
    """
    from runyard.cli.env_source import Asked  # noqa: PLC0415
    from runyard.runner.environments import POLICIES, RESOLVERS  # noqa: PLC0415

    for option, value, allowed in (("--legacy", legacy, POLICIES), ("--resolver", resolver, RESOLVERS)):
        if value is not None and value not in allowed:
            raise typer.BadParameter(f"{option} is one of {', '.join(allowed)}, and not {value[:40]!r}")
    return Asked(path=path, runconfig=runconfig, legacy=legacy, resolver=resolver)


def _described(cache: str, key: str) -> dict[str, Any]:
    """What the cache knows of an environment.

    Raises:
        NotFoundError: if there is none of this key.
        ConfigError: if several begin like that.
    """
    from runyard.cli.env_problems import as_ours  # noqa: PLC0415
    from runyard.runner.environments import describe, list_environments  # noqa: PLC0415

    with as_ours():
        if not any(each["key"].startswith(key.lower()) for each in list_environments(cache)):
            raise NotFoundError(
                f"there is no environment {key[:64]!r} in {cache}; `runyard env list` shows those that are"
            )
        return describe(cache, key)


def _key_of(what: str, cache: str, root: Path | None) -> str:
    """The key that is meant: itself, or that of a run's environment, by the run's history."""
    from runyard.cli.context import connect  # noqa: PLC0415
    from runyard.runner.environments import list_environments  # noqa: PLC0415

    if _HEX.fullmatch(what) and any(each["key"].startswith(what.lower()) for each in list_environments(cache)):
        return what
    with connect(root) as client:
        run = client.runs.resolve(what)
        said = [match for event in client.runs.history(run) if (match := _SAID.search(event["reason"]))]
    if not said:
        raise NotFoundError(f"{run} has no prepared environment; `runyard events {run}` says what happened to it")
    return said[-1][1]


def _bytes(text: str | None) -> int | None:
    """A size such as ``10GB`` in bytes.

    Raises:
        typer.BadParameter: if it does not have that form.
    """
    if text is None:
        return None
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise typer.BadParameter(f"--max-size takes a number and a unit, such as 10GB or 500MiB, and not {text[:30]!r}")
    base = 1024 if found[3] else 1000
    return int(float(found[1]) * base ** _POWERS[found[2].lower()])
