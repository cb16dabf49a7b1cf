"""What single messages said, without a person."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

import msgspec
from sqlalchemy import exists

from courierx_core.messages.model import Content
from courierx_sql.accessor import Accessor
from courierx_sql.rows.messages import MessageRows
from courierx_sql.tables import deliveries, messages


def forget_contents(tenant: Accessor, address: str, message_ids: Collection[int]) -> int:
    """Empty the messages that went to this address alone, and take it out of those that also went to
    others; a campaign's is nobody's. Return how many."""
    columns = messages.c
    others = exists().where(
        tenant.owns(deliveries),
        deliveries.c.message_id == columns.id,
        deliveries.c.address.not_in((address, "")),
    )
    single = tenant.select(messages, columns.id, others.label("shared")).where(
        columns.id.in_(sorted(message_ids)), columns.campaign_id.is_(None)
    )
    found = tenant.execute(single).all()
    for row in found:
        content = MessageRows(tenant).get(row.id).content
        kept = _without(content, address) if row.shared else emptied(content)
        tenant.execute(tenant.update(messages).where(columns.id == row.id).values(content=kept))
    return len(found)


def emptied(content: Content) -> Content:
    """Return a content that says nothing, to nobody."""
    return Content(from_email=content.from_email, from_name=content.from_name, subject="")


def _without(content: Content, address: str) -> Content:
    fields = msgspec.structs.asdict(content)
    for name in ("to", "cc"):  # with the name beside it
        fields[name] = tuple(each for each in fields[name] if address not in each.lower())
    ours = ("attachments", "from_email", "from_name", "return_path", "public_url")
    sign = re.compile(re.escape(address), re.IGNORECASE)
    return Content(
        **{name: value if name in ours else _scrubbed(value, sign) for name, value in fields.items()}
    )


def _scrubbed(value: Any, sign: re.Pattern[str]) -> Any:
    if isinstance(value, str):
        return sign.sub("", value)
    if isinstance(value, Mapping):
        return {_scrubbed(key, sign): _scrubbed(each, sign) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_scrubbed(each, sign) for each in value)
    return value
