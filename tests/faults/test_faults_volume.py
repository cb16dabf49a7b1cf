"""R22: memory does not grow with the number of people, imported or mailed."""

from __future__ import annotations

import pytest

from courierx_core.testing.smtpd import ServerOptions
from tests.faults.conftest import Sites
from tests.faults.invariants import check_invariants
from tests.faults.site import Site, wait_for

FLAT_KILOBYTES = 8 * 1024
"""What the larger run may hold beyond the smaller one: noise of the allocator."""
MOST_KILOBYTES = 64 * 1024
"""What any run may hold above its process's imports."""


@pytest.fixture
def counts(thorough: bool) -> tuple[int, int]:
    return (100_000, 1_000_000) if thorough else (20_000, 60_000)


def test_r22_an_import_and_a_campaign_of_any_size_take_the_same_memory(
    sites: Sites, counts: tuple[int, int]
) -> None:
    site = sites(options=ServerOptions())
    small, large = counts
    bare = peak_of_command(site, "db", "current")
    imports, runs = [], []
    for count in (small, large):
        list_id = site.new_list(f"{count} people")
        path = site.folder / "people.csv"
        with path.open("w") as file:
            file.write("email,first_name,city\n")
            file.writelines(f"p{n}@l{list_id}.example,Ann {n},Graz\n" for n in range(count))
        imports.append(peak_of_command(site, "subscribers", "import", str(path), "--list", str(list_id)))
        worker = site.worker(COURIERX_WINDOW="200")
        wait_for("the worker is up", lambda worker=worker: site.beats(worker))
        idle = worker.peak_kilobytes()
        campaign_id = site.start(list_id)
        site.finish(campaign_id, seconds=60 + count / 500)
        runs.append(worker.peak_kilobytes() - idle)
        worker.stop()
        addresses = [f"p{n}@l{list_id}.example" for n in range(count)]
        states = check_invariants(site, {campaign_id: addresses}, uncertain=0)
        assert states == {"accepted": count}
    told = f"imports {imports} KB on {bare}, campaigns {runs} KB above idle, for {counts} people"
    assert imports[1] - bare < MOST_KILOBYTES, told
    assert runs[1] < MOST_KILOBYTES, told
    assert imports[1] - imports[0] < FLAT_KILOBYTES, told
    assert runs[1] - runs[0] < FLAT_KILOBYTES, told


def peak_of_command(site: Site, *arguments: str) -> int:
    """Run a command and return the most memory it held, in KB."""
    told = site.folder / "peak"
    site.command(*arguments, bend=f"tell_peak={told}")
    return int(told.read_text())
