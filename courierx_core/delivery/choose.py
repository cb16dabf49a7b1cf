"""The guards of the pipeline, top to bottom: suppressed? expired? blocked? within quota and rate?"""

from __future__ import annotations

import logging
import time
from datetime import datetime

from courierx_core.courier import Courier
from courierx_core.delivery.allowance import Allowances
from courierx_core.delivery.judge import Attempt, Verdict
from courierx_core.delivery.line import Line, OpenItem
from courierx_core.delivery.model import DeliveryState
from courierx_core.errors import StoreError
from courierx_core.hooks import HookFailed
from courierx_core.messages.model import Recipient
from courierx_core.ports.ledger import Ledger
from courierx_core.ports.limiter import Rate
from courierx_core.ports.transport import Stream
from courierx_core.work import SEND_ITEM_MAX

log = logging.getLogger("courierx.delivery")

BROADCAST_SHARE = 0.9
"""The part of a transport's rate that broadcast mail may use, so a password reset has room."""
PLUGIN_RETRY_SECONDS = 60.0
STORE_RETRY_SECONDS = 0.25
"""How soon a store that was away is asked again."""


def choose(courier: Courier, allowances: Allowances, line: Line, stream: Stream, room: int) -> list[Attempt]:
    """Take up to `room` deliveries, as quotas and rate allow, off the line's first item, which has been
    read. An item whose tenant has used its quotas up is postponed."""
    item = line.items[0]
    if not item.rows:
        return []
    allowed = _allowed(allowances, line, item, min(room, len(item.rows)))
    if not allowed:
        return []
    permits = _permits(courier, line, stream, allowed)
    allowances.spare(item.item.tenant_id, allowed - permits)
    return [_attempt(line, item, item.rows.popleft()) for _ in range(permits)]


def _allowed(allowances: Allowances, line: Line, item: OpenItem, want: int) -> int:
    tenant_id = item.item.tenant_id
    try:
        allowed = allowances.take(tenant_id, want, ahead=len(item.rows))
    except StoreError as error:
        log.warning("the store did not tell of quotas, trying again: %s", error)
        line.not_before = max(line.not_before, time.monotonic() + STORE_RETRY_SECONDS)
        return 0
    if not allowed:
        item.postponed = allowances.wait(tenant_id)
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


def broadcast_rate(per_second: int) -> int:
    """Return what of a transport's rate campaigns may take."""
    return max(1, int(per_second * BROADCAST_SHARE))


def _permits(courier: Courier, line: Line, stream: Stream, want: int) -> int:
    """Take permits from the transport's rate; none now sets when to ask again."""
    per_second = line.traits.per_second
    if not per_second:
        return want
    key, take = f"transport:{line.transport.name}", courier.limiter.take
    if stream == "broadcast":
        grant = take(f"{key}:broadcast", want, Rate(broadcast_rate(per_second)))
        want = grant.granted
    if want:
        grant = take(key, want, Rate(per_second))
    if not grant.granted:
        line.not_before = time.monotonic() + grant.retry_after
    return grant.granted
