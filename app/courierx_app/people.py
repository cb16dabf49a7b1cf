"""Made-up people, as a CSV stream of any length in no memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator

FIRST = (
    "Ada",
    "Grace",
    "Alan",
    "Edsger",
    "Barbara",
    "Donald",
    "Frances",
    "Ken",
    "Radia",
    "Zoë",
    "José",
    "美",
)
CITIES = ("Sydney", "Oslo", "Lagos", "Lima", "Osaka", "Graz", "Québec", "Pune")
PLANS = ("free", "plus", "pro")
HEADER = "email,first_name,last_name,city,plan\n"


def people(count: int, address: Callable[[int], str]) -> Iterator[bytes]:
    """Make `count` CSV lines under a header; `address(n)` names the n-th person, from 0."""
    yield HEADER.encode()
    for n in range(count):
        first, city, plan = FIRST[n % len(FIRST)], CITIES[n % len(CITIES)], PLANS[n % len(PLANS)]
        yield f'{address(n)},{first},"Nr. {n}",{city},{plan}\n'.encode()
