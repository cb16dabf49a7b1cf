"""R22: memory does not grow with the number of people, imported or mailed."""

from __future__ import annotations

import pytest

from tests.faults.conftest import Sites
from tests.faults.invariants import check_invariants
from tests.faults.site import Site, wait_for

FLAT_KILOBYTES = 10 * 1024
"""What the larger run may hold beyond the smaller one: a database's cache that fills, an allocator's noise.
A few hundred bytes kept for each person would be more."""
MOST_KILOBYTES = 64 * 1024
"""What any run may hold above its process's imports."""
SMALL_CACHE = "sqlite_cache=512"


def test_r22_an_import_of_any_size_takes_the_same_memory(sites: Sites, thorough: bool) -> None:
    site = sites()
    counts = (250_000, 1_000_000) if thorough else (100_000, 250_000)
    bare = peak_of_command(site, "db", "current")
    peaks = []
    for count in counts:
        path = site.folder / "people.csv"
        with path.open("w") as file:
            file.write("email,first_name,city\n")
            file.writelines(f"p{n}@of{count}.example,Ann {n},Graz\n" for n in range(count))
        peaks.append(peak_of_command(site, "subscribers", "import", str(path)))
    assert site.rows("SELECT count(*) FROM subscribers") == [(sum(counts),)]
    check_memory(counts, [peak - bare for peak in peaks])


@pytest.mark.queue
def test_r22_a_campaign_of_any_size_takes_the_same_memory(sites: Sites, thorough: bool) -> None:
    site = sites()
    counts = (100_000, 1_000_000) if thorough else (10_000, 30_000)
    small, large = counts
    above = []
    # What must be flat is what we hold ourselves: SQLite's own cache fills until 16 MB of the file are in it,
    # which takes more than 10,000 people. As it is shipped it counts in the third run, for the upper bound.
    runs = [(small, SMALL_CACHE), (large, SMALL_CACHE)]
    if site.store == "sqlite":
        runs.append((large, ""))
    for count, bend in runs:
        list_id, addresses = site.people(count)
        worker = site.worker(bend=bend, COURIERX_WINDOW="200")
        wait_for("the worker is up", lambda worker=worker: site.beats(worker))
        idle = worker.peak_kilobytes()
        campaign_id = site.start(list_id)
        site.finish(campaign_id, seconds=60 + count / 200)
        above.append(worker.peak_kilobytes() - idle)
        worker.stop()
        states = check_invariants(site, {campaign_id: addresses}, uncertain=0)
        assert states == {"accepted": count}
    assert above[-1] < MOST_KILOBYTES, f"{above[-1]} KB above its imports for {large} people"
    check_memory(counts, above[:2])


def check_memory(counts: tuple[int, int], above: list[int]) -> None:
    told = f"{above} KB above its imports for {counts} people"
    assert max(above) < MOST_KILOBYTES, told
    assert above[1] - above[0] < FLAT_KILOBYTES, told


def peak_of_command(site: Site, *arguments: str) -> int:
    """Run a command and return the most memory it held, in KB."""
    told = site.folder / "peak"
    site.command(*arguments, bend=f"tell_peak={told}")
    return int(told.read_text())
