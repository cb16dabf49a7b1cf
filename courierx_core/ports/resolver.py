"""Resolvers: the three questions CourierX asks the DNS."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

from courierx_core.errors import CourierXError
from courierx_core.ports.driver import C, Driver


class NoAnswer(CourierXError):
    """The name exists without such a record, or does not exist."""

    code = "dns_no_answer"


class TimedOut(CourierXError):
    """No server answered in time; nothing is known."""

    code = "dns_timeout"


class Resolver(Driver[C]):
    """Entry-point group `courierx.resolvers`. Each method raises NoAnswer or TimedOut."""

    @abstractmethod
    def txt(self, name: str) -> Sequence[str]: ...

    @abstractmethod
    def mx(self, name: str) -> Sequence[tuple[int, str]]: ...

    @abstractmethod
    def cname(self, name: str) -> str: ...
