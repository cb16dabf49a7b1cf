"""What a store keeps of the audience: people, their lists, and who gets no mail. See `ports.store`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from datetime import datetime
from typing import Protocol

from courierx_core.audience.model import (
    Audience,
    ImportCounts,
    MailingList,
    NewSubscriber,
    OptIn,
    Segment,
    Subscriber,
    SubscriberStatus,
)
from courierx_core.delivery.model import DeliveryState
from courierx_core.ports.transport import Stream
from courierx_core.suppression.model import Suppression


class Subscribers(Protocol):
    def add(self, subscriber: Subscriber) -> Subscriber:
        """Raises Conflict when the tenant has that address."""

    def get(self, subscriber_id: int) -> Subscriber: ...
    def by_email(self, email: str) -> Subscriber | None: ...
    def list(
        self,
        *,
        before: int | None = None,
        limit: int = 100,
        status: SubscriberStatus | None = None,
        list_id: int | None = None,
        q: str = "",
    ) -> Sequence[Subscriber]:
        """`list_id` keeps those subscribed to the list; `q` those whose address or a name holds the text,
        ASCII letters without case."""

    def ids(self, emails: Collection[str]) -> Mapping[str, int]:
        """Return the ids of those of these addresses (at most 10,000) that the tenant has."""

    def known(self, subscriber_ids: Iterable[int]) -> Set[int]:
        """Return those of the ids that are people of this tenant."""

    def save(self, subscriber: Subscriber) -> Subscriber: ...
    def remove(self, subscriber_id: int) -> None: ...
    def count(self, audience: Audience) -> int:
        """Count the people an audience reaches now, suppressed ones included. Here and in a snapshot a
        segment is what `audience.segment` says; raises ValueError where only its id is given."""

    def forecast(self, audience: Audience, stream: Stream) -> Mapping[DeliveryState, int]:
        """Count them by the state their delivery would begin in: queued or suppressed, zeros left out."""

    def attribute_names(self, *, limit: int = 1000) -> Sequence[str]:
        """Return the names of attributes that people have, in order."""

    def import_rows(
        self, rows: Sequence[NewSubscriber], *, update: bool = False, list_id: int | None = None
    ) -> ImportCounts:
        """Insert a batch as a set. A known address is skipped, or with `update` gets the row's names and
        attributes merged in; its status never changes. An address on the suppression list goes in but
        stays suppressed. With `list_id` those new to the list are subscribed; who left it stays off."""


class Lists(Protocol):
    def add(self, mailing_list: MailingList) -> MailingList: ...
    def get(self, list_id: int) -> MailingList: ...
    def list(
        self, *, before: int | None = None, limit: int = 100, public: bool | None = None
    ) -> Sequence[MailingList]: ...
    def save(self, mailing_list: MailingList) -> MailingList:
        """Raises Conflict when another list has the name."""

    def remove(self, list_id: int) -> None: ...
    def sizes(self, list_ids: Sequence[int]) -> Mapping[int, int]:
        """Count who is subscribed to each list; an empty one is left out."""

    def of(self, subscriber_id: int) -> Set[int]:
        """Return the lists that a person is subscribed to."""

    def subscribe(self, list_id: int, subscriber_ids: Sequence[int], *, again: bool = False) -> int:
        """Put people on a list; who unsubscribed from it stays off, but with `again`, which takes the
        person's own word. Returns how many were added."""

    def subscribe_from(self, list_id: int, message_id: int, states: Sequence[DeliveryState]) -> int:
        """Put the subscribers whose delivery of a message is in one of `states` on a list, as a set."""

    def unsubscribe(self, list_id: int, subscriber_ids: Sequence[int]) -> int: ...


class OptIns(Protocol):
    """What of them was confirmed never changes again."""

    def add(self, opt_in: OptIn) -> OptIn:
        """Keep it as asked now."""

    def get(self, opt_in_id: int) -> OptIn: ...
    def confirm(self, opt_in_id: int, *, text: str, source: str) -> OptIn:
        """Note the yes as given now, to what was shown, from a source address."""

    def asked(self, email: str, *, since: datetime) -> int:
        """Count how often the address was asked for."""

    def list(
        self,
        *,
        before: int | None = None,
        limit: int = 100,
        list_id: int | None = None,
        email: str | None = None,
    ) -> Sequence[OptIn]: ...


class Segments(Protocol):
    def add(self, segment: Segment) -> Segment:
        """Raises Conflict when the tenant has one of that name."""

    def get(self, segment_id: int) -> Segment: ...
    def list(self, *, before: int | None = None, limit: int = 100) -> Sequence[Segment]: ...
    def save(self, segment: Segment) -> Segment:
        """Raises Conflict when another segment has the name."""

    def remove(self, segment_id: int) -> None: ...


class Suppressions(Protocol):
    def add(self, suppression: Suppression) -> Suppression:
        """Raises Conflict when the tenant has that address."""

    def add_many(self, suppressions: Sequence[Suppression]) -> int:
        """Add as a set, skipping known ones; return how many were new."""

    def strengthen(self, suppression: Suppression) -> None:
        """Add it, or let it take the place of a weaker one: one that expires, or an unsubscribe (which
        leaves transactional mail alone) when the new one does neither. A stronger one stays."""

    def get(self, suppression_id: int) -> Suppression: ...
    def list(
        self, *, before: int | None = None, limit: int = 100, address: str | None = None
    ) -> Sequence[Suppression]:
        """List those that hold somebody back; one that has expired is left out."""

    def among(self, addresses: Collection[str]) -> Set[str]:
        """Return those of these (at most 10,000) that are on the list, and have not expired."""

    def remove(self, suppression_id: int) -> None: ...
