"""Messages: what is sent, frozen when it starts. The engine knows messages, never campaigns."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, TypeAlias

import msgspec

from courierx_core.audience.model import Attribute
from courierx_core.ports.transport import Attachment, Stream

OnUncertain: TypeAlias = Literal["hold", "resend"]
"""What becomes of uncertain deliveries when everything else is over: they are shown, and wait for evidence or
a person; or they go out once more."""
GivenOnUncertain: TypeAlias = Literal["", "hold", "resend"]
"""The same where it may be left to the tenant: ''."""


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that decides the bytes of a message, apart from the recipient.

    `subject`, `html`, `text` and `layout` are Jinja sources. `to` and `cc` are header texts shown to
    every recipient; empty `to` shows the recipient's own address. `headers` are extra ones, checked
    (SECURITY: S09). `variables` are shared template variables; they win over a subscriber's names and
    attributes, never over the address. `unsubscribe` is '' for one-click at the public URL, 'none' for
    transactional mail, else an https or mailto URI of the sender's own.
    """

    from_email: str
    from_name: str = ""
    reply_to: str = ""
    subject: str
    html: str = ""
    text: str = ""
    layout: str = ""
    to: tuple[str, ...] = ()
    cc: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    attachments: tuple[Attachment, ...] = ()
    variables: Mapping[str, Attribute] = {}
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, str] = {}
    track_opens: bool = False
    track_clicks: bool = False
    public_url: str = ""
    return_path: str = ""
    """Domain of the VERP return path; '' sends with the From address as the return path."""
    unsubscribe: str = ""
    unsubscribe_mail: bool = False
    """One-click is offered beside a mail to the return path's domain."""
    links: tuple[str, ...] = ()
    """URLs that clicks resolve to, by their number in the token; fixed at freeze."""


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """A frozen content on its way to one or many recipients over a named transport."""

    id: int = 0
    tenant_id: int
    campaign_id: int | None = None
    stream: Stream
    transport: str
    content: Content
    on_uncertain: OnUncertain = "hold"
    expires_at: datetime | None = None
    """After this a delivery still open is failed (transactional: COURIERX_TRANSACTIONAL_TTL)."""
    scheduled_at: datetime | None = None
    """Nothing is sent before this."""
    created_at: datetime | None = None
    completed_at: datetime | None = None
    cancelled_at: datetime | None = None
    resent: int | None = None
    """How many uncertain deliveries `on_uncertain` has queued again; None until it came to that, which is
    once."""
    pruned_at: datetime | None = None
    """Since when its deliveries are no longer kept, or on their way out: its report is frozen."""


class MessageSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A message as a list shows it: without bodies and files, which may be megabytes."""

    id: int
    tenant_id: int
    campaign_id: int | None
    stream: Stream
    transport: str
    from_email: str
    from_name: str
    to: tuple[str, ...]
    subject: str
    tags: tuple[str, ...]
    metadata: Mapping[str, str]
    scheduled_at: datetime | None
    created_at: datetime | None
    completed_at: datetime | None
    cancelled_at: datetime | None


class Recipient(msgspec.Struct, frozen=True, gc=False):
    """One delivery as the renderer sees it: who it is for, and what may differ between people."""

    id: int
    """The delivery's id."""
    message_id: int
    address: str
    state: Literal["queued", "deferred"]
    tries: int = 0
    """Attempts that cost this recipient one, so far."""
    first_name: str = ""
    last_name: str = ""
    attributes: Mapping[str, Attribute] = {}
    suppressed: str = ""
    """The cause, when the address may not be mailed (suppressed, unsubscribed); '' when it may."""
