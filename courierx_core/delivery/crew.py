"""What a run needs from its surroundings: compiled messages, senders that outlive a run, completion."""

from __future__ import annotations

import logging
import math
from collections import OrderedDict
from collections.abc import Collection, Sequence

from courierx_core.courier import Courier
from courierx_core.delivery.allowance import Allowances
from courierx_core.delivery.breaker import Breaker
from courierx_core.delivery.domain_rates import DomainRates
from courierx_core.delivery.health import Health
from courierx_core.delivery.line import Line, OpenItem
from courierx_core.delivery.sender import Sender
from courierx_core.delivery.warmups import Warmups
from courierx_core.domains.model import SenderDomain
from courierx_core.domains.signing import domain_of, signer_of
from courierx_core.errors import CourierXError, StoreError
from courierx_core.messages.compile import Compiled
from courierx_core.messages.model import Message
from courierx_core.messages.service import complete_message, pause_message, settle_message
from courierx_core.ports.ledger import Outcome
from courierx_core.transports import service as transports
from courierx_core.transports.own import owner_of
from courierx_core.work import WorkItem

log = logging.getLogger("courierx.delivery")

LOOK_SECONDS = 5.0
"""How old the list of paused transports may be."""
CACHE_MESSAGES = 64
"""Compiled messages kept at most."""
CACHE_SECONDS = 3600.0
"""How long one is kept at most: with it are the keys that sign it, and those are rotated."""


class _Loaded:
    """A message that items of are sent, and what it was compiled to: for a far side that signs, or not."""

    __slots__ = ("compiled", "domain", "message", "until")

    def __init__(self, until: float, message: Message, domain: SenderDomain | None) -> None:
        self.until, self.message, self.domain = until, message, domain
        self.compiled: dict[bool, Compiled] = {}


class SendCrew:
    """One lane's: it is used by that lane's thread only, apart from `complete`."""

    def __init__(self, courier: Courier) -> None:
        self.courier = courier
        self.allowances = Allowances(courier)
        self.domain_rates = DomainRates(courier)
        self.warmups = Warmups(courier)
        self._senders: dict[str, Sender] = {}
        self._paused: Collection[str] = ()
        self._looked_at = -math.inf
        self._breakers: dict[int, Breaker] = {}
        self._health: dict[str, Health] = {}
        self._loaded: OrderedDict[int, _Loaded] = OrderedDict()

    def open_item(self, item: WorkItem) -> OpenItem | None:
        """Compile the item's message, or pause it with the reason why that is not possible. None also
        while every transport that could carry it is paused."""
        found = self._loaded.get(item.subject_id)
        if found is None or found.until < self.courier.runtime.monotonic():
            found = self._load(item)
            if len(self._loaded) > CACHE_MESSAGES:
                self._loaded.popitem(last=False)
        self._look()
        message = found.message
        try:
            transport = self._choose(message, item.id)
            if transport is None:
                return None
            return OpenItem(item, message, transport, self._compiled(found, transport))
        except StoreError:
            raise
        except CourierXError as error:
            self._loaded.pop(item.subject_id, None)
            self.pause(message, str(error))
            return None

    def _load(self, item: WorkItem) -> _Loaded:
        until = self.courier.runtime.monotonic() + CACHE_SECONDS
        with self.courier.store.begin(item.tenant_id, write=False) as unit:
            message = unit.messages.get(item.subject_id)
            domain = domain_of(unit, message)
        found = self._loaded[item.subject_id] = _Loaded(until, message, domain)
        return found

    def _choose(self, message: Message, item_id: int) -> str | None:
        """Return what carries an item of the message; None while a person has to see to that. Raises
        CourierXError where this worker does not have what the message names."""
        route = self.courier.routes.get(message.transport)
        if route is not None:
            return route.choose(item_id, self._rest)
        foreign = owner_of(message.transport) not in (None, message.tenant_id)
        if foreign or not self.courier.ways(message.transport):
            raise CourierXError(
                f"Message {message.id} goes over transport {message.transport!r}, which this worker does not"
                f" have (it has: {self.courier.ways_known}). Configure it, then resume."
            )
        return None if message.transport in self._paused else message.transport

    def _compiled(self, found: _Loaded, transport: str) -> Compiled:
        """Return the message as this transport gets it: signed, unless the far side does that."""
        signs = self.courier.transport(transport).limits().signs
        compiled = found.compiled.get(signs)
        if compiled is None:
            filters = self.courier.hooks.template_filters()
            signer = None if signs else signer_of(self.courier, found.domain)
            compiled = Compiled(found.message, self.courier.tokens, filters, signer=signer)
            found.compiled[signs] = compiled
        return compiled

    def wait(self, message: Message) -> float:
        rests = [self._rest(name) for name in self.courier.ways(message.transport)]
        return min((rest for rest in rests if rest < math.inf), default=0.0)

    def elsewhere(self, message: Message, transport: str) -> bool:
        if message.transport == transport:
            return False
        return any(
            name != transport and not self._rest(name) for name in self.courier.ways(message.transport)
        )

    def _rest(self, transport: str) -> float:
        """Return in how many seconds a transport may be used; infinity where it is paused."""
        if transport in self._paused:
            return math.inf
        health = self._health.get(transport)
        return health.left() if health is not None else 0.0

    def _look(self) -> None:
        """Know which transports are paused, as of a moment ago."""
        now = self.courier.runtime.monotonic()
        if now - self._looked_at >= LOOK_SECONDS:
            self._paused, self._looked_at = transports.paused(self.courier), now

    def line(self, transport: str) -> Line:
        driver = self.courier.transport(transport)
        sender = self._senders.get(transport)
        if sender is not None and sender.transport is not driver:  # a tenant's own, changed since
            sender.close()
            sender = None
        if sender is None:
            sender = self._senders[transport] = Sender(driver, self.courier.hooks.tracing)
        return Line(driver, sender, self._health.setdefault(transport, Health()))

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
