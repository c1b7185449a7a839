"""Metrics as the SDK gives them back, and as figures."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from runyard.runs.metrics import (
    IMAGE,
    LIST,
    MAX_PAIR_LENGTH,
    MAX_PAIRS,
    MAX_SUMMARIES,
    PARAM,
    PROPERTY,
    SCALAR,
    TABLE,
    TAG,
    as_sdk,
    best_of,
    collect,
    default_goal,
    properties_of,
    summarise,
    tags_of,
)
from runyard.runs.model import MetricSummary


def line(name: str, value: Any, kind: str = SCALAR) -> bytes:
    return json.dumps({"name": name, "type": kind, "value": value, "time": 1.5, "step": None}).encode()


def test_one_scalar_comes_back_bare_and_a_repeated_one_as_a_list() -> None:
    assert as_sdk([line("a", 1), line("b", 1), line("b", 2.5)]) == {"a": 1, "b": [1, 2.5]}


def test_a_list_of_one_comes_back_bare_as_in_the_sdk() -> None:
    assert as_sdk([line("a", [3], LIST), line("b", [1, 2], LIST)]) == {"a": 3, "b": [1, 2]}


def test_rows_become_columns_and_two_rows_become_lists() -> None:
    assert as_sdk([line("t", {"x": 1, "y": "a"}, TABLE)]) == {"t": {"x": 1, "y": "a"}}
    twice = [line("t", {"x": 1}, TABLE), line("t", {"x": 2}, TABLE)]
    assert as_sdk(twice) == {"t": {"x": [1, 2]}}
    assert as_sdk([line("t", {"x": [1, 2], "y": [3, 4]}, TABLE)]) == {"t": {"x": [1, 2], "y": [3, 4]}}


def test_an_image_is_its_artifact() -> None:
    assert as_sdk([line("plot", "outputs/plot.png", IMAGE)]) == {"plot": "outputs/plot.png"}


def test_a_value_of_another_kind_is_null_in_its_place() -> None:
    assert as_sdk([line("a", 1), line("a", "two"), line("a", 3.5)]) == {"a": [1, None, 3.5]}


def test_another_metric_type_of_the_same_name_is_dropped_and_told() -> None:
    found = collect([line("a", 1), line("a", [1, 2], LIST)])
    assert found.values == {"a": 1}
    assert "list" in found.problems[0]


def test_lines_that_cannot_be_read_are_counted_and_harm_nothing() -> None:
    found = collect([b'{"name": "a", "val', b"", b"[]", b"\xff", line("b", 2), line("c", 1, "azureml.v9.other")])
    assert found.values == {"b": 2}
    assert found.problems == ["4 lines of metrics.jsonl could not be read"]


def test_figures_skip_what_is_no_finite_number() -> None:
    lines = [line("a", value) for value in (3, math.nan, 1.0, math.inf, True, "x", None)]
    assert summarise([*lines, line("only_nan", math.nan)]) == {"a": MetricSummary(last=1.0, min=1.0, max=3.0, count=2)}


def test_figures_of_lists_and_not_of_tables() -> None:
    lines = [line("l", [5, 4, 3], LIST), line("t", {"x": 1}, TABLE), b'{"broken']
    assert summarise(lines) == {"l": MetricSummary(last=3.0, min=3.0, max=5.0, count=3)}


def test_a_script_that_invents_names_does_not_bloat_the_run() -> None:
    assert len(summarise([line(f"m{n}", n) for n in range(MAX_SUMMARIES + 50)])) == MAX_SUMMARIES


def test_a_huge_integer_is_no_figure() -> None:
    assert summarise([b'{"name":"a","value":1' + b"0" * 400 + b"}"]) == {}


@pytest.mark.parametrize("name", ["loss", "val_loss", "logloss", "mse", "test-MSE", "RMSE", "mae", "error rate", "wer"])
def test_losses_are_minimized_by_default(name: str) -> None:
    assert default_goal(name) == "minimize"


@pytest.mark.parametrize("name", ["accuracy", "auc", "r2", "maestro", "f1", "summary", "power"])
def test_other_metrics_are_maximized_by_default(name: str) -> None:
    assert default_goal(name) == "maximize"


def test_a_runs_figure_is_its_best_value() -> None:
    figures = MetricSummary(last=2, min=1, max=3, count=3)
    assert (best_of(figures, "minimize"), best_of(figures, "maximize")) == (1, 3)


def test_numbers_that_json_does_not_have_are_written_as_texts() -> None:
    found = as_sdk([line("a", 1.0), line("a", "NaN"), line("a", "-Infinity")])["a"]
    assert math.isnan(found[1])
    assert found[2] == -math.inf
    assert summarise([line("a", "NaN"), line("a", 2)])["a"].count == 1


def test_tags_are_no_metrics() -> None:
    lines = [line("stage", "one", "runyard.tag"), line("a", 1), line("stage", "two", "runyard.tag")]
    assert collect(lines).values == {"a": 1}
    assert collect(lines).problems == []
    assert tags_of(lines) == {"stage": "two"}


def child(of: str, text: bytes) -> bytes:
    return json.dumps({**json.loads(text), "child": of}).encode()


def test_what_a_child_run_logged_has_its_name_in_front() -> None:
    lines = [
        line("mse", 1),
        child("fold", line("mse", 2)),
        child("fold/in", line("mse", 3)),
        child("fold", line("t", "v", TAG)),
    ]
    assert {"mse": 1, "fold/mse": 2, "fold/in/mse": 3} == as_sdk(lines)
    assert {"mse", "fold/mse", "fold/in/mse"} == set(summarise(lines))
    assert {"fold/t": "v"} == tags_of(lines)


def test_params_are_no_metrics_and_the_last_value_counts() -> None:
    lines = [
        line("alpha", "0.1", PARAM),
        line("alpha", "0.2", PARAM),
        child("fold", line("n", "1", PARAM)),
        line("alpha", 3),
    ]
    found = collect(lines)
    assert ({"alpha": "0.2", "fold/n": "1"}, {"alpha": 3}, []) == (found.params, found.values, found.problems)
    assert {"alpha"} == set(summarise(lines))


@pytest.mark.parametrize("kind", ["confusion_matrix", "accuracy_table", "residuals", "predictions"])
def test_tables_that_are_files_come_back_as_their_names(kind: str) -> None:
    assert {"m": "outputs/metrics/m.json"} == as_sdk([line("m", "outputs/metrics/m.json", f"azureml.v1.{kind}")])


def test_lines_of_ours_are_no_problem() -> None:
    lines = [
        line("a", {"id": "x"}, "runyard.child"),
        line("a", {"path": "x"}, "runyard.model"),
        line("a", "x", PROPERTY),
    ]
    assert ({}, []) == (collect(lines).values, collect(lines).problems)


def test_a_tag_without_a_value_is_gone() -> None:
    lines = [line("a", "1", TAG), line("b", "2", TAG), line("a", None, TAG), line("c", None, TAG)]
    assert {"b": "2"} == tags_of(lines)
    assert {"b": "2"} == tags_of([each.decode() for each in lines])
    assert {} == properties_of(lines)


def test_a_script_that_invents_tags_does_not_bloat_the_run() -> None:
    found = properties_of([line(f"{n}", "x" * 5000, PROPERTY) for n in range(1000)])
    assert (MAX_PAIRS, MAX_PAIR_LENGTH) == (len(found), len(found["0"]))
