"""The shapes that the store's set statements replace: row by row, or with foreign keys; no policies."""

from __future__ import annotations

from typing import Any

import psycopg
from sqlalchemy import BigInteger, create_engine
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from courierx_core.audience.model import NewSubscriber
from tests.benchmarks.clock import Clock
from tests.benchmarks.figures import Figures

PLAIN = """
CREATE TABLE plain_people (id bigserial PRIMARY KEY, tenant_id bigint NOT NULL, email text NOT NULL,
    first_name text NOT NULL, attributes jsonb NOT NULL, UNIQUE (tenant_id, email));
CREATE TABLE plain_messages (id bigint PRIMARY KEY);
CREATE TABLE plain_deliveries (id bigserial PRIMARY KEY, state text NOT NULL, address text NOT NULL,
    message_id bigint NOT NULL REFERENCES plain_messages, person_id bigint NOT NULL REFERENCES plain_people,
    reply text, UNIQUE (message_id, person_id));
CREATE INDEX ON plain_deliveries (state);
INSERT INTO plain_messages VALUES (1);
"""
SNAPSHOT = """
INSERT INTO plain_deliveries (state, address, message_id, person_id)
SELECT 'queued', email, 1, id FROM plain_people ORDER BY id
"""
SKIP_LOCKED = """
UPDATE plain_deliveries SET state = 'sending' WHERE id IN (
    SELECT id FROM plain_deliveries WHERE state = 'queued' ORDER BY id LIMIT 500 FOR UPDATE SKIP LOCKED)
RETURNING id, address
"""


def measure_plain(url: str, people: list[NewSubscriber]) -> Figures:
    """Do the same the usual way, with as few people as give a rate."""
    clock, n = Clock(), len(people)
    few, some = people[: min(2_000, n)], min(10_000, n)
    with psycopg.connect(url, autocommit=True) as plain:
        plain.execute(PLAIN)
        clock.run("import", lambda: import_by_orm(url, few))
        plain.execute(
            "INSERT INTO plain_people (tenant_id, email, first_name, attributes)"
            " SELECT tenant_id, email, first_name, attributes FROM subscribers ON CONFLICT DO NOTHING"
        )
        clock.run("snapshot", lambda: plain.execute(SNAPSHOT))
        for _ in range(0, some, 500):
            clock.run("claim", lambda: plain.execute(SKIP_LOCKED).fetchall())
        for number in range(1, 1_001):
            clock.run(
                "record",
                lambda: plain.execute(
                    "UPDATE plain_deliveries SET state = 'accepted', reply = %s WHERE id = %s",
                    ("250 2.0.0 Ok: queued as 4F6X", number),  # noqa: B023
                ),
            )
    return {
        "import_by_orm": clock.rate(len(few), "import"),
        "snapshot_foreign_keys": clock.rate(n, "snapshot"),
        "claim_skip_locked": clock.rate(some, "claim"),
        "record_commit_per_row": clock.rate(1_000, "record"),
    }


def import_by_orm(url: str, people: list[NewSubscriber]) -> None:
    """Add person by person, as a request handler would; one commit."""

    class Base(DeclarativeBase):
        pass

    class Person(Base):
        __tablename__ = "plain_people"
        id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
        tenant_id: Mapped[int] = mapped_column(BigInteger)
        email: Mapped[str]
        first_name: Mapped[str]
        attributes: Mapped[Any] = mapped_column(JSONB)

    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with Session(engine) as session:
        for each in people:
            session.add(
                Person(
                    tenant_id=1,
                    email=each.email,
                    first_name=each.first_name,
                    attributes=dict(each.attributes),
                )
            )
            session.flush()
        session.commit()
    engine.dispose()
