"""The resolver `dns` keeps its contract against a server that answers, denies, fails and stays silent."""

from __future__ import annotations

import sys

import pytest

from courierx_core.config import load
from courierx_core.errors import ConfigError, PluginError
from courierx_core.plugins import RESOLVERS
from courierx_core.ports.driver import Runtime
from courierx_core.testing import DnsServer, ResolverContract
from courierx_dns.resolver import DnsConfig, DnsResolver


def resolver_of(*servers: str, seconds: float = 1.0) -> DnsResolver:
    return DnsResolver("dns", DnsConfig(servers=servers, seconds=seconds), Runtime())


class TestDnsResolver(ResolverContract):
    def resolver(self, server: DnsServer) -> DnsResolver:
        return resolver_of(server.address)


def test_a_large_answer_comes_over_tcp() -> None:
    with DnsServer() as server:
        server.txt("example.com", "x" * 2000)
        assert resolver_of(server.address).txt("example.com") == ["x" * 2000]
        assert len(server.questions) == 2


def test_the_next_server_is_asked() -> None:
    with DnsServer() as broken, DnsServer() as good:
        broken.trouble("example.com", "servfail")
        good.mx("example.com", (10, "mx.example.com"))
        assert resolver_of(broken.address, good.address).mx("example.com") == [(10, "mx.example.com")]


def test_an_answer_is_not_kept() -> None:
    with DnsServer() as server:
        resolver = resolver_of(server.address)
        server.txt("example.com", "old")
        assert resolver.txt("example.com") == ["old"]
        server.txt("example.com", "new")
        assert resolver.txt("example.com") == ["new"]


@pytest.mark.parametrize(
    "server", ["192.0.2.1", "192.0.2.1:5353", "[2001:db8::1]:53", "2001:db8::1", "[2001:db8::1]"]
)
def test_addresses_of_servers(server: str) -> None:
    assert load(DnsConfig, table={}, environ={"COURIERX_DNS_SERVERS": server}, where="").servers == (server,)


@pytest.mark.parametrize(
    "server", ["dns.example.com", "192.0.2.1:dns", "192.0.2.1:70000", "https://192.0.2.1", ":53"]
)
def test_what_is_no_address_is_refused(server: str) -> None:
    with pytest.raises(ConfigError, match="COURIERX_DNS_SERVERS"):
        load(DnsConfig, table={}, environ={"COURIERX_DNS_SERVERS": server}, where="")


def test_without_dnspython_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dns", None)
    monkeypatch.delitem(sys.modules, "courierx_dns.resolver")
    with pytest.raises(PluginError, match=r"pip install 'courierx\[dns\]'"):
        RESOLVERS.load("dns")


def test_the_systems_servers_are_read_when_they_are_first_needed() -> None:
    assert all(problem.level == "warning" for problem in resolver_of().check())
