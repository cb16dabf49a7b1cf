"""The core as its own first plugin: the template filters that come with it.

Filters run inside tenants' templates, so each bounds what it makes: no filter takes a free format.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Literal

from courierx_core.hooks import hookimpl

_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_DIGITS = 18
"""Before the point: `1e999999999` is a short text with a very long number in it."""


@hookimpl
def courierx_template_filters() -> Mapping[str, Callable[..., object]]:
    return {"number": number, "money": money, "date": day}


def number(value: object, places: int = 0) -> str:
    """Show a number with thousands separated: `12345.6|number(2)` is 12,345.60. Empty stays empty."""
    if _is_empty(value):
        return ""
    return f"{_decimal(value, 'number'):,.{min(max(places, 0), 6)}f}"


def money(value: object, currency: str = "") -> str:
    """Show an amount with two places and its currency: `9.5|money("EUR")` is 9.50 EUR."""
    if _is_empty(value):
        return ""
    return f"{_decimal(value, 'money'):,.2f} {currency}".rstrip()


def day(value: object, style: Literal["long", "short", "iso"] = "long") -> str:
    """Show a date or an ISO 8601 text: long "3 May 2026", short "3 May", iso "2026-05-03"."""
    if _is_empty(value):
        return ""
    when = value if isinstance(value, date) else _from_iso(value)
    if style == "iso":
        return f"{when.year:04}-{when.month:02}-{when.day:02}"
    year = f" {when.year}" if style == "long" else ""
    return f"{when.day} {_MONTHS[when.month - 1]}{year}"


def _is_empty(value: object) -> bool:
    """Tell whether a template has nothing here: undefined, None or ''; 0 is a number."""
    return not value and not isinstance(value, (int, float, Decimal))


def _decimal(value: object, filter_name: str) -> Decimal:
    try:
        amount = Decimal(str(value).strip())
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or amount.adjusted() >= _DIGITS:
        raise ValueError(f"{filter_name} takes a number of at most {_DIGITS} digits, got {str(value)[:40]!r}")
    return amount


def _from_iso(value: object) -> date:
    try:
        return datetime.fromisoformat(str(value).strip())
    except ValueError:
        raise ValueError(f"date takes a date such as 2026-05-03, got {str(value)[:40]!r}") from None
