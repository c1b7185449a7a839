"""The program on the page about testing runs, and the page names what the kit has."""

import re
from pathlib import Path
from typing import Any

from runyard import testing

PAGE = (Path(__file__).parents[2] / "docs" / "testing.md").read_text()


def test_the_program_on_the_page_runs() -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert 4 == len(blocks)
    names: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block, "docs/testing.md", "exec"), names)
    assert "Completed" == names["run"].status
    assert ["gates.wait", "runs.create", "queue.wake"] == names["whole"].seen[:3]


def test_the_page_names_every_part_of_a_behaviour_that_is_trouble() -> None:
    usual = {"duration", "exit_code", "log"}
    kinds = {"submitting": "Submitting", "polling": "Polling", "cancelling": "Cancelling"}
    for name in set(testing.Behaviour.__dataclass_fields__) - usual:
        assert f"`{kinds.get(name, name)}`" in PAGE


def test_what_the_kit_exports_is_there_and_sorted() -> None:
    assert (
        sorted(testing.__all__, key=lambda name: (not name.isupper(), not name[0].isupper(), name)) == testing.__all__
    )
    assert all(hasattr(testing, name) for name in testing.__all__)
