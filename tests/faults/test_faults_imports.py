"""Imports: a worker killed at any moment repeats no row and loses none."""

from __future__ import annotations

import io
import random

from courierx_core.imports import service
from courierx_core.imports.model import Counts, Import
from courierx_core.imports.steps import STEP_ROWS
from tests.faults.site import Site, wait_for

STEPS, KILLS = 8, 2
TWICE, BAD = 13, 17
"""Every so-many-th row is the first person again, or no address: a row that is taken in twice would count
as one more that was skipped."""


def test_an_import_goes_on_where_its_last_step_was_committed(site: Site, chance: random.Random) -> None:
    rows = STEP_ROWS * STEPS
    lines = ["email,first_name\n"]
    lines += [
        f"{'nowhere' if n % BAD == 1 else f'p{n if n % TWICE else 0}@x.example'},Zoë\n" for n in range(rows)
    ]
    made = service.hand_in(site.courier, site.tenant_id, io.BytesIO("".join(lines).encode()))
    worker = site.worker()
    for step in sorted(chance.sample(range(1, STEPS - 3), KILLS)):
        wait_for(
            f"{step} steps committed", lambda step=step: current(site, made).counts.rows >= step * STEP_ROWS
        )
        worker.suspend()
        assert current(site, made).state == "working"
        worker.kill()
        worker = site.worker()
    wait_for("the import is done", lambda: current(site, made).state == "done")
    bad = {n for n in range(rows) if n % BAD == 1}
    people = {n if n % TWICE else 0 for n in range(rows) if n not in bad}
    expected = Counts(imported=len(people), skipped=rows - len(bad) - len(people), bad=len(bad))
    assert current(site, made).counts == expected
    assert site.rows("SELECT count(*), count(DISTINCT email) FROM subscribers") == [(len(people),) * 2]
    assert site.rows("SELECT line FROM import_errors ORDER BY line") == [(n + 2,) for n in sorted(bad)]
    assert site.rows("SELECT count(*) FROM files") == [(0,)]
    worker.stop()


def current(site: Site, made: Import) -> Import:
    with site.courier.store.begin(site.tenant_id, write=False) as unit:
        return unit.imports.get(made.id)
