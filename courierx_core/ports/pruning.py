"""What a store does to keep mail no longer than it is asked to. See `ports.store`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from courierx_core.ports.reports import Frozen


class OldMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A message that may go: completed long ago, and with something left to remove."""

    id: int
    campaign_id: int | None
    """None: a single message, which goes whole."""


class Gone(msgspec.Struct, frozen=True, kw_only=True):
    """What is removed, or would be."""

    campaigns: int = 0
    """Messages of campaigns: they stay, with their reports."""
    messages: int = 0
    """Single messages."""
    deliveries: int = 0
    events: int = 0
    imports: int = 0

    def plus(self, other: Gone) -> Gone:
        return Gone(
            campaigns=self.campaigns + other.campaigns,
            messages=self.messages + other.messages,
            deliveries=self.deliveries + other.deliveries,
            events=self.events + other.events,
            imports=self.imports + other.imports,
        )


class Pruning(Protocol):
    """Each call is a step of its own that leaves everything as it should be: whoever dies between two, the
    next goes on. Counters, reports and links in mail outlive the rows."""

    def old(self, *, before: datetime, after: int = 0, limit: int = 500) -> tuple[Sequence[OldMessage], int]:
        """Look at `limit` messages from id `after` on; return those completed before a time that have
        something left to remove, and the `after` of the next look: 0 at the end."""

    def weigh(self, message_ids: Sequence[int]) -> Gone:
        """Count the deliveries and events of messages."""

    def freeze(self, message_id: int, report: Frozen, *, before: datetime) -> bool:
        """Keep the report of a message; False, and nothing is kept, where it is no longer one that was
        completed before the time. From now on none of its deliveries can be queued again."""

    def deliveries(self, message_id: int, *, after: int = 0, limit: int = 5000) -> tuple[Gone, int]:
        """Remove up to `limit` of a frozen message's deliveries with an id > `after`, their attempts and
        events; return what went, and the `after` of the next step. After the last that is 0, and its work
        items are gone too: the message keeps their counts."""

    def singles(self, message_ids: Sequence[int], *, before: datetime) -> Gone:
        """Remove those of these single messages, at most 500, that were completed before the time, with all
        that is theirs. Of one with tracked links these stay, and nothing that it said or to whom."""

    def old_imports(self, *, before: datetime, after: int = 0, limit: int = 500) -> Sequence[int]:
        """Return the ids above `after` of imports that were over before a time, in order."""

    def import_(self, import_id: int) -> Gone:
        """Remove an import that is over, with its bad lines and what is left of its file."""

    def person(self, delivery_id: int) -> int | None:
        """Return the id of the subscriber that a removed delivery was for; None where it was for none, or
        was never there."""
