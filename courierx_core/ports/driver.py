"""What every driver shares: a typed Config, the runtime it is given, and what `courierx doctor` asks."""

from __future__ import annotations

import time
from abc import ABC
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, ClassVar, Generic, Literal, TypeVar

import msgspec

from courierx_core.secrets import SecretBox


class Secret:
    """A string that never prints: `repr`, `str`, logs and errors show `***`; `reveal()` gives it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "***"

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """Base of a driver's settings. A field may name its environment variable:

    `url: Annotated[Secret, Meta(extra={"env": "SMTP_URL"})]`; a field without a name is read from the
    instance's table in `courierx.toml` only. A field without a default is required.
    """


class Problem(msgspec.Struct, frozen=True):
    """One line of `courierx doctor`: what is wrong (or worth knowing) and what mends it."""

    level: Literal["error", "warning", "info"]
    code: str
    text: str
    remedy: str = ""


def utcnow() -> datetime:
    return datetime.now(timezone.utc)


class Runtime(msgspec.Struct, frozen=True, kw_only=True):
    """What the process lends a driver, so that nothing is fetched ad hoc and tests can replace it."""

    environment: Literal["development", "staging", "production"] = "development"
    folder: Path = Path(".")
    """Where a driver may keep files of its own."""
    public_url: str = ""
    now: Callable[[], datetime] = utcnow
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    environ: Mapping[str, str] = msgspec.field(default_factory=dict)
    secrets: SecretBox | None = None
    """What encrypts at rest; None where nothing is kept (a simulation, a test)."""


C = TypeVar("C", bound=Config)


class Driver(ABC, Generic[C]):
    """Base of every slot: one instance per name and process, built after any fork. No I/O in `__init__`."""

    Config: ClassVar[type[Any]] = Config

    def __init__(self, name: str, config: C, runtime: Runtime) -> None:
        self.name = name
        self.config = config
        self.runtime = runtime

    def check(self) -> list[Problem]:
        """Report what `courierx doctor` should show; may do I/O, never raises for an outage."""
        return []

    def close(self) -> None:
        """Give back what the instance holds; safe to call twice."""


def checked(driver: Driver[Any]) -> list[Problem]:
    """Return what a driver's `check` reports; one that raises is a problem too."""
    try:
        return driver.check()
    except Exception as problem:
        return [Problem("error", "check_failed", f"{driver.name}: {type(problem).__name__}: {problem}")]
