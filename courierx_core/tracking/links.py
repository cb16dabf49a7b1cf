"""Where the links of mails lead, kept in memory: what a campaign's first click reads, the others need not."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Collection, Mapping
from typing import NamedTuple, TypeVar

from courierx_core.courier import Courier
from courierx_core.errors import NotFound
from courierx_core.mail.token import BadToken, Token

MESSAGES_KEPT = 1_000
DELIVERIES_KEPT = 100_000
BLOCK = 64
"""Deliveries read at a time: those of a campaign lie side by side, and their readers come together."""

K = TypeVar("K")


class Target(NamedTuple):
    """Whose a delivery is, and the links of its message by number."""

    tenant_id: int
    links: tuple[str, ...]


class Links:
    """Any thread may ask and learn."""

    def __init__(self, courier: Courier) -> None:
        self._courier = courier
        self._deliveries: OrderedDict[int, Target] = OrderedDict()
        self._messages: OrderedDict[tuple[int, int], Target] = OrderedDict()
        self._learning = threading.Lock()

    def known(self, delivery_id: int) -> Target | None:
        return self._deliveries.get(delivery_id)

    def learn(self, delivery_ids: Collection[int]) -> Mapping[int, Target]:
        """Return the targets of those that there are, read as a set where they are new. Raises StoreError."""
        found = {each: known for each in delivery_ids if (known := self.known(each)) is not None}
        new = set(delivery_ids) - found.keys()
        if new:
            with self._learning:
                found |= self._read(new)
        return found

    def url(self, token: Token) -> str:
        """Return the stored http(s) URL that a click's token stands for. Raises BadToken for any other token,
        and where its delivery is not known."""
        target = self.known(token.delivery_id)
        if target is None or token.kind != "click":
            raise BadToken("This link is incomplete or damaged.")
        self._courier.tokens.verify(token, target.tenant_id)
        url = target.links[token.link] if token.link < len(target.links) else ""
        if not url.lower().startswith(("http://", "https://")):
            raise BadToken("This link is incomplete or damaged.")
        return url

    def _read(self, delivery_ids: Collection[int]) -> Mapping[int, Target]:
        with self._courier.store.platform(write=False) as platform:
            blocks = {delivery_id // BLOCK * BLOCK for delivery_id in delivery_ids}
            places = platform.messages_of([first + n for first in blocks for n in range(BLOCK)])
        for tenant_id, message_id in {*places.values()} - self._messages.keys():
            self._messages[tenant_id, message_id] = self._target(tenant_id, message_id)
        found = {delivery_id: self._messages[place] for delivery_id, place in places.items()}
        self._deliveries.update(found)
        _trim(self._messages, MESSAGES_KEPT)
        _trim(self._deliveries, DELIVERIES_KEPT)
        return found

    def _target(self, tenant_id: int, message_id: int) -> Target:
        try:
            with self._courier.store.begin(tenant_id, write=False) as unit:
                return Target(tenant_id, unit.messages.get(message_id).content.links)
        except NotFound:  # gone between the two readings
            return Target(tenant_id, ())


def _trim(kept: OrderedDict[K, Target], most: int) -> None:
    while len(kept) > most:
        kept.popitem(last=False)
