"""The filters that come with the core: what they show, and that none makes more than its input."""

from __future__ import annotations

from datetime import date, datetime, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from courierx_core.builtin import day, money, number


@pytest.mark.parametrize(
    ("value", "places", "shown"),
    [
        (1234567, 0, "1,234,567"),
        ("12345.6", 2, "12,345.60"),
        (0, 0, "0"),
        (Decimal("2.5"), 0, "2"),
        (-3, 99, "-3.000000"),
    ],
)
def test_number(value: object, places: int, shown: str) -> None:
    assert number(value, places) == shown


def test_money() -> None:
    assert money(9.5, "EUR") == "9.50 EUR"
    assert money("1234") == "1,234.00"
    assert money(0, "EUR") == "0.00 EUR"


def test_date() -> None:
    assert day("2026-05-03") == "3 May 2026"
    assert day("2026-05-03T10:00:00+02:00", "short") == "3 May"
    assert day(date(2026, 12, 31), "iso") == "2026-12-31"
    assert day(datetime(2026, 1, 9, tzinfo=timezone.utc)) == "9 January 2026"


@pytest.mark.parametrize("empty", ["", None])
def test_what_is_empty_stays_empty(empty: object) -> None:
    assert (number(empty), money(empty, "EUR"), day(empty)) == ("", "", "")


@pytest.mark.parametrize("value", ["1e999999999", "9" * 19, "inf", "nan", "ten", [1]])
def test_what_is_no_number_of_a_sane_size_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="takes a number of at most 18 digits"):
        money(value)
    with pytest.raises(ValueError, match="takes a number of at most 18 digits"):
        number(value)


def test_what_is_no_date_is_refused() -> None:
    with pytest.raises(ValueError, match="date takes a date such as 2026-05-03, got 'soon'"):
        day("soon")


@given(st.text(max_size=50) | st.integers() | st.floats() | st.decimals())
def test_nothing_long_comes_out(value: object) -> None:
    for shown in (number, money, day):
        try:
            text = shown(value)
        except ValueError as refused:
            text = str(refused)
        assert len(text) < 500
