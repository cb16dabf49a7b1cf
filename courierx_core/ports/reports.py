"""What a message's rows and events add up to, grouped: read for a report, never while sending."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from courierx_core.delivery.model import DeliveryState
from courierx_core.feedback.model import FeedbackKind


class DomainLine(msgspec.Struct, frozen=True, kw_only=True):
    """A domain of recipients, and what became of its deliveries."""

    domain: str
    audience: int
    states: Mapping[DeliveryState, int]


class LinkLine(msgspec.Struct, frozen=True, kw_only=True):
    """A link: clicks, those without scanners and proxies, and how many people made these."""

    url: str
    all: int
    human: int
    people: int


class Hour(msgspec.Struct, frozen=True, kw_only=True):
    """An hour, from `at` on (UTC), and how often each kind of event happened in it."""

    at: datetime
    events: Mapping[FeedbackKind, int]


class Reports(Protocol):
    def domains(self, message_id: int, *, limit: int = 20) -> Sequence[DomainLine]:
        """Return the largest domains."""

    def links(self, message_id: int, *, limit: int = 100) -> Sequence[LinkLine]:
        """Return the links that were clicked, the commonest first."""

    def hours(self, message_id: int, *, limit: int = 744) -> Sequence[Hour]:
        """Return the first hours in which something happened, in order."""
