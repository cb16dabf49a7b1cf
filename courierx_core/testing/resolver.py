"""What every resolver must keep: subclass, give `resolver`, and run pytest."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from courierx_core.ports.resolver import NoAnswer, Resolver, TimedOut
from courierx_core.testing.dns import DnsServer

PATIENCE = 20.0
"""Seconds that a resolver may wait for a server that never answers."""


class ResolverContract(ABC):
    """`resolver(server)` makes a resolver that asks the server of this test, and waits about a second."""

    @abstractmethod
    def resolver(self, server: DnsServer) -> Resolver[Any]: ...

    @pytest.fixture
    def server(self) -> Iterator[DnsServer]:
        with DnsServer() as server:
            yield server

    def test_a_text_in_pieces_is_one_text(self, server: DnsServer) -> None:
        key = "v=DKIM1; k=rsa; p=" + "A" * 392
        server.txt("s1._domainkey.example.com", key)
        server.txt("pieces.example.com", [b"v=spf1 ", b"include:a.example", b"", b" -all"])
        assert list(self.resolver(server).txt("s1._domainkey.example.com")) == [key]
        assert list(self.resolver(server).txt("pieces.example.com")) == ["v=spf1 include:a.example -all"]

    def test_bytes_that_are_no_utf8_do_not_raise(self, server: DnsServer) -> None:
        server.txt("odd.example.com", [b"caf\xe9"], "v=spf1 -all")
        found = self.resolver(server).txt("odd.example.com")
        assert len(found) == 2
        assert "v=spf1 -all" in found

    def test_fifty_records(self, server: DnsServer) -> None:
        values = [f"verification={number:03}-{'x' * 60}" for number in range(50)]
        server.txt("example.com", *values)
        assert sorted(self.resolver(server).txt("example.com")) == values

    def test_exchangers_by_preference(self, server: DnsServer) -> None:
        server.mx("example.com", (20, "Backup.Example.com"), (5, "mx.example.com"))
        found = self.resolver(server).mx("example.com")
        assert list(found) == [(5, "mx.example.com"), (20, "backup.example.com")]

    def test_an_alias_is_followed(self, server: DnsServer) -> None:
        server.cname("s1._domainkey.example.com", "s1.keys.example.net")
        server.cname("s1.keys.example.net", "far.example.org")
        server.txt("far.example.org", "v=DKIM1; p=AAAA")
        resolver = self.resolver(server)
        assert list(resolver.txt("s1._domainkey.example.com")) == ["v=DKIM1; p=AAAA"]
        assert resolver.cname("s1._domainkey.example.com") == "s1.keys.example.net"

    def test_aliases_in_a_circle_end(self, server: DnsServer) -> None:
        server.cname("a.example.com", "b.example.com")
        server.cname("b.example.com", "a.example.com")
        resolver = self.resolver(server)
        with pytest.raises(NoAnswer):
            resolver.txt("a.example.com")
        assert resolver.cname("a.example.com") == "b.example.com"

    def test_an_alias_of_nothing(self, server: DnsServer) -> None:
        server.cname("a.example.com", "gone.example.com")
        with pytest.raises(NoAnswer):
            self.resolver(server).txt("a.example.com")

    def test_no_such_name_and_no_such_record(self, server: DnsServer) -> None:
        server.mx("example.com", (10, "mx.example.com"))
        resolver = self.resolver(server)
        for name in ("nothing.example.com", "example.com"):
            with pytest.raises(NoAnswer, match=name):
                resolver.txt(name)
        with pytest.raises(NoAnswer):
            resolver.cname("example.com")
        with pytest.raises(NoAnswer):
            resolver.mx("nothing.example.com")

    def test_a_server_that_fails_says_nothing_about_the_name(self, server: DnsServer) -> None:
        server.txt("example.com", "v=spf1 -all")
        server.trouble("example.com", "servfail")
        resolver = self.resolver(server)
        for ask in (resolver.txt, resolver.mx, resolver.cname):
            with pytest.raises(TimedOut, match=r"example\.com"):
                ask("example.com")

    def test_threads_may_ask_at_once(self, server: DnsServer) -> None:
        names = [f"n{number}.example.com" for number in range(16)]
        for name in names:
            server.txt(name, name)
        resolver = self.resolver(server)
        with ThreadPoolExecutor(len(names)) as pool:
            found = list(pool.map(resolver.txt, names))
        assert [list(texts) for texts in found] == [[name] for name in names]

    def test_a_server_that_never_answers(self, server: DnsServer) -> None:
        server.trouble("example.com", "silent")
        began = time.monotonic()
        with pytest.raises(TimedOut, match=r"example\.com"):
            self.resolver(server).txt("example.com")
        assert time.monotonic() - began < PATIENCE

    @pytest.mark.parametrize("name", ["a..example.com", "x" * 64 + ".example.com", ".".join(["x" * 60] * 5)])
    def test_what_cannot_be_a_name_has_no_records(self, server: DnsServer, name: str) -> None:
        with pytest.raises(NoAnswer):
            self.resolver(server).txt(name)
        assert not server.questions
