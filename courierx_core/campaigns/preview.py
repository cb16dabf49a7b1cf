"""What a campaign will look like: rendered for one person, and sent to a few who want to see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from courierx_core.audience.model import Attribute, Subscriber
from courierx_core.campaigns.model import Campaign
from courierx_core.campaigns.service import content_of
from courierx_core.courier import Courier
from courierx_core.errors import InvalidInput
from courierx_core.keep import Keep, nothing
from courierx_core.mail.address import Address
from courierx_core.messages import transactional
from courierx_core.messages.compile import Compiled
from courierx_core.messages.limits import RECIPIENTS_MAX
from courierx_core.messages.model import Content, Message, Recipient
from courierx_core.messages.transactional import Sent
from courierx_core.ports.store import UnitOfWork

NOBODY = Address("", "nobody@sandbox.invalid")
"""The sender of a preview whose campaign has none yet."""
EXAMPLE = Subscriber(tenant_id=0, email="ann@example.org", first_name="Ann", last_name="Example")
"""Whom a preview is for where there is nobody yet."""


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """A campaign as `subscriber_id` would get it (0: an example), without tracking. `body` is the html, or
    the text where there is none. `warnings` name variables that this person has no value for."""

    subscriber_id: int
    email: str
    from_: str = msgspec.field(name="from")
    subject: str
    body: str
    html: str
    text: str
    warnings: Sequence[str]


def preview(
    courier: Courier, unit: UnitOfWork, campaign_id: int, *, subscriber_id: int | None = None
) -> Preview:
    """Render a campaign for a subscriber, else for one of its audience. Raises NotFound, RenderError."""
    campaign = unit.campaigns.get(campaign_id)
    person = _person(unit, campaign, subscriber_id)
    content = content_of(courier, unit, campaign)
    compiled = Compiled(
        Message(
            tenant_id=unit.tenant_id,
            campaign_id=campaign_id,
            stream="transactional" if campaign.unsubscribe == "none" else "broadcast",
            transport="",
            content=_untracked(courier, content),
        ),
        courier.tokens,
        courier.hooks.template_filters(),
    )
    fields = compiled.fields(_recipient(person))
    return Preview(
        subscriber_id=person.id,
        email=person.email,
        from_=fields.from_ if content.from_email else "",
        subject=fields.subject,
        body=fields.html or fields.text,
        html=fields.html,
        text=fields.text,
        warnings=_warnings(compiled.warnings, person.attributes),
    )


def send_test(
    courier: Courier,
    tenant_id: int,
    campaign_id: int,
    to: Sequence[Address],
    *,
    subscriber_id: int | None = None,
    keep: Keep[Sent] = nothing,
) -> Sent:
    """Send a campaign's mail as it is now to a few addresses, each of them as a subscriber would get it.

    It is a message of its own: the campaign, its report and its audience stay as they were. Raises
    InvalidInput with every bad field.
    """
    if not 1 <= len(to) <= RECIPIENTS_MAX:
        raise InvalidInput.of("to", "length", f"takes 1 to {RECIPIENTS_MAX} addresses")
    with courier.store.begin(tenant_id, write=False) as unit:
        campaign = unit.campaigns.get(campaign_id)
        person = _person(unit, campaign, subscriber_id)
        content = content_of(courier, unit, campaign)
        shown: dict[str, Attribute] = {
            **person.attributes,
            "first_name": person.first_name,
            "last_name": person.last_name,
            "attributes": dict(person.attributes),
            **content.variables,
        }
        content = msgspec.structs.replace(content, variables=shown, track_opens=False, track_clicks=False)
        addresses = list(dict.fromkeys(each.email for each in to))
        prepared = transactional.prepare_content(
            courier, unit, content, addresses, transport=campaign.transport
        )
    prepared = msgspec.structs.replace(prepared, warnings=_warnings(prepared.warnings, person.attributes))
    return transactional.post(courier, tenant_id, prepared, keep)


def _person(unit: UnitOfWork, campaign: Campaign, subscriber_id: int | None) -> Subscriber:
    if subscriber_id is not None:
        return unit.subscribers.get(subscriber_id)
    lists = campaign.audience.list_ids
    some = unit.subscribers.list(limit=1, status="active", list_id=lists[0] if lists else None)
    return some[0] if some else EXAMPLE


def _recipient(person: Subscriber) -> Recipient:
    return Recipient(
        id=0,
        message_id=0,
        address=person.email,
        state="queued",
        first_name=person.first_name,
        last_name=person.last_name,
        attributes=person.attributes,
    )


def _untracked(courier: Courier, content: Content) -> Content:
    return msgspec.structs.replace(
        content,
        from_email=content.from_email or NOBODY.email,
        public_url=courier.runtime.public_url.rstrip("/"),
        track_opens=False,
        track_clicks=False,
    )


def _warnings(found: Sequence[str], attributes: Mapping[str, object]) -> Sequence[str]:
    """Leave out what this person has as an attribute."""
    return tuple(text for text in found if not any(text.startswith(f"`{name}`") for name in attributes))
