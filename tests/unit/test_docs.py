"""The docs say what there is, and point at what exists."""

import re
from pathlib import Path

import pytest

from runyard.runner.hook.runyard_hook import Run
from runyard.runner.job import Job
from runyard.runner.places import Places
from runyard.runner.script import variables
from runyard.targets.local import options
from runyard.targets.local.target import LocalTarget
from runyard.targets.registry import known_kinds

HERE = Path(__file__).parents[2]
PAGES = sorted([*HERE.glob("*.md"), *HERE.glob("docs/**/*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(HERE)))
def test_every_link_leads_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for link in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
        if not link.startswith(("http:", "https:")):
            assert (page.parent / link).exists(), f"{page.name} points at {link}"


def test_every_page_can_be_reached_from_the_readme() -> None:
    seen, todo = set(), [HERE / "README.md"]
    while todo:
        page = todo.pop()
        if page in seen:
            continue
        seen.add(page)
        for link in re.findall(r"\]\(([^)#]+\.md)[^)]*\)", page.read_text()):
            todo += [] if link.startswith("http") else [(page.parent / link).resolve()]
    assert {page for page in PAGES if page.parts[-2] != HERE.name} <= seen


@pytest.mark.parametrize("kind", known_kinds())
def test_every_kind_has_its_page(kind: str) -> None:
    assert (HERE / "docs" / "targets" / f"{kind}.md").exists()


def test_every_option_of_the_kind_local_is_on_its_page() -> None:
    page = (HERE / "docs" / "targets" / "local.md").read_text()
    assert set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)) >= set(options.describe())
    assert "local" == LocalTarget.kind


def test_every_call_of_a_scripts_run_is_on_its_page() -> None:
    page = (HERE / "docs" / "scripts.md").read_text()
    calls = {name for name in dir(Run) if not name.startswith("_")}
    assert set() == {name for name in calls if not re.search(rf"\b{name}\b", page)}


def test_every_variable_of_a_script_is_on_its_page() -> None:
    job = Job({"name": "n", "run": "r", "attempt": 1, "gpu": 0})
    named = set(re.findall(r"`([A-Z_]{6,})`", (HERE / "docs" / "scripts.md").read_text().split("These of Azure ML")[0]))
    assert set() == set(variables({}, job, Places("root", "r", 1, "n"), "hook")) - named


def test_the_package_names_each_released_version_in_its_changelog() -> None:
    version = re.search(r'^version = "([^"]+)"', (HERE / "pyproject.toml").read_text(), re.MULTILINE)
    assert version is not None
    text = (HERE / "CHANGELOG.md").read_text()
    assert "## [Unreleased]" in text or f"## [{version[1]}]" in text


def test_the_readme_names_the_two_commands() -> None:
    text = (HERE / "README.md").read_text()
    assert "$ make demo" in text
    assert "$ make test" in text


def test_every_test_that_the_guarantees_name_exists() -> None:
    page = (HERE / "docs" / "guarantees.md").read_text()
    named = re.findall(r"`(?:tests/)?(\w+/test_\w+\.py)(?:::(\w+))?`", page)
    assert len(named) > 30
    missing = [
        f"{path}::{name}"
        for path, name in named
        if not (HERE / "tests" / path).exists() or (name and f"def {name}(" not in (HERE / "tests" / path).read_text())
    ]
    assert [] == missing


def test_every_module_that_the_guarantees_name_exists() -> None:
    page = (HERE / "docs" / "guarantees.md").read_text()
    modules = set(re.findall(r"`(\w+(?:/\w+)+\.py)`", page)) - set(re.findall(r"`(\w+/test_\w+\.py)`", page))
    assert [] == sorted(
        each for each in modules if not (HERE / "shared" / "runyard" / each).exists() and not each.startswith("tests/")
    )
