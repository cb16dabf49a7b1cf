"""Moving from listmonk: a real PostgreSQL with its tables becomes lists, people and stops of a tenant."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import pytest
from click.testing import CliRunner
from litestar import Litestar
from litestar.testing import TestClient

from courierx_app import listmonk
from courierx_app.cli.root import cli
from courierx_core.audience.model import Audience
from courierx_core.courier import Courier
from courierx_core.erasure.service import erase
from courierx_core.errors import ConfigError
from courierx_core.tenants import service as tenants
from tests.servers import Postgres, shared_postgres

SCHEMA = """
CREATE TYPE list_type AS ENUM ('public', 'private', 'temporary');
CREATE TYPE list_optin AS ENUM ('single', 'double');
CREATE TYPE subscriber_status AS ENUM ('enabled', 'disabled', 'blocklisted');
CREATE TYPE subscription_status AS ENUM ('unconfirmed', 'confirmed', 'unsubscribed');
CREATE TABLE subscribers (
    id SERIAL PRIMARY KEY, uuid uuid NOT NULL UNIQUE, email TEXT NOT NULL UNIQUE, name TEXT NOT NULL,
    attribs JSONB NOT NULL DEFAULT '{}', status subscriber_status NOT NULL DEFAULT 'enabled',
    created_at TIMESTAMPTZ DEFAULT NOW(), updated_at TIMESTAMPTZ DEFAULT NOW());
CREATE TABLE lists (
    id SERIAL PRIMARY KEY, uuid uuid NOT NULL UNIQUE, name TEXT NOT NULL, type list_type NOT NULL,
    optin list_optin NOT NULL DEFAULT 'single', tags VARCHAR(100)[], description TEXT NOT NULL DEFAULT '',
    created_at TIMESTAMPTZ DEFAULT NOW(), updated_at TIMESTAMPTZ DEFAULT NOW());
CREATE TABLE subscriber_lists (
    subscriber_id INTEGER REFERENCES subscribers(id), list_id INTEGER REFERENCES lists(id),
    meta JSONB NOT NULL DEFAULT '{}', status subscription_status NOT NULL DEFAULT 'unconfirmed',
    PRIMARY KEY (subscriber_id, list_id));
INSERT INTO lists (uuid, name, type, optin, description) VALUES
    (gen_random_uuid(), 'News', 'public', 'single', 'Every Monday'),
    (gen_random_uuid(), 'Offers', 'private', 'double', ''),
    (gen_random_uuid(), 'News', 'private', 'single', 'The same name');
INSERT INTO subscribers (id, uuid, email, name, attribs, status) VALUES
    (1, '00000000-0000-4000-8000-000000000001', 'ann@x.example', 'Ann van Dam', '{"city": "Lima", "pets": ["cat"]}', 'enabled'),
    (2, '00000000-0000-4000-8000-000000000002', 'bob@x.example', 'Bob', '{}', 'blocklisted'),
    (3, '00000000-0000-4000-8000-000000000003', 'cy@x.example', '', '{}', 'disabled'),
    (4, '00000000-0000-4000-8000-000000000004', 'no address', 'Nobody', '{}', 'enabled'),
    (5, '00000000-0000-4000-8000-000000000005', 'di@x.example', 'Di', '{}', 'enabled'),
    (9, '00000000-0000-4000-8000-000000000009', 'Di@X.example', 'Di Two', '{}', 'blocklisted');
INSERT INTO subscriber_lists (subscriber_id, list_id, status) VALUES
    (1, 1, 'unconfirmed'), (1, 2, 'confirmed'), (1, 3, 'unsubscribed'),
    (2, 1, 'confirmed'), (3, 1, 'confirmed'), (5, 2, 'unconfirmed'), (5, 1, 'confirmed'), (9, 1, 'unsubscribed');
"""  # noqa: E501
ANN = UUID(int=0x00000000000040008000000000000001)
CAMPAIGN = UUID(int=77)


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with shared_postgres("listmonk") as server:
        yield server


@pytest.fixture
def dsn(postgres: Postgres) -> Iterator[str]:
    with postgres.database() as name:
        postgres.execute(SCHEMA, database=name)
        yield postgres.url(name)


@pytest.fixture
def tenant(courier: Courier) -> int:
    return tenants.ensure(courier.store, "Acme").id


def on_lists(courier: Courier, tenant: int) -> dict[str, set[str]]:
    with courier.store.begin(tenant, write=False) as unit:
        return {
            each.name: {person.email.partition("@")[0] for person in unit.subscribers.list(list_id=each.id)}
            for each in unit.lists.list()
        }


def test_people_lists_and_stops_come_over(courier: Courier, tenant: int, dsn: str) -> None:
    moved = listmonk.move(courier, tenant, dsn)
    assert (moved.lists, moved.counts.imported, moved.counts.bad, moved.counts.skipped) == (3, 4, 1, 1)
    assert [why.partition(":")[0] for why in moved.errors] == ["no address"]
    assert on_lists(courier, tenant) == {
        "News": {"ann", "bob", "cy"},
        "Offers": {"ann"},
        "News (listmonk 3)": set(),
    }
    with courier.store.begin(tenant, write=False) as unit:
        ann = unit.subscribers.by_email("ann@x.example")
        assert ann is not None
        assert (ann.first_name, ann.last_name) == ("Ann", "van Dam")
        assert ann.attributes == {"city": "Lima", "pets": ["cat"]}
        assert {each.address: (each.cause, each.reason) for each in unit.suppressions.list()} == {
            "bob@x.example": ("manual", "blocklisted in listmonk"),
            "cy@x.example": ("unsubscribe", "disabled in listmonk"),
            "di@x.example": ("manual", "blocklisted in listmonk"),
        }
        news = next(each for each in unit.lists.list() if each.name == "News")
        assert (news.public, news.description) == (True, "Every Monday")
        everyone = Audience(list_ids=tuple(each.id for each in unit.lists.list()))
        assert unit.subscribers.forecast(everyone, "broadcast") == {"queued": 1, "suppressed": 2}


def test_a_second_time_changes_nothing_and_who_left_here_stays_off(
    courier: Courier, tenant: int, dsn: str
) -> None:
    listmonk.move(courier, tenant, dsn)
    with courier.store.begin(tenant) as unit:
        ann = unit.subscribers.by_email("ann@x.example")
        news = next(each for each in unit.lists.list() if each.name == "News")
        assert ann is not None
        unit.lists.unsubscribe(news.id, [ann.id])
    moved = listmonk.move(courier, tenant, dsn)
    assert (moved.counts.imported, moved.counts.skipped) == (0, 5)
    assert on_lists(courier, tenant)["News"] == {"bob", "cy"}
    with courier.store.begin(tenant, write=False) as unit:
        assert len(unit.suppressions.list()) == 3


def test_what_broke_off_is_taken_up_again(
    courier: Courier, tenant: int, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listmonk, "STEP", 2)

    def stop(rows: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        listmonk.move(courier, tenant, dsn, progress=stop)
    assert on_lists(courier, tenant)["News"] == {"ann", "bob"}
    moved = listmonk.move(courier, tenant, dsn)
    assert (moved.counts.imported, moved.counts.bad) == (2, 1)
    assert on_lists(courier, tenant)["News"] == {"ann", "bob", "cy"}
    with courier.store.begin(tenant, write=False) as unit:
        assert len(unit.suppressions.list()) == 3


def test_who_was_erased_is_not_brought_back(courier: Courier, tenant: int, dsn: str) -> None:
    listmonk.move(courier, tenant, dsn)
    erase(courier, tenant, "ann@x.example")
    listmonk.move(courier, tenant, dsn, update=True)
    assert "ann" not in on_lists(courier, tenant)["Offers"]


def test_unsubscribe_links_in_old_mail_go_on_working(
    courier: Courier, tenant: int, dsn: str, api: Callable[..., TestClient[Litestar]]
) -> None:
    listmonk.move(courier, tenant, dsn)
    client, link = api(), f"/subscription/{CAMPAIGN}/{ANN}"
    for look in (client.get(link), client.head(link)):
        assert look.status_code == 200
    assert "<form" in client.get(link).text
    with courier.store.begin(tenant, write=False) as unit:
        assert unit.suppressions.list(address="ann@x.example") == []
    for _ in range(2):
        answer = client.post(link, data={"List-Unsubscribe": "One-Click"})
        assert answer.status_code == 200
    assert "<form" not in client.get(link).text
    with courier.store.begin(tenant, write=False) as unit:
        (stop,) = unit.suppressions.list(address="ann@x.example")
    assert stop.cause == "unsubscribe"


@pytest.mark.parametrize(
    "link", [f"/subscription/{CAMPAIGN}/{CAMPAIGN}", f"/subscription/{CAMPAIGN}/x", f"/subscription/x/{ANN}"]
)
def test_a_link_that_means_nobody_is_gone(api: Callable[..., TestClient[Litestar]], link: str) -> None:
    client = api()
    assert client.get(link).status_code == client.post(link).status_code == 404


def test_the_link_of_somebody_erased_is_gone(
    courier: Courier, tenant: int, dsn: str, api: Callable[..., TestClient[Litestar]]
) -> None:
    listmonk.move(courier, tenant, dsn)
    erase(courier, tenant, "ann@x.example")
    assert api().post(f"/subscription/{CAMPAIGN}/{ANN}").status_code == 404


def test_the_command(
    courier: Courier,
    tenant: int,
    dsn: str,
    environ: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(cli, ["import", "listmonk", dsn, "--json"], env=environ)
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["lists"], told["counts"]["imported"], told["suppressed"]) == (3, 4, 3)
    again = CliRunner().invoke(cli, ["import", "listmonk", "--update"], env={**environ, "LISTMONK_DSN": dsn})
    assert (
        "3 lists; 0 people imported, 4 updated, 1 skipped, 1 bad; 3 of them get no mailings." in again.output
    )


def test_what_is_no_listmonk_is_said_so(courier: Courier, tenant: int, postgres: Postgres) -> None:
    with pytest.raises(ConfigError, match="no database of listmonk") as said:
        listmonk.move(courier, tenant, postgres.url())
    assert 'relation "lists" does not exist' in str(said.value)
    with pytest.raises(ConfigError, match="cannot be reached"):
        listmonk.move(courier, tenant, "postgresql://u:hunter2@127.0.0.1:1/x")
    with pytest.raises(ConfigError, match="DSN is no address") as said:
        listmonk.move(courier, tenant, "hunter2")
    assert "hunter2" not in str(said.value)
