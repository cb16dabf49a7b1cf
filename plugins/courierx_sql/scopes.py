"""Read a statement's scopes: which occurrences of tenants' tables are tied to a tenant, and by what.

A table occurrence is tied by `occurrence.tenant_id = bind` in a top-level AND of its scope's WHERE or of
an inner join's ON, by equality with a tied occurrence, or (shared tables only, whose tenant 0 belongs to
the platform) by `tenant_id IN (binds)`. The ON of an outer join ties its optional side alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from sqlalchemy import (
    Alias,
    BinaryExpression,
    BindParameter,
    BooleanClauseList,
    Column,
    ColumnElement,
    CompoundSelect,
    Delete,
    FromClause,
    Insert,
    Join,
    Label,
    Lateral,
    Select,
    Subquery,
    Table,
    Update,
)
from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import ClauseElement, Grouping
from sqlalchemy.sql.selectable import CTE, SelectStatementGrouping

from courierx_sql.tables import OWNED

SHARED = frozenset({"suppressions", "transports"})
"""Tables whose rows of tenant 0 are the platform's and are read together with a tenant's own."""


class Findings(NamedTuple):
    """What a statement touches, what it leaves open, and the binds that carry its tenant."""

    touched: frozenset[str] = frozenset()
    missing: frozenset[str] = frozenset()
    values: tuple[BindParameter[Any], ...] = ()
    inserts: bool = False
    inserts_rows_of_select: bool = False


def read(statement: Any) -> Findings:
    """Read a whole statement, once per compiled form."""
    reader = _Reader()
    reader.statement(statement, frozenset())
    insert = isinstance(statement, Insert) and _name(statement.table) in OWNED
    from_select = insert and statement.select is not None
    return Findings(
        frozenset(reader.touched), frozenset(reader.missing), tuple(reader.values), insert, from_select
    )


def _name(source: FromClause) -> str:
    """Return the table's name under any alias; '' for what is no table."""
    while isinstance(source, Alias):
        source = source.element
    return source.name if isinstance(source, Table) else ""


class _Reader:
    def __init__(self) -> None:
        self.touched: set[str] = set()
        self.missing: set[str] = set()
        self.values: list[BindParameter[Any]] = []
        self._done: set[int] = set()  # CTEs are met once per reference

    def statement(self, element: Any, outer: frozenset[FromClause]) -> None:
        match element:
            case Select():
                self._select(element, outer)
            case CompoundSelect():
                for part in element.selects:
                    self.statement(part, outer)
            case SelectStatementGrouping():
                self.statement(element.element, outer)
            case Insert():
                self._insert(element)
            case Update() | Delete():
                self._change(element)
            case _:
                self._nested([element], outer)
        for cte in getattr(element, "_independent_ctes", ()):
            self._source(cte, outer)

    def _select(self, select: Select[Any], outer: frozenset[FromClause]) -> None:
        froms = select.get_final_froms()
        # SQLAlchemy correlates with the enclosing scope only where something of its own is left
        own = [source for source in froms if source not in outer] or froms
        leaves = self._leaves(own, outer)
        conditions = list(_all_true(select.whereclause))
        self._tie(leaves, own, conditions, outer)
        parts: list[Any] = [*select.selected_columns, *conditions, *select._having_criteria]
        parts += [*select._order_by_clauses, *select._group_by_clauses]
        self._nested(parts, outer | leaves)

    def _change(self, change: Update | Delete) -> None:
        conditions = [part for criterion in change._where_criteria for part in _all_true(criterion)]
        values = list((getattr(change, "_values", None) or {}).items())
        if any(_key(column) == "tenant_id" for column, _ in values):
            self.missing.add(_name(change.table))
        parts = [*conditions, *(value for _, value in values), *change._returning]
        sources = {change.table, *_tables_in(parts)}
        leaves = self._leaves(sources, frozenset())
        self._tie(leaves, sources, conditions, frozenset())
        self._nested(parts, leaves)

    def _insert(self, insert: Insert) -> None:
        table = _name(insert.table)
        if table in OWNED:
            self.touched.add(table)
        if insert.select is not None:
            self.statement(insert.select, frozenset())
            if table in OWNED and not self._selects_tenant(insert):
                self.missing.add(table)
        self._nested(list((insert._values or {}).values()), frozenset())

    def _selects_tenant(self, insert: Insert) -> bool:
        names = [_key(name) for name in insert._select_names or ()]
        if "tenant_id" not in names:
            return False
        query: Any = insert.select
        selects = query.selects if isinstance(query, CompoundSelect) else [query]
        for select in selects:
            value: Any = list(select.selected_columns)[names.index("tenant_id")]
            while isinstance(value, Label | Grouping):
                value = value.element
            if isinstance(value, BindParameter):
                self.values.append(value)
            elif not (isinstance(value, Column | ColumnElement) and _key(value) == "tenant_id"):
                return False
        return True

    def _leaves(self, sources: Iterable[FromClause], outer: frozenset[FromClause]) -> frozenset[FromClause]:
        return frozenset(leaf for source in sources for leaf in self._source(source, outer))

    def _source(self, source: Any, outer: frozenset[FromClause]) -> Iterator[FromClause]:
        if isinstance(source, Join):
            yield from self._source(source.left, outer)
            yield from self._source(source.right, outer)
        elif isinstance(source, Subquery | CTE | Lateral):
            if id(source) not in self._done:
                self._done.add(id(source))
                self.statement(source.element, outer if isinstance(source, Lateral) else frozenset())
            yield source
        else:
            yield source

    def _nested(self, parts: Iterable[Any], outer: frozenset[FromClause]) -> None:
        """Read the statements inside expressions; `outer` is what they may correlate with."""
        for part in parts:
            for statement in _statements_in(part):
                self.statement(statement, outer)

    def _tie(
        self,
        leaves: frozenset[FromClause],
        sources: Iterable[FromClause],
        conditions: list[Any],
        outer: frozenset[FromClause],
    ) -> None:
        owned = {leaf for leaf in leaves if _name(leaf) in OWNED}
        self.touched.update(_name(leaf) for leaf in owned)
        # a derived table holds only rows that its own scope has tied; an enclosing scope ties its own,
        # but the same table named again inside is another occurrence
        tied = {leaf for leaf in leaves if not _name(leaf)} | (outer - leaves)
        edges: list[tuple[FromClause, FromClause]] = []
        for may_tie, condition in [(None, c) for c in conditions] + list(_joined(sources)):
            for leaf, other in _equalities(condition):
                if may_tie is not None and leaf not in may_tie:
                    continue
                if isinstance(other, BindParameter):
                    tied.add(leaf)
                    self.values.append(other)
                else:
                    edges.append((other, leaf))
        grew = True
        while grew:
            new = {leaf for other, leaf in edges if other in tied} - tied
            tied |= new
            grew = bool(new)
        self.missing.update(_name(leaf) for leaf in owned - tied)


def _joined(sources: Iterable[Any]) -> Iterator[tuple[frozenset[FromClause] | None, Any]]:
    """Give each ON condition with the leaves it may tie: None for all, an outer join's right side."""
    for source in sources:
        if not isinstance(source, Join):
            continue
        right = frozenset(_flat(source.right))
        may_tie = frozenset[FromClause]() if source.full else right if source.isouter else None
        yield from ((may_tie, condition) for condition in _all_true(source.onclause))
        for allowed, condition in _joined([source.left]):
            yield (frozenset() if source.full else allowed), condition
        for allowed, condition in _joined([source.right]):
            if source.full:
                allowed = frozenset()
            elif source.isouter and allowed is None:
                allowed = right
            yield allowed, condition


def _flat(source: Any) -> Iterator[FromClause]:
    if isinstance(source, Join):
        yield from _flat(source.left)
        yield from _flat(source.right)
    else:
        yield source


def _all_true(condition: Any) -> Iterator[Any]:
    """Split a condition into the parts that must all hold."""
    if condition is None:
        return
    if isinstance(condition, Grouping):
        yield from _all_true(condition.element)
    elif isinstance(condition, BooleanClauseList) and condition.operator is operators.and_:
        for part in condition.clauses:
            yield from _all_true(part)
    else:
        yield condition


def _equalities(condition: Any) -> Iterator[tuple[FromClause, Any]]:
    """Give (occurrence, its tenant): a bind, or another occurrence whose tenant_id it equals."""
    if not isinstance(condition, BinaryExpression):
        return
    left: Any = condition.left
    right: Any = condition.right
    if condition.operator is operators.eq:
        for one, other in ((left, right), (right, left)):
            if not _is_tenant(one):
                continue
            if isinstance(other, BindParameter):
                yield one.table, other
            elif _is_tenant(other):
                yield one.table, other.table
    elif condition.operator is operators.in_op and _is_tenant(left) and _name(left.table) in SHARED:
        while isinstance(right, Grouping):
            right = right.element
        if isinstance(right, BindParameter):
            yield left.table, right


def _is_tenant(element: Any) -> bool:
    return _key(element) == "tenant_id" and getattr(element, "table", None) is not None


def _key(column: Any) -> str:
    return column if isinstance(column, str) else str(getattr(column, "key", ""))


_STATEMENTS = (Select, CompoundSelect, Insert, Update, Delete)


def _statements_in(element: Any) -> Iterator[Any]:
    """Give the outermost statements inside an expression."""
    if isinstance(element, _STATEMENTS):
        yield element
    elif isinstance(element, ClauseElement) and not isinstance(element, Table):
        for child in element.get_children():
            yield from _statements_in(child)


def _tables_in(parts: Iterable[Any]) -> Iterator[FromClause]:
    """Give the tables whose columns an expression names outside of nested statements."""
    for part in parts:
        if isinstance(part, _STATEMENTS) or not isinstance(part, ClauseElement):
            continue
        table = getattr(part, "table", None)
        if isinstance(table, FromClause):
            yield table
        else:
            yield from _tables_in(part.get_children())
