"""Migrations only expand, and lock no large table for long: the version before goes on beside them.

Read off the statements that PostgreSQL is really given, revision by revision.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from sqlalchemy import event

from courierx_core.ports.driver import Runtime, Secret
from courierx_sql.postgresql import PostgresStore
from courierx_sql.upgrade import VERSION_TABLE
from tests.servers import OWNER, Postgres

LARGE = frozenset(
    {"subscribers", "subscriptions", "deliveries", "work", "attempts", "events", "message_counters"}
)
"""Tables with a row per person or per delivery: an index on one that is there takes minutes, and its lock."""
FIRST = 10
"""The revisions up to this one are older than anybody's rows."""

_COMMENT = re.compile(r"--[^\n]*")
_BODY = re.compile(r"(CREATE (?:OR REPLACE )?FUNCTION\b.*?\$\$).*?\$\$", re.I | re.S)
_CREATED = re.compile(r"CREATE TABLE (\w+)", re.I)
_INDEX = re.compile(r"CREATE (?:UNIQUE )?INDEX (CONCURRENTLY )?.*? ON (?:ONLY )?(\w+)", re.I | re.S)
_CONTRACTS = re.compile(
    r"DROP (?:TABLE|COLUMN)|RENAME (?:TO|COLUMN)|ALTER (?:COLUMN )?\w+ (?:TYPE|SET NOT NULL|SET DATA)", re.I
)
_ADDED = re.compile(r"ALTER TABLE (\w+) ADD COLUMN (\w+) ([^;]*)", re.I)
_REWRITTEN = re.compile(r"DEFAULT (?:now|gen_random_uuid|clock_timestamp|nextval|random)\(", re.I)
_FOR_EVERY_ROW = re.compile(r"^\s*(?:UPDATE (\w+) SET(?!.*\bWHERE\b)|DELETE FROM (\w+)\s*$)", re.I | re.S)


def faults(revision: int, statement: str, made: frozenset[str]) -> Iterator[str]:
    """Say what is wrong with a statement, where `made` are the tables of its own revision."""
    text = _BODY.sub(r"\1", _COMMENT.sub("", statement))  # what a function will do is not done yet
    if _CONTRACTS.search(text):
        yield "takes away or changes what the version before reads"
    for table, column, rest in _ADDED.findall(text):
        if "NOT NULL" in rest.upper() and "DEFAULT" not in rest.upper():
            yield f"{table}.{column} is NOT NULL without a default, and the version before gives it none"
        if table in LARGE and _REWRITTEN.search(rest):
            yield f"the default of {table}.{column} is another for each row, so the table is rewritten"
    for concurrently, table in _INDEX.findall(text):
        if table in LARGE - made and not concurrently and revision > FIRST:
            yield f"an index on {table}, which is large and there already, locks it while it is built"
    for found in _FOR_EVERY_ROW.findall(text):
        if LARGE & set(found) - made:
            yield f"every row of {''.join(found)} is written in one transaction"


@pytest.fixture
def history(postgres: Postgres) -> list[tuple[int, list[str]]]:
    """Every revision with its statements, in order."""
    revisions: list[tuple[int, list[str]]] = []
    given: list[str] = []
    with postgres.database() as name:
        config = PostgresStore.Config(url=Secret(postgres.url(name, OWNER)))
        store = PostgresStore("postgresql", config, Runtime())

        @event.listens_for(store.engine, "before_cursor_execute")
        def _note(_c: object, _cursor: object, sql: str, values: object, _x: object, _many: bool) -> None:
            if re.match(rf"(?:INSERT INTO|UPDATE) {VERSION_TABLE}\b", sql):
                revisions.append((len(revisions) + 1, given.copy()))
                given.clear()
            else:
                given.append(sql)

        store.upgrade()
        store.close()
    return revisions


def test_every_revision_only_expands(history: list[tuple[int, list[str]]]) -> None:
    assert len(history) >= 20
    wrong = []
    for revision, statements in history:
        made = frozenset(name for each in statements for name in _CREATED.findall(each))
        wrong += [
            f"{revision:04}: {fault}: {' '.join(each.split())[:160]}"
            for each in statements
            for fault in faults(revision, each, made)
        ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE campaigns DROP COLUMN utm",
        "DROP TABLE senders",
        "ALTER TABLE campaigns RENAME COLUMN utm TO tags",
        "ALTER TABLE deliveries ALTER COLUMN attempt TYPE int",
        "ALTER TABLE deliveries ALTER attempt SET NOT NULL",
        "ALTER TABLE messages ADD COLUMN x text NOT NULL",
        "ALTER TABLE deliveries ADD COLUMN x timestamptz DEFAULT now()",
        "CREATE INDEX deliveries_state ON deliveries (tenant_id, state)",
        "CREATE UNIQUE INDEX x\n ON work (tenant_id)",
        "UPDATE deliveries SET state = 'queued'",
        "DELETE FROM events",
        "DO $$ BEGIN DROP TABLE senders; END $$",
    ],
)
def test_what_would_contract_or_lock_is_seen(statement: str) -> None:
    assert list(faults(FIRST + 1, statement, frozenset()))


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE messages ADD COLUMN x text NOT NULL DEFAULT ''",
        "ALTER TABLE deliveries ADD COLUMN x timestamptz",
        "CREATE INDEX CONCURRENTLY deliveries_state ON deliveries (tenant_id, state)",
        "CREATE INDEX x ON campaigns (tenant_id)",
        "UPDATE deliveries SET state = 'x' WHERE tenant_id = 1",
        "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN DROP TABLE x; END $$",
    ],
)
def test_what_expands_is_let_be(statement: str) -> None:
    assert not list(faults(FIRST + 1, statement, frozenset()))
