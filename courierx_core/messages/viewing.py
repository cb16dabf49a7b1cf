"""A mail in the browser: what `view_url` in it leads to."""

from __future__ import annotations

import msgspec

from courierx_core.courier import Courier
from courierx_core.errors import NotFound
from courierx_core.feedback.service import named_by
from courierx_core.messages.compile import Compiled
from courierx_core.messages.model import Recipient

GONE = "This link is incomplete, or the message is no longer kept."


class Viewed(msgspec.Struct, frozen=True, kw_only=True):
    """One recipient's mail as it reads; `html` is '' where it has only text."""

    subject: str
    html: str
    text: str


def view(courier: Courier, token: str) -> Viewed:
    """Render the mail that a view token stands for, without tracking: looking at it counts as nothing.

    Names and attributes are the subscriber's present ones. Raises NotFound for a token that is not ours or
    whose mail is gone.
    """
    named = named_by(courier, token, "view")
    if named is None:
        raise NotFound(GONE)
    tenant_id, delivery_id = named
    with courier.store.begin(tenant_id, write=False) as unit:
        delivery = unit.deliveries.get(delivery_id)
        if not delivery.address:  # the person was erased
            raise NotFound(GONE)
        message = unit.messages.get(delivery.message_id)
        person = unit.subscribers.by_email(delivery.address)
    content = msgspec.structs.replace(message.content, track_opens=False, track_clicks=False, links=())
    compiled = Compiled(
        msgspec.structs.replace(message, content=content), courier.tokens, courier.hooks.template_filters()
    )
    fields = compiled.fields(
        Recipient(
            id=delivery_id,
            message_id=message.id,
            address=delivery.address,
            state="queued",
            first_name=person.first_name if person else "",
            last_name=person.last_name if person else "",
            attributes=person.attributes if person else {},
        )
    )
    return Viewed(subject=fields.subject, html=fields.html, text=fields.text)
