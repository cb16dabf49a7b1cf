"""What a message's rows and events add up to, grouped: read for a report, never while sending."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from courierx_core.delivery.model import DeliveryState
from courierx_core.feedback.model import FeedbackKind


class Reason(msgspec.Struct, frozen=True):
    """Why deliveries ended in a state: grouped, with one example of the far side's words."""

    state: DeliveryState
    status: str
    reason: str
    count: int
    example: str


class Tally(msgspec.Struct, frozen=True):
    """How often something happened: `all`, `human` without scanners and proxies, and to how many `people`
    it did at least once, again without those."""

    all: int
    human: int
    people: int


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


class Frozen(msgspec.Struct, frozen=True, kw_only=True):
    """What was told of a message while its rows and events were there, beside `Deliveries.totals`."""

    reasons: Sequence[Reason]
    events: Mapping[FeedbackKind, Tally]
    domains: Sequence[DomainLine]
    links: Sequence[LinkLine]
    hours: Sequence[Hour]


class Reports(Protocol):
    def frozen(self, message_id: int) -> Frozen | None:
        """Return the report that was kept when the message's deliveries began to go; None where they are
        there, and are to be asked."""

    def domains(self, message_id: int, *, limit: int = 20) -> Sequence[DomainLine]:
        """Return the largest domains."""

    def links(self, message_id: int, *, limit: int = 100) -> Sequence[LinkLine]:
        """Return the links that were clicked, the commonest first."""

    def hours(self, message_id: int, *, limit: int = 744) -> Sequence[Hour]:
        """Return the first hours in which something happened, in order."""
