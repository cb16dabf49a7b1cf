"""The limiter named `redis`: one rate for all processes, by the server's clock; a share of it each while
the server is away."""

from __future__ import annotations

import logging
import math
from importlib.resources import files
from typing import Annotated, Any, ClassVar

from msgspec import Meta
from redis.exceptions import RedisError

from courierx_core.meter import Meters
from courierx_core.ports.driver import Problem, Runtime
from courierx_core.ports.limiter import Grant, Limiter, Rate
from courierx_redis.connection import AWAY_SECONDS, RedisConfig, connect, disconnect, look

log = logging.getLogger("courierx.limiter")


class RedisLimiterConfig(RedisConfig, frozen=True, kw_only=True):
    """Which Redis, and what each process may take without it."""

    prefix: Annotated[str, Meta(min_length=1)] = "courierx"
    """What the keys begin with: installs that share a database need two."""
    processes: Annotated[int, Meta(ge=1)] = 8
    """How many processes send at most: while Redis is away each takes this part of every rate."""


class RedisLimiter(Limiter[RedisLimiterConfig]):
    """The generic cell rate algorithm in one script, so no two processes take the same permit."""

    Config: ClassVar[type[Any]] = RedisLimiterConfig

    def __init__(self, name: str, config: RedisLimiterConfig, runtime: Runtime) -> None:
        super().__init__(name, config, runtime)
        self._client = connect(config.url)
        self._script = self._client.register_script(files(__package__).joinpath("gcra.lua").read_text())
        self._own = Meters()
        self._away_until = -math.inf

    def take(self, key: str, want: int, rate: Rate) -> Grant:
        if want < 1:
            raise ValueError(f"want is {want}; it takes 1 or more")
        if self.runtime.monotonic() >= self._away_until:
            try:
                return self._shared(key, want, rate)
            except RedisError as error:
                self._lose(error)
        return self._own.take(key, self.runtime.monotonic(), want, self._share(rate))

    def check(self) -> list[Problem]:
        share = f"each process takes 1/{self.config.processes} of every rate meanwhile"
        return look(self.name, self._client, share)

    def close(self) -> None:
        disconnect(self._client)

    def _shared(self, key: str, want: int, rate: Rate) -> Grant:
        numbers = (want, rate.count, rate.seconds, rate.at_once)
        granted, wait = self._script(
            keys=[f"{self.config.prefix}:rate:{key}"], args=[*numbers, *self._time()]
        )
        if self._away_until > -math.inf:
            log.warning("%s: Redis is back: rates are shared again", self.name)
            self._away_until = -math.inf
        return Grant(int(granted), float(wait))

    def _share(self, rate: Rate) -> Rate:
        """Take longer for as many: a rate is whole, and a part of a small one would be nothing."""
        processes = self.config.processes
        return Rate(rate.count, rate.seconds * processes, max(1, rate.at_once // processes))

    def _time(self) -> tuple[int, ...]:
        """Return what the script takes for the time; nothing has it ask the server."""
        return ()

    def _lose(self, error: RedisError) -> None:
        if self._away_until == -math.inf:
            log.warning(
                "%s: Redis is away (%s): this process takes 1/%s of every rate until it is back",
                self.name, type(error).__name__, self.config.processes,
            )  # fmt: skip
        self._away_until = self.runtime.monotonic() + AWAY_SECONDS
