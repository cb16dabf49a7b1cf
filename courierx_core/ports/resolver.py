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
    """No server answered in time, or none could (SERVFAIL): nothing is known."""

    code = "dns_timeout"


class Resolver(Driver[C]):
    """Entry-point group `courierx.resolvers`. Each method raises NoAnswer or TimedOut, and is called
    from several threads at once.

    Host names come in lower case without a final dot. See `courierx_core.testing.ResolverContract`.
    """

    @abstractmethod
    def txt(self, name: str) -> Sequence[str]:
        """Return the texts, each with its pieces joined; aliases are followed."""

    @abstractmethod
    def mx(self, name: str) -> Sequence[tuple[int, str]]:
        """Return preference and host, the most preferred first; aliases are followed."""

    @abstractmethod
    def cname(self, name: str) -> str:
        """Return what the name itself is an alias of."""
