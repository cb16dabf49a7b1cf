"""Events lie in a partition a month: made before it begins, dropped once nothing is left in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import psycopg
import pytest

from courierx_core.ports.driver import Runtime, Secret
from courierx_sql.postgresql import PostgresStore
from tests.servers import APP, TEMPLATE, Postgres

MONTHS = "SELECT relname FROM pg_class WHERE relname ~ '^events_[0-9_]{7}$' AND relkind = 'r' ORDER BY 1"


class Months(NamedTuple):
    owner: psycopg.Connection
    """Whom row-level security does not bind."""
    store: PostgresStore
    """The app's, with its role."""

    def there(self) -> list[str]:
        return [name for (name,) in self.owner.execute(MONTHS).fetchall()]

    def keep(self) -> None:
        with self.store.platform() as platform:
            platform.keep()

    def add(self, day: str) -> None:
        self.owner.execute("SELECT courierx_add_month(%s)", (day,))
        self.owner.execute(
            "INSERT INTO events VALUES (1, 1, %s, 'opened', 1, 1, 'a@x.example', 'test', '', false, '{}')",
            (day,),
        )

    def empty(self) -> None:
        self.owner.execute("DELETE FROM events")
        self.owner.execute("VACUUM events")


@pytest.fixture
def months(postgres: Postgres) -> Iterator[Months]:
    with (
        postgres.database(template=TEMPLATE) as name,
        psycopg.connect(postgres.url(name), autocommit=True) as owner,
    ):
        config = PostgresStore.Config(url=Secret(postgres.url(name, APP)))
        store = PostgresStore("db", config, Runtime())
        yield Months(owner, store)
        store.close()


def test_the_months_to_come_are_made_in_time(months: Months) -> None:
    made = months.there()
    assert len(made) == 3
    for part in made[1:]:
        months.owner.execute(f"DROP TABLE {part}".encode())
    for _ in range(2):
        months.keep()
    assert months.there() == made


def test_a_month_goes_once_nothing_is_left_in_it(months: Months) -> None:
    ours = months.there()
    months.add("2001-05-31")
    months.keep()
    assert months.there() == ["events_2001_05", *ours]
    months.empty()
    months.keep()
    assert months.there() == ours
    months.add("2001-05-31")  # what comes of it later finds a place


def test_who_reads_events_is_not_waited_for(months: Months) -> None:
    months.add("2001-05-31")
    months.empty()
    with months.store.begin(1, write=False) as reading:
        assert reading.events.list() == []
        months.keep()
        assert "events_2001_05" in months.there()
    months.keep()
    assert "events_2001_05" not in months.there()
