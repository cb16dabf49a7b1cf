"""The SMTP transport keeps the contract of transports, pipelined, in lock-step and over TLS."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from courierx_core.ports.driver import Runtime, Secret
from courierx_core.testing import ServerOptions, TransportContract
from courierx_core.testing.peers import Peer, SmtpPeer
from courierx_smtp.config import SmtpConfig
from courierx_smtp.transport import SmtpTransport


class TestPipelined(TransportContract):
    secret = "hunter2"
    options = ServerOptions(user="user", password="hunter2")

    @pytest.fixture
    def peer(self) -> Iterator[SmtpPeer]:
        with SmtpPeer(self.options) as peer:
            yield peer

    def transport(self, peer: Peer) -> SmtpTransport:
        assert isinstance(peer, SmtpPeer)
        url = peer.url.replace("://", "://user:hunter2@")
        certificate = peer.certificate
        settings: dict[str, Any] = {"ca_file": certificate.authority} if certificate else {}
        return SmtpTransport("smtp", SmtpConfig(url=Secret(url), **settings), Runtime())


class TestLockStep(TestPipelined):
    options = ServerOptions(pipelining=False, user="user", password="hunter2")


class TestStartTls(TestPipelined):
    options = ServerOptions(tls="starttls", user="user", password="hunter2")


class TestImplicitTls(TestPipelined):
    options = ServerOptions(tls="implicit", user="user", password="hunter2")
