"""Keys of Azure's tables."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from runyard.stores.azure.keys import AFTER, ascending, descending, escaped, number_of, unescaped

numbers = st.floats(allow_nan=False)


@given(numbers, numbers)
def test_numbers_sort_as_their_keys_do(one: float, other: float) -> None:
    assert (ascending(one) < ascending(other)) == (one < other)
    assert (descending(one) > descending(other)) == (one < other)
    assert number_of(ascending(one)) == one


def test_the_whole_line_of_numbers_fits() -> None:
    line = [-math.inf, -1e300, -1.0, -5e-324, 0.0, 5e-324, 1.0, 1.7e9, math.inf]
    keys = [ascending(each) for each in line]
    assert keys == sorted(keys)
    assert ascending(-0.0) == ascending(0.0)


@given(st.text())
def test_any_text_is_a_key_and_comes_back(text: str) -> None:
    key = escaped(text)
    assert unescaped(key) == text
    assert not set(key) & set("/\\#?%|~'")
    assert key.isascii()
    assert key.isprintable()


@given(st.text(), st.text())
def test_the_end_of_a_prefix_lies_after_all_that_begin_with_it(prefix: str, rest: str) -> None:
    assert escaped(prefix) <= escaped(prefix + rest) < escaped(prefix) + AFTER
