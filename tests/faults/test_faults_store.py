"""Stores that go away (R05) and that are full (R06)."""

from __future__ import annotations

import random
import resource
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from courierx_core.testing.smtp import SmtpServer
from tests.faults.conftest import PACED, Sites
from tests.faults.invariants import check_invariants, deliveries_of, send_id
from tests.faults.site import LEASE_SECONDS, WINDOW, Site, wait_for
from tests.servers import APP, TEMPLATE, PostgresServer, private_postgres

BACK_SECONDS = 10.0


@pytest.fixture
def own_server() -> Iterator[PostgresServer]:
    """A PostgreSQL for this test alone; durable, because it is stopped as by a power cut."""
    with private_postgres(durable=True) as server:
        server.prepare()
        yield server


@pytest.fixture
def postgres_site(own_server: PostgresServer, queue: Mapping[str, str], tmp_path: Path) -> Iterator[Site]:
    with ExitStack() as stack:
        server = stack.enter_context(SmtpServer(rules=[PACED]))
        name = stack.enter_context(own_server.database(template=TEMPLATE))
        site = Site(tmp_path, server, "postgresql", own_server.url(name, APP), own_server.url(name), **queue)
        stack.callback(site.close)
        yield site


@pytest.mark.postgresql
def test_r05_postgresql_goes_down_hard_and_comes_back(
    own_server: PostgresServer, postgres_site: Site, seed: int, chance: random.Random
) -> None:
    site = postgres_site
    list_id, addresses = site.people(20 * WINDOW)
    campaign_id = site.start(list_id)
    worker = site.worker()
    for moment in sorted(chance.sample(range(WINDOW, 15 * WINDOW), 2)):
        wait_for(f"{moment} sent", lambda moment=moment: accepted(site, campaign_id) >= moment)
        own_server.stop("immediate")
        own_server.start()
        before = accepted(site, campaign_id)
        wait_for("it sends again", lambda before=before: accepted(site, campaign_id) > before, BACK_SECONDS)
    site.finish(campaign_id)
    assert "trying again" in worker.log.read_text("utf-8"), "nothing was under way: the stop did not land"
    states = check_invariants(site, {campaign_id: addresses}, uncertain=0)
    assert states == {"accepted": len(addresses)}
    worker.stop()


@pytest.mark.postgresql
def test_r05_random_backends_are_terminated(sites: Sites, seed: int, chance: random.Random) -> None:
    site = sites(PACED)
    list_id, addresses = site.people(20 * WINDOW)
    workers = [site.worker(bend="snapshot_chunk=8"), site.worker(bend="snapshot_chunk=8")]
    # A worker that finds no store when it starts says so and ends; whoever keeps it starts it again.
    wait_for("both are at work", lambda: len(site.rows("SELECT 1 FROM workers")) == len(workers))
    campaign_id = site.start(list_id)
    wait_for("the snapshot has begun", lambda: site.rows("SELECT 1 FROM deliveries LIMIT 1"))
    wait_for("their connections end", lambda: terminate(site, chance, everybody=True))
    for moment in sorted(chance.sample(range(1, 15 * WINDOW), 10)):
        wait_for(f"{moment} sent", lambda moment=moment: accepted(site, campaign_id) >= moment)
        wait_for("a connection ends", lambda: terminate(site, chance))
    before = accepted(site, campaign_id)
    wait_for("it sends again", lambda: accepted(site, campaign_id) > before, BACK_SECONDS)
    site.finish(campaign_id)
    states = check_invariants(site, {campaign_id: addresses}, uncertain=0)
    assert states == {"accepted": len(addresses)}
    for worker in workers:
        worker.stop()


def accepted(site: Site, campaign_id: int) -> int:
    message_id = site.rows(f"SELECT message_id FROM campaigns WHERE id = {campaign_id}")[0][0]
    count = f"SELECT count(*) FROM deliveries WHERE message_id = {message_id} AND state = 'accepted'"
    return int(site.rows(count)[0][0])


def terminate(site: Site, chance: random.Random, *, everybody: bool = False) -> int:
    """End a random connection of ours, or all; return how many were ended."""
    ours = (
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
        " AND application_name = 'courierx' ORDER BY pid"
    )
    pids = [pid for (pid,) in wait_for("a connection", lambda: site.rows(ours))]
    chosen = pids if everybody else [chance.choice(pids)]
    ended = site.rows("SELECT " + ", ".join(f"pg_terminate_backend({pid})" for pid in chosen))[0]
    return sum(bool(each) for each in ended)


@pytest.mark.parametrize("setup", ["sqlite"], indirect=True)
def test_r06_on_a_full_disk_nothing_is_sent_that_is_not_on_record(sites: Sites) -> None:
    """The limit on file sizes stands for the disk: every write beyond it fails, and it can be lifted."""
    site = sites(PACED)
    list_id, addresses = site.people(15 * WINDOW)
    campaign_id = site.start(list_id)
    worker = site.worker()
    wait_for("the first messages", lambda: site.sent() >= 10)
    _, most = resource.prlimit(worker.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, (64 * 1024, most))
    wait_for("it cannot write", lambda: worker.words().count("did not take a window") >= 3)
    sent = {message.send_id for message in site.server.received()}
    intended = max(cursor for (cursor,) in site.rows("SELECT cursor FROM work WHERE topic = 'send'"))
    on_record = {send_id(site, row) for row in deliveries_of(site, campaign_id) if row.id <= intended}
    assert len(on_record) < len(addresses), "everything was intended: the fault came too late"
    assert sent <= on_record
    assert "disk" in worker.words(), "it does not say why it waits"
    resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, (most, most))
    site.finish(campaign_id)
    states = check_invariants(site, {campaign_id: addresses}, uncertain=0)
    assert states == {"accepted": len(addresses)}
    worker.stop()


@pytest.mark.parametrize("setup", ["sqlite"], indirect=True)
def test_r06_a_disk_that_stays_full_for_longer_than_the_lease(sites: Sites) -> None:
    site = sites(PACED)
    list_id, addresses = site.people(10 * WINDOW)
    campaign_id = site.start(list_id)
    worker = site.worker()
    wait_for("the first messages", lambda: site.sent() >= 10)
    _, most = resource.prlimit(worker.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, (64 * 1024, most))
    expired = "SELECT count(*) FROM work WHERE lease_until < (julianday('now') - 2440587.5) * 86400.0"
    wait_for("its leases have expired", lambda: site.rows(expired)[0][0], 4 * LEASE_SECONDS)
    resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, (most, most))
    site.finish(campaign_id)
    check_invariants(site, {campaign_id: addresses}, killed=1)
    worker.stop()
