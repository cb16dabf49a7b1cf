"""A person's attribute as a condition: one way on each database, with the same meaning.

Nothing here is ever NULL, so that `not` of it is the opposite. Names and values are parameters.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Double,
    Numeric,
    Text,
    and_,
    case,
    cast,
    exists,
    false,
    func,
    literal,
    not_,
    or_,
)

from courierx_core.audience.tree import NUMBER_TEXT, NUMBER_TEXT_MAX
from courierx_sql.accessor import Accessor
from courierx_sql.tables import subscribers


class Stored(ABC):
    """An attribute's value as the database sees it."""

    @abstractmethod
    def is_there(self) -> ColumnElement[bool]: ...
    @abstractmethod
    def is_text(self) -> ColumnElement[bool]: ...
    @abstractmethod
    def text(self) -> ColumnElement[str]:
        """Return it as text; meant for texts."""

    @abstractmethod
    def is_bool(self, value: bool) -> ColumnElement[bool]: ...
    @abstractmethod
    def number(self) -> ColumnElement[float]:
        """Return it as a number, NULL where it neither is one nor reads as one."""

    @abstractmethod
    def given(self, value: float) -> ColumnElement[float]:
        """Return a caller's number in the type to compare `number` with."""

    @abstractmethod
    def has_element(self, value: str) -> ColumnElement[bool]:
        """Say that it is a list with this text in it."""


def attribute(
    tenant: Accessor, name: str, says: Callable[[Stored], ColumnElement[bool]]
) -> ColumnElement[bool]:
    """Say something of the attribute `name` of a row of `subscribers`; without the attribute it is false."""
    if tenant.connection.dialect.name == "sqlite":
        value = _InSqlite()
        return exists().where(value.row.c.key == name, says(value)).select_from(value.row)
    return func.coalesce(says(_InPostgresql(name)), false())


class _InSqlite(Stored):
    """A row of json_each: a path cannot name every key, a comparison with `key` can."""

    def __init__(self) -> None:
        self.row = func.json_each(subscribers.c.attributes).table_valued("key", "type", "atom", "value")

    def is_there(self) -> ColumnElement[bool]:
        return self.row.c.type != "null"

    def is_text(self) -> ColumnElement[bool]:
        return self.row.c.type == "text"

    def text(self) -> ColumnElement[str]:
        return self.row.c.atom

    def is_bool(self, value: bool) -> ColumnElement[bool]:
        return self.row.c.type == ("true" if value else "false")

    def number(self) -> ColumnElement[float]:
        text = self.row.c.atom
        unsigned = case((func.substr(text, 1, 1) == "-", func.substr(text, 2)), else_=text)
        reads = and_(  # tree.NUMBER_TEXT, for a database without regular expressions
            self.is_text(),
            func.length(text) <= NUMBER_TEXT_MAX,
            unsigned.op("GLOB")("[0-9]*"),
            not_(unsigned.op("GLOB")("*[^0-9.]*")),
            not_(unsigned.op("GLOB")("*.*.*")),
            not_(unsigned.op("GLOB")("*.")),
        )
        return case(
            (self.row.c.type.in_(("integer", "real")), self.row.c.atom),
            (reads, cast(text, Double())),
            else_=None,
        )

    def given(self, value: float) -> ColumnElement[float]:
        return literal(value, BigInteger() if isinstance(value, int) else Double())

    def has_element(self, value: str) -> ColumnElement[bool]:
        element = func.json_each(self.row.c.value).table_valued("type", "atom")
        found = exists().where(element.c.type == "text", element.c.atom == value).select_from(element)
        return and_(self.row.c.type == "array", found)


class _InPostgresql(Stored):
    def __init__(self, name: str) -> None:
        key = literal(name, Text())
        self._json = subscribers.c.attributes.op("->")(key)
        self._text = subscribers.c.attributes.op("->>", return_type=Text())(key)
        self._kind = func.jsonb_typeof(self._json)

    def is_there(self) -> ColumnElement[bool]:
        return self._kind != "null"

    def is_text(self) -> ColumnElement[bool]:
        return self._kind == "string"

    def text(self) -> ColumnElement[str]:
        return self._text

    def is_bool(self, value: bool) -> ColumnElement[bool]:
        return and_(self._kind == "boolean", self._text == ("true" if value else "false"))

    def number(self) -> ColumnElement[float]:
        reads = and_(
            self.is_text(),
            func.length(self._text) <= NUMBER_TEXT_MAX,
            self._text.regexp_match(f"^{NUMBER_TEXT}$"),
        )
        return case(
            (or_(self._kind == "number", reads), cast(self._text, Numeric(asdecimal=False))), else_=None
        )

    def given(self, value: float) -> ColumnElement[float]:
        # by its shortest decimal, as JSON wrote the stored one: both are exact
        return cast(literal(repr(value), Text()), Numeric(asdecimal=False))

    def has_element(self, value: str) -> ColumnElement[bool]:
        element = func.to_jsonb(literal(value, Text()))
        return and_(self._kind == "array", self._json.op("@>")(element))
