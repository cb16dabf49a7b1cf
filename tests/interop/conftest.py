"""Other people's mail servers, one at a time, and the platform on SQLite that sends to them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from courierx_core.ports.store import Store
from courierx_core.testing.certificates import Certificate, make_certificate
from courierx_core.testing.script import Rule
from courierx_core.testing.smtp import SmtpServer
from tests.e2e.conftest import assemble, smtp_transport
from tests.interop.debian import Tree
from tests.interop.mailservers import SERVERS, MailServer
from tests.plugins.conftest import sqlite_store

__all__ = ["assemble", "smtp_transport", "sqlite_store"]

NOBODY = "550 5.1.1 there is no such user here"


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    """Everything in one tree. dash: the servers call /bin/sh."""
    folder = tmp_path_factory.mktemp("debian")
    servers = (["postfix", "dash"], ["opensmtpd"], ["exim4-daemon-heavy"], ["spamassassin"], ["opendkim"])
    return Tree(folder, *servers)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="session")
def onward() -> Iterator[SmtpServer]:
    """Where mail to gone.example goes: it knows nobody."""
    with SmtpServer(rules=[Rule(stage="rcpt", action=NOBODY)]) as server:
        yield server


@pytest.fixture(params=SERVERS, ids=lambda server: server.name)
def mta(
    request: pytest.FixtureRequest, tree: Tree, certificate: Certificate, onward: SmtpServer
) -> Iterator[MailServer]:
    with request.param(tree, certificate, onward.port) as server:
        yield server


@pytest.fixture
def store(sqlite_store: Store[Any]) -> Store[Any]:
    return sqlite_store
