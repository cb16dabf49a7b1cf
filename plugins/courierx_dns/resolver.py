"""The resolver named `dns`: the system's name servers, or those of COURIERX_DNS_SERVERS, over dnspython."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar
from urllib.parse import urlsplit

from msgspec import Meta

from courierx_core.ports.driver import Config, Problem, Runtime
from courierx_core.ports.resolver import NoAnswer, Resolver, TimedOut

try:
    from dns import exception, message, name, nameserver, rdatatype, resolver
except ModuleNotFoundError as problem:
    # The distribution is not called what its module is, and its name is what finds the extra.
    raise ModuleNotFoundError(str(problem), name="dnspython") from problem

PORT = 53
LONGEST_CHAIN = 8


class DnsConfig(Config, frozen=True, kw_only=True):
    """Whom to ask, and how long."""

    servers: Annotated[
        tuple[str, ...],
        Meta(extra={"env": "COURIERX_DNS_SERVERS"}, examples=["192.0.2.53,[2001:db8::53]:5353"]),
    ] = ()
    """Addresses of recursive name servers, with a port or without; none are the system's."""
    seconds: Annotated[float, Meta(gt=0, le=60, extra={"env": "COURIERX_DNS_SECONDS"})] = 5.0
    """How long one question may take, over all servers."""

    def __post_init__(self) -> None:
        for server in self.servers:
            _server(server)


class DnsResolver(Resolver[DnsConfig]):
    """Asks over UDP and, where an answer is cut, over TCP. Nothing is kept: a person who has just
    published a record asks about that record."""

    Config: ClassVar[type[Any]] = DnsConfig

    def __init__(self, name: str, config: DnsConfig, runtime: Runtime) -> None:
        super().__init__(name, config, runtime)
        self._made: resolver.Resolver | None = None

    def txt(self, name: str) -> Sequence[str]:
        texts = [b"".join(record.strings) for record in self._look_up(name, rdatatype.TXT)]
        return [text.decode("utf-8", "replace") for text in texts]

    def mx(self, name: str) -> Sequence[tuple[int, str]]:
        records = self._look_up(name, rdatatype.MX)
        return sorted((record.preference, _text(record.exchange)) for record in records)

    def cname(self, name: str) -> str:
        return _text(self._look_up(name, rdatatype.CNAME)[0].target)

    def check(self) -> list[Problem]:
        if self._resolver().nameservers:
            return []
        text = f"{self.name}: this machine names no DNS server; sender domains cannot be verified."
        return [Problem("warning", "no_dns_server", text, "Set COURIERX_DNS_SERVERS.")]

    def _look_up(self, asked: str, kind: rdatatype.RdataType) -> list[Any]:
        where = asked
        for _ in range(LONGEST_CHAIN):
            answer = self._ask(where, asked, kind)
            if answer.rrset is not None:
                return list(answer.rrset)
            # A server that does not follow an alias leaves that to us.
            following = _text(answer.canonical_name)
            if following == where.rstrip(".").lower():
                raise NoAnswer(f"{asked} has no {kind.name} record.")
            where = following
        raise NoAnswer(f"{asked} is an alias of an alias, more than {LONGEST_CHAIN} deep.")

    def _ask(self, where: str, asked: str, kind: rdatatype.RdataType) -> resolver.Answer:
        try:
            return self._resolver().resolve(
                where.rstrip(".") + ".", kind, raise_on_no_answer=False, lifetime=self.config.seconds
            )
        except resolver.NXDOMAIN:
            beyond = "" if where == asked else f" ({asked} leads there)"
            raise NoAnswer(f"{where} does not exist{beyond}.") from None
        except resolver.NoNameservers as problem:
            if _in_a_circle(problem):
                raise NoAnswer(f"{asked} is an alias that leads in a circle.") from None
            raise TimedOut(f"{where}: no DNS server could answer (such as SERVFAIL).") from None
        except (exception.Timeout, OSError):
            raise TimedOut(f"{where}: no DNS server answered in {self.config.seconds:g} seconds.") from None
        except (
            exception.SyntaxError,
            name.LabelTooLong,
            name.NameTooLong,
            name.EmptyLabel,
            name.IDNAException,
        ):
            raise NoAnswer(f"{where} cannot be a name in the DNS.") from None

    def _resolver(self) -> resolver.Resolver:
        """Make it when it is first used: reading the system's settings is I/O. Two threads may both."""
        if self._made is None:
            try:
                made = resolver.Resolver(configure=not self.config.servers)
            except resolver.NoResolverConfiguration:
                made = resolver.Resolver(configure=False)
            if self.config.servers:
                made.nameservers = [_server(server) for server in self.config.servers]
            made.timeout = min(2.0, self.config.seconds / 2)
            self._made = made
        return self._made


def _text(found: name.Name) -> str:
    return found.to_text(omit_final_dot=True).lower()


def _in_a_circle(problem: resolver.NoNameservers) -> bool:
    errors = problem.kwargs.get("errors") or ()
    return any(isinstance(error[3], message.ChainTooLong) for error in errors)


def _server(text: str) -> nameserver.Do53Nameserver:
    """Read `address`, `address:port` or `[address]:port`. Raises ValueError."""
    bare = text.count(":") > 1 and not text.startswith("[")
    parts = urlsplit(f"//[{text}]" if bare else f"//{text}")
    try:
        host, port = parts.hostname, parts.port or PORT
        if not host:
            raise ValueError("no host")
        return nameserver.Do53Nameserver(_address(host), port)
    except ValueError:
        raise ValueError(
            f"COURIERX_DNS_SERVERS: got {text!r}; it takes IP addresses, such as 192.0.2.53:53"
        ) from None


def _address(host: str) -> str:
    from ipaddress import ip_address

    return str(ip_address(host))
