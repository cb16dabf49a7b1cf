"""A limiter that counts in this process."""

from __future__ import annotations

from collections.abc import Mapping

WORDS: Mapping[str, str] = {
    "does": "Holds CourierX to its rates through",
    "group": "courierx.limiters",
    "object": "Limiter",
    "method": "take",
    "use": "Run with it: `export COURIERX_LIMITER=$name`, then `courierx doctor` and `courierx serve`.",
}

_CODE = '''\
"""The limiter `$name`: permits of a key, so many in a time, and a refusal costs nothing."""

from __future__ import annotations

import threading
from typing import Any, ClassVar

from courierx_core import Config, Grant, Limiter, Rate, Runtime
from courierx_core.meter import NANOSECONDS, Level, take


class ${title}Config(Config, frozen=True, kw_only=True):
    """Where the levels are: nothing to set while that is this process."""


class ${title}Limiter(Limiter[${title}Config]):
    Config: ClassVar[type[Any]] = ${title}Config

    def __init__(self, name: str, config: ${title}Config, runtime: Runtime) -> None:
        super().__init__(name, config, runtime)
        self._lock = threading.Lock()
        self._levels: dict[str, Level] = {}

    def take(self, key: str, want: int, rate: Rate) -> Grant:
        """Keep the levels where processes share them, and their clock: read, count and write at once."""
        now = int(self.runtime.monotonic() * NANOSECONDS)
        with self._lock:
            level, grant = take(self._levels.get(key), now, want, rate)
            if level is not None:
                self._levels[key] = level
        return grant
'''

_TEST = '''\
"""The limiter keeps the contract."""

from __future__ import annotations

from $package.limiter import ${title}Config, ${title}Limiter

from courierx_core import Runtime
from courierx_core.plugins import LIMITERS
from courierx_core.testing import LimiterContract
from courierx_core.testing.limiter import Clock


class Test${title}(LimiterContract):
    def limiter(self, clock: Clock) -> ${title}Limiter:
        return ${title}Limiter("$name", ${title}Config(), Runtime(monotonic=clock.monotonic))


def test_the_entry_point_is_found_by_its_name() -> None:
    assert LIMITERS.load("$name") is ${title}Limiter
'''

FILES: Mapping[str, str] = {"src/$package/limiter.py": _CODE, "tests/test_limiter.py": _TEST}
