"""What the tests of all providers send."""

from __future__ import annotations

from typing import Any

from courierx_core import Attachment, Fields, Receipt
from courierx_core.testing import FakeEnvelope
from courierx_providers.transport import ProviderTransport


def sent(transport: ProviderTransport[Any], envelope: FakeEnvelope | None = None) -> Receipt:
    """Send one envelope, over a session of its own."""
    session = transport.open()
    try:
        return session.send(envelope or FakeEnvelope(7))
    finally:
        session.close()


class Whole(FakeEnvelope):
    """An envelope that has everything."""

    def fields(self) -> Fields:
        return Fields(
            from_="=?utf-8?q?J=C3=B6rg=2C_News?= <news@example.com>",
            to=("Bob <bob@x.example>", "Ann <Ann@x.example>"),
            subject="Grüße",
            html="<p>Hello</p>",
            text="Hello",
            reply_to="help@example.com",
            headers=(("List-Unsubscribe", "<https://example.com/u>"),),
            attachments=(
                Attachment(filename="a.pdf", content_type="application/pdf", content=b"%PDF"),
                Attachment(filename="l.png", content_type="image/png", content=b"PNG", content_id="logo"),
            ),
        )
