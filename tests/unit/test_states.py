"""The table of moves is what the docs draw, and nothing leaves an ending."""

import re
from pathlib import Path

import pytest

from runyard.errors import IllegalMoveError
from runyard.runs.states import ENDINGS, MOVES, ON_COMPUTE, State, check_move

PAGE = Path(__file__).parents[2] / "docs" / "states.md"


def test_the_docs_diagram_shows_exactly_the_legal_moves() -> None:
    text = PAGE.read_text()
    drawn = set(re.findall(r"^\s+(\w+) --> (\w+)", text, re.MULTILINE))
    assert {(str(a), str(b)) for a, after in MOVES.items() for b in after} == drawn
    first = re.findall(r"\[\*\] --> (\w+)", text)
    last = re.findall(r"(\w+) --> \[\*\]", text)
    assert [State.NOT_STARTED] == first
    assert set(ENDINGS) == set(last)


def test_each_edge_of_the_diagram_says_why() -> None:
    for line in re.findall(r"^\s+\w+ --> \w+.*$", PAGE.read_text(), re.MULTILINE):
        assert re.search(r": \S", line), line


def test_the_docs_table_is_each_states_own_docstring() -> None:
    rows = dict(re.findall(r"^\| (\w+) \| (.+?) \|$", PAGE.read_text(), re.MULTILINE))
    rows.pop("state", None)
    assert {str(state): state.doc for state in State} == rows


def test_every_state_has_moves_and_only_endings_have_none() -> None:
    assert set(State) == set(MOVES)
    assert {state for state, after in MOVES.items() if not after} == ENDINGS


def test_every_state_but_the_endings_can_be_canceled_and_can_fail() -> None:
    for state in set(State) - ENDINGS:
        assert {State.CANCELED, State.FAILED} <= MOVES[state]


def test_a_run_on_a_compute_came_through_starting() -> None:
    for state in {State.NOT_STARTED, State.QUEUED}:
        assert MOVES[state] & ON_COMPUTE <= {State.STARTING}


def test_an_illegal_move_names_both_states_and_what_is_legal() -> None:
    with pytest.raises(
        IllegalMoveError, match="from Queued to Running; from Queued it can go to Canceled, Failed, Starting"
    ):
        check_move(State.QUEUED, State.RUNNING)
    with pytest.raises(IllegalMoveError, match="it is an ending"):
        check_move(State.COMPLETED, State.QUEUED)
