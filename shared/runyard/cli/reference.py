"""Writes ``docs/cli.md`` from the application itself: ``python -m runyard.cli.reference [PATH]``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from typer.main import get_command

from runyard.cli.main import app
from runyard.cli.outcome import CODES
from runyard.events.published import publish

PUBLISHED: Final = "docs/cli.md"
ESCAPED: Final = "\\|"
"""A bar inside a table's cell."""

_HEAD: Final = """# Command line

<!-- Written by `python -m runyard.cli.reference`; change the commands, not this page. -->

`runyard` talks to the host that serves the root folder (`--root`, else `RUNYARD_ROOT`, else `~/.runyard`). Without one,
commands work on the root itself: reads show what is there, `submit` writes the run down durably and says so, and
`submit --wait` plays host until the run ends.

A *RUN* is a run's id, the beginning or the end of one if only one run has it, or `latest`. Every command that reads takes
`--json`; the field names of a run are those of the Azure ML SDK's `get_details()`. Results go to standard output,
everything else to standard error. Colour is used on terminals only, and not if `NO_COLOR` is set.

"""


def page() -> str:
    """The page as Markdown."""
    return _HEAD + _codes() + "\n".join(_commands(get_command(app), "runyard"))


def _codes() -> str:
    rows = "".join(f"| {code} | {meaning} |\n" for code, meaning in CODES)
    return f"## Exit codes\n\n| code | meaning |\n| --- | --- |\n{rows}\nErrors are one sentence; `RUNYARD_DEBUG=1` shows where they come from.\n\n"


def _commands(command: Any, name: str) -> Iterator[str]:
    for sub, each in getattr(command, "commands", {}).items():
        if hasattr(each, "commands"):
            yield from _commands(each, f"{name} {sub}")
        else:
            yield _section(each, f"{name} {sub}")


def _section(command: Any, name: str) -> str:
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    options = [each for each in command.params if each.param_type_name == "option" and "--root" not in each.opts]
    usage = " ".join([name, *(["[OPTIONS]"] if options else []), *map(_metavar, arguments)])
    text = f"## {name}\n\n{_text(command.help)}\n\n```\n{usage}\n```\n"
    if rows := [(f"`{_metavar(each)}`", each.help) for each in arguments if each.help]:
        text += _table("argument", rows)
    if rows := [(_names(each), _with_default(each)) for each in options]:
        text += _table("option", rows)
    return text


def _table(head: str, rows: list[tuple[str, str]]) -> str:
    return f"\n| {head} | meaning |\n| --- | --- |\n" + "".join(
        f"| {name.replace('|', ESCAPED)} | {_cell(text)} |\n" for name, text in rows
    )


def _names(option: Any) -> str:
    value = "" if option.is_flag else f" {_metavar(option)}"
    return ", ".join(
        f"`{name}{value if name.startswith('--') else ''}`" for name in (*option.opts, *option.secondary_opts)
    )


def _metavar(parameter: Any) -> str:
    if parameter.metavar:
        return str(parameter.metavar)
    return str(parameter.name).upper().replace("_", "-")


def _with_default(option: Any) -> str:
    text = option.help or ""
    default = option.show_default if isinstance(option.show_default, str) else option.default
    # Anything else (no default, an empty list, a marker of the library) says nothing to a reader.
    if option.is_flag or isinstance(default, bool) or not isinstance(default, (str, int)):
        return text
    return f"{text} Default: {default}."


def _text(text: str | None) -> str:
    return " ".join((text or "").split())


def _cell(text: str) -> str:
    return _text(text).replace("|", ESCAPED).replace("<", "&lt;")


def main() -> None:
    """Write the page to the path given, else to :data:`PUBLISHED` below the current folder."""
    publish(page(), PUBLISHED)


if __name__ == "__main__":
    main()
