"""The guards of the pipeline, top to bottom: suppressed? expired? blocked? within quota and rate?"""

from __future__ import annotations

import logging
import time
from datetime import datetime

from courierx_core.courier import Courier
from courierx_core.delivery.domain_rates import REASON, DomainRates, domain_of, take
from courierx_core.delivery.judge import Attempt, Verdict
from courierx_core.delivery.line import Crew, Line, OpenItem
from courierx_core.delivery.model import DeliveryState
from courierx_core.errors import StoreError
from courierx_core.hooks import HookFailed
from courierx_core.messages.model import Recipient
from courierx_core.ports.ledger import Ledger
from courierx_core.ports.limiter import Rate
from courierx_core.ports.transport import Stream
from courierx_core.work import SEND_ITEM_MAX

log = logging.getLogger("courierx.delivery")

PLUGIN_RETRY_SECONDS = 60.0
STORE_RETRY_SECONDS = 0.25
"""How soon a store that was away is asked again."""


def choose(courier: Courier, crew: Crew, line: Line, stream: Stream, room: int) -> list[Attempt]:
    """Take up to `room` deliveries, as quotas and rates allow, off the line's first item, which has been
    read. An item whose tenant has used its quotas up is postponed; a transport that has used its day up is
    held back; rows whose domain takes no more now are refused for now."""
    item = line.items[0]
    if not item.rows:
        return []
    allowed = _allowed(crew, line, item, stream, min(room, len(item.rows)))
    if not allowed:
        return []
    going = _in_turn(crew.domain_rates, line, item, stream, allowed)
    permits = _permits(courier, line, stream, len(going))
    crew.allowances.spare(item.item.tenant_id, allowed - permits)
    crew.warmups.spare(line.transport.name, allowed - permits)
    held_back = going[permits:]
    item.rows.extendleft(reversed(held_back))
    crew.domain_rates.spare(line.transport.name, held_back)
    return [_attempt(line, item, each) for each in going[:permits]]


def _in_turn(rates: DomainRates, line: Line, item: OpenItem, stream: Stream, n: int) -> list[Recipient]:
    """Take the next `n` rows; return whose domain takes them now. The others are put back until then."""
    ahead = [item.rows.popleft() for _ in range(n)]
    if not rates.rates:
        return ahead
    going, waiting = rates.split(line.transport.name, stream, ahead)
    for each, seconds in waiting:
        reason = f"{REASON}{domain_of(each)}"
        outcome = _attempt(line, item, each).ends(each.state, tries=0, reason=reason)
        item.refused.append(Verdict(outcome, seconds))
    return going


def _allowed(crew: Crew, line: Line, item: OpenItem, stream: Stream, want: int) -> int:
    """Take of what the transport may send today, and of the tenant's quotas."""
    tenant_id, name, ahead = item.item.tenant_id, line.transport.name, len(item.rows)
    warm = allowed = 0
    try:
        warm = crew.warmups.take(name, stream, want, ahead=ahead)
        if not warm:
            line.hold(crew.warmups.wait(name))
            return 0
        allowed = crew.allowances.take(tenant_id, warm, ahead=ahead)
        if not allowed:
            item.postponed = crew.allowances.wait(tenant_id)
    except StoreError as error:
        log.warning("the store did not tell of quotas, trying again: %s", error)
        line.not_before = max(line.not_before, time.monotonic() + STORE_RETRY_SECONDS)
    crew.warmups.spare(name, warm - allowed)
    return allowed


def _attempt(line: Line, item: OpenItem, recipient: Recipient) -> Attempt:
    return Attempt(recipient, item.message, item.id, item.item.attempt, line.transport.name)


def has_read(courier: Courier, ledger: Ledger, line: Line, item: OpenItem) -> bool:
    """Tell whether the item's rows are there; read them if that was not done yet."""
    if not item.read and not item.lost:
        try:
            _read(courier, ledger, line, item)
        except StoreError as error:  # reading is tried again; what is under way must be recorded first
            log.warning("the store gave nothing to send, trying again: %s", error)
            line.not_before = max(line.not_before, time.monotonic() + STORE_RETRY_SECONDS)
    return item.read and not item.lost


def _read(courier: Courier, ledger: Ledger, line: Line, item: OpenItem) -> None:
    """Read the item's rows and set those apart that may not be mailed."""
    rows = ledger.read(item.item, after=item.cursor, limit=SEND_ITEM_MAX)
    item.read = True
    refused = _refusals(courier, item, rows, courier.runtime.now())
    for recipient in rows:
        found = refused.get(recipient.id)
        if found is None:
            item.rows.append(recipient)
            continue
        state, reason = found
        delay = PLUGIN_RETRY_SECONDS if state == "deferred" else None
        outcome = _attempt(line, item, recipient).ends(state, tries=0, reason=reason)
        item.refused.append(Verdict(outcome, delay))


def _refusals(
    courier: Courier, item: OpenItem, rows: list[Recipient], now: datetime
) -> dict[int, tuple[DeliveryState, str]]:
    """Say which rows may not be sent, into which state they go, and why."""
    refused: dict[int, tuple[DeliveryState, str]] = {}
    expires = item.message.expires_at
    for recipient in rows:
        if recipient.suppressed:
            refused[recipient.id] = ("suppressed", recipient.suppressed)
        elif expires is not None and now > expires:
            refused[recipient.id] = ("failed", "expired before it could be sent")
    if courier.hooks.has_block and len(refused) < len(rows):
        asked = [recipient for recipient in rows if recipient.id not in refused]
        try:
            blocked = courier.hooks.block(item.message, asked)
        except HookFailed as failure:  # guards fail closed: nobody is mailed unchecked
            log.warning("%s; its deliveries are deferred", failure)
            refused |= {recipient.id: ("deferred", f"plugin:{failure.plugin}") for recipient in asked}
        else:
            refused |= {i: ("blocked", reason) for i, reason in blocked.items()}
    return refused


def _permits(courier: Courier, line: Line, stream: Stream, want: int) -> int:
    """Take permits from the transport's rate; none now sets when to ask again."""
    per_second = line.traits.per_second
    if not per_second or not want:
        return want
    grant = take(courier.limiter, f"transport:{line.transport.name}", want, Rate(per_second), stream)
    if not grant.granted:
        line.not_before = time.monotonic() + grant.retry_after
    return grant.granted
