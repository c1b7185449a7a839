"""What ``runyard config`` shows to people: labelled lines, wrapped on a terminal and one each elsewhere."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Sequence
from typing import Any, Final

from runyard.cli.config_source import Selected
from runyard.cli.config_where import Where
from runyard.cli.terminal import plain
from runyard.runconfig.explain import Account
from runyard.runconfig.explain_difference import ABSENT, Difference
from runyard.runconfig.explain_environment import EnvironmentAccount
from runyard.runconfig.explain_keys import Setting
from runyard.runconfig.redact import MASK

Row = tuple[str, str, str]
"""A label (empty: it goes on), a text, and the text's colour."""

_IGNORED: Final = "is not a known key and is ignored"
_PACKAGES: Final = "environment.python.condaDependencies."
_LONGEST: Final = 2_000
"""Characters of a value that is shown."""
_LIMITS: Final = {"seconds": "at most {} s"}


def print_rows(rows: Sequence[Row]) -> None:
    """Labels on the left, texts on the right."""
    if not sys.stdout.isatty():
        width = max((len(label) for label, _, _ in rows), default=0)
        for label, text, _ in rows:
            print(f"{plain(label):<{width}}  {plain(text)}".rstrip())
        return
    from rich.console import Console  # noqa: PLC0415 - 60 ms
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    for label, text, style in rows:
        table.add_row(Text(plain(label)), Text(plain(text), style=style))
    Console(highlight=False).print(table)


def check_rows(
    selected: Selected, account: Account, where: Where | None, *, everything: bool, prepared: Sequence[Row] = ()
) -> list[Row]:
    """What ``config check`` shows; ``prepared`` follows what is said of the environment."""
    rows = _choice(selected)
    if account.meant is not None and where is not None:
        rows += [
            ("would run", _joined(account.command), "cyan"),
            ("where", where.sentence, ""),
            *_rows("environment", _environment(account.environment)),
            *prepared,
            *_rows("variables", [f"{name}={_short(value)}" for name, value in account.variables.items()] or ["none"]),
            *_rows("limits", [_limit(name, value) for name, value in account.limits.items()] or ["none"]),
            *_rows("defaults", _defaults(account, everything)),
        ]
    noted = [note for note in account.notes if _IGNORED in note]
    silent = [key for key in account.unknown if not any(f" {key} {_IGNORED}" in note for note in noted)]
    ignored = [*noted, *(f"{key} {_IGNORED}" for key in silent)]
    others = [note for note in (*selected.notes, *account.notes) if note not in noted]
    rows += _rows("taken for", account.substitutions)
    rows += _rows("ignored", ignored if everything else _cut(ignored), "yellow")
    rows += _rows("note", others)
    rows += _rows("problem", account.problems, "red")
    return [*rows, _verdict(len(account.problems))]


def setting_rows(settings: Sequence[Setting]) -> list[tuple[str, str, str]]:
    """Keys, values, and where the values are from, for a table."""
    return [(each.key, _short(each.value), "default" if each.is_default else "") for each in settings]


def difference_rows(found: Sequence[Difference]) -> list[Row]:
    """What ``config diff`` shows: old values, an arrow, new ones."""
    return [(each.key, _change(each), "") for each in found]


def _change(each: Difference) -> str:
    if each.is_masked:
        return f"{_short(each.old)} -> {_short(each.new)} (they differ, and are masked)"
    if each.key.startswith(_PACKAGES) and isinstance(each.old, list) and isinstance(each.new, list):
        gone = [f"-{_short(item)}" for item in each.old if item not in each.new]
        come = [f"+{_short(item)}" for item in each.new if item not in each.old]
        if gone or come:
            return " ".join([*gone, *come])
    return f"{_side(each.old)} -> {_side(each.new)}"


def _side(value: object) -> str:
    return repr(value) if value is ABSENT or value == "" else _short(value)


def _choice(selected: Selected) -> list[Row]:
    rows: list[Row] = [("counts", f"{selected.name}: {selected.choice.why}", "bold")]
    return rows + [("", f"not {other.name}: {other.why}", "") for other in selected.choice.others]


def _environment(account: EnvironmentAccount) -> list[str]:
    lines = {
        "user-managed": f"user-managed: {account.interpreter}, with the packages that it has",
        "none": "no packages are listed: Python alone",
        "inline": "packages inside the run configuration",
    }
    found = [lines.get(account.kind, f"packages of {account.file}")]
    for label, items in (
        ("conda", account.conda_packages),
        ("pip", account.pip_packages),
        ("pip options", account.pip_options),
        ("channels", account.channels),
        ("spark", account.spark_packages),
    ):
        if items:
            found.append(f"{label}: {', '.join(items)}")
    if account.image:
        found.append(f"in a container of {account.image}")
    if account.docker_arguments:
        found.append(f"docker arguments: {_joined(account.docker_arguments)}")
    return found


def _limit(name: str, value: object) -> str:
    return _LIMITS.get(name, name + " {}").format(value)


def _defaults(account: Account, everything: bool) -> list[str]:
    """How many keys have defaults, by section; each with its value when ``everything`` is wanted."""
    defaults = account.defaults
    if everything:
        return [f"{each.key}: {_side(each.value)}" for each in defaults] or ["none"]
    groups: dict[str, int] = {}
    for each in defaults:
        section, dot, rest = each.key.partition(".")
        group = f"{section}.{rest.partition('.')[0]}" if section == "environment" and "." in rest else section
        groups[group if dot else ""] = groups.get(group if dot else "", 0) + 1
    alone = ", ".join(f"{each.key} {_side(each.value)}" for each in defaults if "." not in each.key)
    sections = ", ".join(f"{name} ({count})" for name, count in groups.items() if name)
    lines = [f"{len(defaults)} of {len(account.settings)} keys, as release {account.era} has them; --all shows each"]
    return lines + [line for line in (alone, f"below {sections}" if sections else "") if line]


def _rows(label: str, texts: Sequence[str], style: str = "") -> list[Row]:
    return [(label if index == 0 else "", text, style) for index, text in enumerate(texts)]


def _cut(lines: list[str]) -> list[str]:
    return [*lines[:10], f"and {len(lines) - 10} more; --all shows them"] if len(lines) > 11 else lines


def _verdict(problems: int) -> Row:
    if problems == 0:
        return "verdict", "it would run", "green"
    return "verdict", f"it would not run: {problems} problem{'s' if problems > 1 else ''}", "red"


def _joined(words: Sequence[str]) -> str:
    """A command line; what is masked needs no quotes."""
    return shlex.join(words).replace(f"'{MASK}'", MASK)


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"
