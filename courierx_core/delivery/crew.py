"""What a run needs from its surroundings: compiled messages, senders that outlive a run, completion."""

from __future__ import annotations

import logging
import math
from collections import OrderedDict
from collections.abc import Collection, Sequence

from courierx_core.courier import Courier
from courierx_core.delivery.allowance import Allowances
from courierx_core.delivery.breaker import Breaker
from courierx_core.delivery.line import Line, OpenItem
from courierx_core.delivery.sender import Sender
from courierx_core.domains.model import SenderDomain
from courierx_core.domains.signing import domain_of, signer_of
from courierx_core.errors import CourierXError, StoreError
from courierx_core.messages.compile import Compiled
from courierx_core.messages.model import Message
from courierx_core.messages.service import complete_message, pause_message, settle_message
from courierx_core.ports.ledger import Outcome
from courierx_core.transports import service as transports
from courierx_core.work import WorkItem

log = logging.getLogger("courierx.delivery")

LOOK_SECONDS = 5.0
"""How old the list of paused transports may be."""
CACHE_MESSAGES = 64
"""Compiled messages kept at most."""
CACHE_SECONDS = 3600.0
"""How long one is kept at most: with it are the keys that sign it, and those are rotated."""


class SendCrew:
    """One lane's: it is used by that lane's thread only, apart from `complete`."""

    def __init__(self, courier: Courier) -> None:
        self.courier = courier
        self.allowances = Allowances(courier)
        self._senders: dict[str, Sender] = {}
        self._paused: Collection[str] = ()
        self._looked_at = -math.inf
        self._breakers: dict[int, Breaker] = {}
        self._compiled: OrderedDict[int, tuple[float, Message, Compiled]] = OrderedDict()

    def open_item(self, item: WorkItem) -> OpenItem | None:
        """Compile the item's message, or pause it with the reason why that is not possible. None also
        while its transport is paused."""
        found = self._compiled.get(item.subject_id)
        if found is None or found[0] < self.courier.runtime.monotonic():
            with self.courier.store.begin(item.tenant_id, write=False) as unit:
                message = unit.messages.get(item.subject_id)
                domain = domain_of(unit, message)
            try:
                self._require_transport(message)
                found = (
                    self.courier.runtime.monotonic() + CACHE_SECONDS,
                    message,
                    self._compile(message, domain),
                )
            except CourierXError as error:
                self.pause(message, str(error))
                return None
            self._compiled[item.subject_id] = found
            if len(self._compiled) > CACHE_MESSAGES:
                self._compiled.popitem(last=False)
        return None if found[1].transport in self._stopped() else OpenItem(item, *found[1:])

    def _compile(self, message: Message, domain: SenderDomain | None) -> Compiled:
        filters = self.courier.hooks.template_filters()
        signer = signer_of(self.courier, message, domain)
        return Compiled(message, self.courier.tokens, filters, signer=signer)

    def _stopped(self) -> Collection[str]:
        """Return the transports that are paused, as of a moment ago."""
        now = self.courier.runtime.monotonic()
        if now - self._looked_at >= LOOK_SECONDS:
            self._paused, self._looked_at = transports.paused(self.courier), now
        return self._paused

    def _require_transport(self, message: Message) -> None:
        if message.transport not in self.courier.transports:
            have = ", ".join(self.courier.transports) or "none"
            raise CourierXError(
                f"Message {message.id} goes over transport {message.transport!r}, which this worker does not"
                f" have (it has: {have}). Configure it, then resume."
            )

    def line(self, transport: str) -> Line:
        driver = self.courier.transports[transport]
        sender = self._senders.get(transport)
        if sender is None:
            sender = self._senders[transport] = Sender(driver, self.courier.hooks.tracing)
        return Line(driver, sender)

    def item_done(self, message: Message) -> None:
        try:
            if complete_message(self.courier, message.tenant_id, message.id):
                self._breakers.pop(message.id, None)
        except StoreError as error:  # the worker looks for such campaigns from time to time
            log.warning("message %s is completed later: %s", message.id, error)

    def item_lost(self, message: Message) -> None:
        try:
            settle_message(self.courier, message.tenant_id, message.id)
        except StoreError as error:
            log.warning("message %s is settled later: %s", message.id, error)

    def judge(self, message: Message, outcomes: Sequence[Outcome]) -> str:
        """Count for the campaign's breaker; a single message has none."""
        if message.campaign_id is None:
            return ""
        return self._breakers.setdefault(message.id, Breaker()).note(outcomes)

    def pause(self, message: Message, reason: str) -> None:
        self._breakers.pop(message.id, None)
        ids = {"message_id": message.id, "tenant_id": message.tenant_id}
        log.warning("message %s of tenant %s is paused: %s", *ids.values(), reason, extra=ids)
        try:
            pause_message(self.courier, message, reason)
        except StoreError as error:  # the next refusal asks again
            log.warning("message %s is not paused yet: %s", message.id, error)

    def stop(self, transport: str, reason: str) -> None:
        self._looked_at = -math.inf
        try:
            transports.pause(self.courier, transport, reason)
        except StoreError as error:  # the next refusal asks again
            log.warning("transport %s is not paused yet: %s", transport, error)

    def close(self) -> None:
        """Say goodbye to every far side."""
        for sender in self._senders.values():
            sender.close()
