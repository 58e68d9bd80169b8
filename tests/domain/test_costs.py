"""What a message costs, and what is believed of a gateway."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otp_service.domain.costs import DEAREST, FACTOR, MOST_PARTS, believed, can_be_parts, of_message


@pytest.mark.parametrize(
    ("told", "listed", "wanted"),
    [
        ("4.00", 4_500_000, 4_000_000),
        ("0.45", 4_500_000, 450_000),
        ("45", 4_500_000, 45_000_000),
        ("0", 4_500_000, 0),  # refunded
        ("0.449999", 4_500_000, None),  # dollars
        ("45.000001", 4_500_000, None),
        ("", 4_500_000, None),
        ("NaN", 4_500_000, None),
        ("-4", 4_500_000, None),
        ("9" * 400, 4_500_000, None),
        ("100", None, 100_000_000),
        ("100.01", None, None),
        ("4.00", 0, 4_000_000),
    ],
)
def test_a_price_is_believed_where_it_can_be_one(told: str, listed: int | None, wanted: int | None) -> None:
    assert believed(told, listed) == wanted


@given(st.text(max_size=30) | st.decimals().map(str), st.none() | st.integers(0, 10**9), st.integers(0, MOST_PARTS))
def test_no_word_of_a_gateway_costs_more_than_its_bound(told: str, listed: int | None, parts: int) -> None:
    cost = of_message(told, listed, parts, owed=True)
    assert 0 <= cost <= MOST_PARTS * (listed * FACTOR if listed else DEAREST)
    assert of_message(told, listed, parts, owed=False) == 0


def test_parts_are_believed_where_the_text_can_take_them() -> None:
    assert [told for told in range(-1, 100) if can_be_parts(told, 1)] == [1, 2, 3]
    assert [told for told in range(-1, 100) if can_be_parts(told, 2)] == [1, 2, 3, 4, 5, 6]
    assert [told for told in range(-1, 100) if can_be_parts(told, 6)] == [1, 2, 3, 4, 5, 6], "however often it tells"
    assert can_be_parts(6, 0)
    assert not can_be_parts(7, 0)
