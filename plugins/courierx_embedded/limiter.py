"""The limiter named `local`: exact within one process, forgotten when it ends."""

from __future__ import annotations

from typing import Any, ClassVar

from courierx_core.meter import Meters
from courierx_core.ports.driver import Config, Runtime
from courierx_core.ports.limiter import Grant, Limiter, Rate


class LocalLimiterConfig(Config, frozen=True, kw_only=True):
    """Nothing to set."""


class LocalLimiter(Limiter[LocalLimiterConfig]):
    """Meters of this process alone."""

    Config: ClassVar[type[Any]] = LocalLimiterConfig

    def __init__(self, name: str, config: LocalLimiterConfig, runtime: Runtime) -> None:
        super().__init__(name, config, runtime)
        self._meters = Meters()

    def take(self, key: str, want: int, rate: Rate) -> Grant:
        return self._meters.take(key, self.runtime.monotonic(), want, rate)
