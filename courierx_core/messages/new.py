"""What a caller asks to have sent to a few named people."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec

from courierx_core.audience.model import Attribute
from courierx_core.mail.address import Address
from courierx_core.messages.model import GivenOnUncertain
from courierx_core.ports.transport import Attachment


class NewMessage(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be sent. Own parts win over the template's; without `sender` it is the tenant's default.

    Everybody of `to`, `cc` and `bcc` gets a delivery; the headers show `to` and `cc`.
    """

    to: tuple[Address, ...]
    cc: tuple[Address, ...] = ()
    bcc: tuple[Address, ...] = ()
    sender: Address | None = None
    reply_to: Address | None = None
    template_id: int | None = None
    subject: str = ""
    html: str = ""
    text: str = ""
    variables: Mapping[str, Attribute] = {}
    headers: tuple[tuple[str, str], ...] = ()
    attachments: tuple[Attachment, ...] = ()
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, str] = {}
    track_opens: bool = False
    track_clicks: bool = False
    transport: str = ""
    scheduled_at: datetime | None = None
    on_uncertain: GivenOnUncertain = ""

    @property
    def recipients(self) -> list[str]:
        """Everybody once, in order."""
        return list(dict.fromkeys(address.email for address in (*self.to, *self.cc, *self.bcc)))
