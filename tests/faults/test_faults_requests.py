"""Requests that come all at once (R10), and writers that find SQLite locked (R07)."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import Counter
from contextlib import closing

import pytest

from tests.faults.api import at_once, serving
from tests.faults.conftest import PACED, Sites
from tests.faults.invariants import check_invariants
from tests.faults.site import Site, wait_for


@pytest.mark.parametrize("key", ["", "one-and-the-same"])
def test_r10_fifty_parallel_requests_to_send_make_one_run(sites: Sites, key: str) -> None:
    site = sites()
    list_id, addresses = site.people(30)
    campaign_id = site.draft(list_id)
    headers = {"Idempotency_Key": key} if key else {}
    worker = site.worker()
    path = f"/campaigns/{campaign_id}/send-now"
    with serving(site) as ask:
        answers = at_once(50, lambda n: ask("POST", path, **headers))
        site.finish(campaign_id)
        again = ask("POST", path, **headers)
    statuses = Counter(answer.status for answer in answers)
    assert set(statuses) <= {200, 409}, [answer for answer in answers if answer.status not in (200, 409)]
    fresh = [a for a in answers if a.status == 200 and "idempotency-replayed" not in _lower(a.headers)]
    assert len(fresh) == 1, f"{len(fresh)} requests started it"
    assert again.status == (200 if key else 409)
    if key:
        assert again.body == fresh[0].body
    assert site.rows("SELECT count(*) FROM messages") == [(1,)]
    states = check_invariants(site, {campaign_id: addresses}, uncertain=0)
    assert states == {"accepted": len(addresses)}
    worker.stop()


@pytest.mark.parametrize("setup", ["sqlite"], indirect=True)
def test_r07_a_locked_database_makes_writers_wait_and_at_worst_ask_again(
    sites: Sites, monkeypatch: pytest.MonkeyPatch, thorough: bool
) -> None:
    locked, patience, writers = (32.0, 30.0, 8) if thorough else (4.0, 2.0, 8)
    monkeypatch.setattr("courierx_sql.pragmas.BUSY_SECONDS", patience)
    monkeypatch.setattr("courierx_sql.sqlite.BUSY_SECONDS", patience)
    site = sites(PACED)
    list_id, addresses = site.people(200)
    campaign_id = site.start(list_id)
    worker = site.worker()
    wait_for("the first messages", lambda: site.sent() >= 10)
    made: list[str] = []
    with serving(site) as ask:

        def write(writer: int) -> list[int]:
            statuses = []
            for number in range(10):
                address = f"w{writer}-{number}@writers.example"
                body = {"tenant_id": site.tenant_id, "email": address}
                answer = ask("POST", "/subscribers/", body)
                while answer.status == 503:
                    assert int(_lower(answer.headers)["retry-after"]) > 0
                    statuses.append(503)
                    answer = ask("POST", "/subscribers/", body)
                assert answer.status == 200, answer
                statuses.append(200)
                made.append(address)
            return statuses

        with _lock(site, locked):
            statuses = Counter(each for told in at_once(writers, write) for each in told)
    assert statuses[503], "nobody waited too long: the lock did not land"
    assert statuses[200] == writers * 10
    rows = site.rows("SELECT email FROM subscribers WHERE email LIKE 'w%@writers.example'")
    assert sorted(email for (email,) in rows) == sorted(made)
    site.finish(campaign_id)
    states = check_invariants(site, {campaign_id: addresses}, uncertain=0)
    assert states == {"accepted": len(addresses)}
    worker.stop()


class _lock:
    """Hold SQLite's write lock from now on for so many seconds, whatever the block does meanwhile."""

    def __init__(self, site: Site, seconds: float) -> None:
        self._path, self._seconds = site.folder / "courierx.db", seconds
        self._taken = threading.Event()
        self._thread = threading.Thread(target=self._hold)

    def _hold(self) -> None:
        with closing(sqlite3.connect(self._path, isolation_level=None, timeout=30)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            self._taken.set()
            time.sleep(self._seconds)
            connection.execute("ROLLBACK")

    def __enter__(self) -> None:
        self._thread.start()
        assert self._taken.wait(30)

    def __exit__(self, *_: object) -> None:
        self._thread.join()


def _lower(headers: object) -> dict[str, str]:
    return {name.lower(): value for name, value in dict(headers).items()}  # type: ignore[call-overload]
