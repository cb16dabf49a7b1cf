"""The test kit for plugin authors: contract suites, servers that misbehave on request, and fakes.

Opt-in and loaded name by name, so that importing one part needs nothing of the others: the contract
suites need pytest and hypothesis, the servers nothing but the core.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from courierx_core.testing.certificates import Certificate, make_certificate
    from courierx_core.testing.dialogue import ServerOptions
    from courierx_core.testing.dns import DnsServer
    from courierx_core.testing.envelopes import FakeEnvelope
    from courierx_core.testing.feedback import FeedbackContract
    from courierx_core.testing.http import HttpPeer
    from courierx_core.testing.ledger import LedgerContract
    from courierx_core.testing.limiter import LimiterContract
    from courierx_core.testing.queue import QueueContract
    from courierx_core.testing.resolver import ResolverContract
    from courierx_core.testing.script import Rule, Script
    from courierx_core.testing.smtp import SmtpServer
    from courierx_core.testing.spool import ReceivedMessage
    from courierx_core.testing.store import StoreContract
    from courierx_core.testing.transport import TransportContract

_PARTS = {
    "Certificate": "certificates",
    "DnsServer": "dns",
    "FakeEnvelope": "envelopes",
    "FeedbackContract": "feedback",
    "HttpPeer": "http",
    "LedgerContract": "ledger",
    "LimiterContract": "limiter",
    "QueueContract": "queue",
    "ReceivedMessage": "spool",
    "ResolverContract": "resolver",
    "Rule": "script",
    "Script": "script",
    "ServerOptions": "dialogue",
    "SmtpServer": "smtp",
    "StoreContract": "store",
    "TransportContract": "transport",
    "make_certificate": "certificates",
}

__all__ = [
    "Certificate", "DnsServer", "FakeEnvelope", "FeedbackContract", "HttpPeer", "LedgerContract",
    "LimiterContract", "QueueContract", "ReceivedMessage", "ResolverContract", "Rule", "Script",
    "ServerOptions", "SmtpServer", "StoreContract", "TransportContract", "make_certificate",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _PARTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name.endswith("Contract"):
        _show_both_sides()
    return getattr(import_module(f"{__name__}.{_PARTS[name]}"), name)


def _show_both_sides() -> None:
    """Let pytest show what both sides of a suite's `assert` were, as it does in the files of the tests."""
    import pytest

    parts = {f"{__name__}.{part.name}" for part in iter_modules(__path__)}
    pytest.register_assert_rewrite(*(parts - sys.modules.keys()))
