"""The pages of what is told are those of what the code tells: instruments, spans, actions of the log."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from runyard.telemetry.instruments import INSTRUMENTS

ROOT = Path(__file__).parents[2]
SOURCES = [
    path
    for folder in ("shared/runyard", "functions")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if "runner" not in path.relative_to(ROOT).parts
]


def rows(page: str, heading: str) -> list[list[str]]:
    """The cells of the table below a heading."""
    text = (ROOT / "docs" / page).read_text()
    part = text[text.index(heading) :].split("\n\n| ", 1)[1].split("\n\n", 1)[0]
    return [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in part.splitlines()[2:]]


def actions() -> Iterator[tuple[str, Path]]:
    """Each action in the source: the value beside the key ``action`` in a dictionary, with its file."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Dict):
                continue
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and key.value == "action":
                    yield str(value.value if isinstance(value, ast.Constant) else ast.unparse(value)), path


NAMED_BY_CALLER = {"calls.py": r'_told\(run, "([^"]+)"', "firing.py": r'_extra\(schedule, "([^"]+)"'}
"""Files in which an action is an argument, and how callers there give it."""


def test_every_action_of_the_source_is_in_the_table_and_no_other() -> None:
    found = set()
    for action, path in actions():
        if action != "action":
            found.add(action)
            continue
        given = re.findall(NAMED_BY_CALLER[path.name], path.read_text())
        assert given, f"{path.name} has an action that is no constant"
        found |= {*given}
    documented = [cell.strip("`") for cell, *_ in rows("logging.md", "# What the log says")]
    assert sorted(found) == sorted(documented)


def test_each_log_call_names_an_action() -> None:
    """A record without one cannot be found by it."""
    without = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "log"
        and node.func.attr in {"info", "warning", "error", "exception", "critical", "log"}
        and not any(keyword.arg == "extra" for keyword in node.keywords)
    ]
    assert without == []


def test_every_instrument_is_in_the_table_and_no_other() -> None:
    shown = {
        cells[0].strip("`"): (
            cells[1],
            cells[2].strip("`"),
            tuple(re.findall(r"`([^`]+)`", cells[3])),
            cells[4],
        )
        for cells in rows("observability.md", "## Metrics")
    }
    made = {each.name: (each.kind, each.unit, each.attributes, each.meaning) for each in INSTRUMENTS.values()}
    assert shown == made


def test_every_span_of_a_run_is_in_the_table() -> None:
    shown = {name for cells in rows("observability.md", "## Traces") for name in re.findall(r"`([^`]+)`", cells[0])}
    source = "\n".join(path.read_text() for path in SOURCES)
    steps = re.findall(r'telemetry\.(?:step|of_run|past)\(\s*"([^"]+)"', source)
    assert steps
    assert {*steps, "run", "deliver", "event"} <= shown
