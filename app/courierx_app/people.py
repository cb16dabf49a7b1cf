"""Made-up people, as a CSV stream of any length in no memory."""

from __future__ import annotations

import io
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


class LineStream(io.RawIOBase):
    """A readable binary stream over an iterator of lines."""

    def __init__(self, lines: Iterator[bytes]) -> None:
        self._lines = lines
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        size = len(buffer)
        parts, have = [self._rest], len(self._rest)
        while have < size and (line := next(self._lines, None)) is not None:
            parts.append(line)
            have += len(line)
        data = b"".join(parts)
        self._rest = data[size:]
        buffer[: min(size, have)] = data[:size]
        return min(size, have)
