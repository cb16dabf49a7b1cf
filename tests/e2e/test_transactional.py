"""Single messages over real SMTP on both stores: what was asked for is what arrives, once each."""

from __future__ import annotations

import email
import email.policy
import time
from collections.abc import Callable
from datetime import timedelta
from email.message import EmailMessage
from typing import Any

import pytest

from courierx_core.courier import Courier
from courierx_core.delivery.model import OPEN, Delivery
from courierx_core.errors import Conflict
from courierx_core.mail.address import Address, split_address
from courierx_core.messages import transactional
from courierx_core.messages.new import NewMessage
from courierx_core.messages.transactional import Sent
from courierx_core.ports.transport import Attachment
from courierx_core.suppression.model import Suppression
from courierx_core.testing.dialogue import ServerOptions
from courierx_core.testing.smtp import SmtpServer
from tests.e2e.conftest import WAIT_SECONDS, Platform

Assemble = Callable[..., Platform]
SENDER = Address("Acme", "hi@acme.example")
KEEP = ServerOptions(keep="whole")


def people(*texts: str) -> tuple[Address, ...]:
    return tuple(map(split_address, texts))


def deliveries(courier: Courier, tenant_id: int, sent: Sent) -> list[Delivery]:
    with courier.store.begin(tenant_id, write=False) as unit:
        return list(unit.deliveries.list(message_id=sent.message.id))


def closed(platform: Platform, sent: Sent) -> dict[str, str]:
    """Wait until nothing of the message is open; return address -> state."""
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        found = deliveries(platform.courier, platform.tenant_id, sent)
        with platform.courier.store.begin(platform.tenant_id, write=False) as unit:
            done = unit.messages.get(sent.message.id).completed_at is not None
        if done and not any(each.state in OPEN for each in found):
            return {each.address: each.state for each in found}
        time.sleep(0.02)
    raise AssertionError(found)


def parsed(content: bytes) -> EmailMessage:
    message = email.message_from_bytes(content, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def test_to_cc_and_bcc_get_one_each_with_files_and_images(
    assemble: Assemble, smtp_transport: Callable[..., Any]
) -> None:
    picture, paper = bytes(range(256)) * 40, b"%PDF-1.7\n.\r\n.\n" * 300
    new = NewMessage(
        sender=SENDER,
        to=people("Ann Å <ann@x.example>", "bob@x.example"),
        cc=people("Cy <cy@x.example>"),
        bcc=people("dee@x.example", "gone@x.example"),
        reply_to=Address("", "help@acme.example"),
        subject="Order {{ order }} for {{ first_name }}",
        html='<p>{{ lines[0].name }}</p><img src="cid:logo@acme"><p>{{ email }}</p>',
        text="{% for line in lines %}{{ line.name }};{% endfor %}\n.\n{{ first_name }}",
        variables={"order": 4711, "first_name": "Änne", "lines": [{"name": "<Tea>"}, {"name": "Pot"}]},
        headers=(("X-Order", "4711"),),
        attachments=(
            Attachment(filename="Rechnung ß.pdf", content_type="application/pdf", content=paper),
            Attachment(filename="l.png", content_type="image/png", content=picture, content_id="logo@acme"),
        ),
    )
    with SmtpServer(KEEP) as server:
        platform = assemble(smtp_transport(server.url))
        platform.people("bob@x.example")  # a subscriber called Ann: the message's own variables win
        with platform.courier.store.begin(platform.tenant_id) as unit:
            gone = Suppression(tenant_id=platform.tenant_id, address="gone@x.example")
            unit.suppressions.add_many([gone])
        sent = transactional.send(platform.courier, platform.tenant_id, new)
        assert [each.state for each in sent.deliveries] == ["queued"] * 4 + ["suppressed"]
        with platform.worker():
            states = closed(platform, sent)
        received = server.received()
    assert states == {
        **{f"{name}@x.example": "accepted" for name in ("ann", "bob", "cy", "dee")},
        "gone@x.example": "suppressed",
    }
    assert sorted(each.recipient for each in received) == [
        f"{n}@x.example" for n in ("ann", "bob", "cy", "dee")
    ]
    assert len({each.send_id for each in received}) == 4
    for copy in received:
        mail = parsed(copy.content)
        assert mail["From"] == "Acme <hi@acme.example>"
        assert mail["To"] == "Ann Å <ann@x.example>, bob@x.example"
        assert (mail["Cc"], mail["Bcc"]) == ("Cy <cy@x.example>", None)
        assert b"dee@x.example" not in copy.content or copy.recipient == "dee@x.example"
        assert (mail["Reply-To"], mail["X-Order"]) == ("help@acme.example", "4711")
        assert (mail["Subject"], mail["Auto-Submitted"]) == ("Order 4711 for Änne", "auto-generated")
        assert mail["List-Unsubscribe"] is None
        html, text = mail.get_body(("html",)), mail.get_body(("plain",))
        assert html is not None
        assert text is not None
        assert "<p>&lt;Tea&gt;</p>" in html.get_content()
        assert f"<p>{copy.recipient}</p>" in html.get_content()
        assert text.get_content().splitlines() == ["<Tea>;Pot;", ".", "Änne"]
        (attached,) = mail.iter_attachments()
        assert (attached.get_filename(), attached.get_content()) == ("Rechnung ß.pdf", paper)
        (inline,) = [part for part in mail.walk() if part["Content-ID"] == "<logo@acme>"]
        assert inline.get_payload(decode=True) == picture
        assert inline.get_content_disposition() == "inline"


def test_a_scheduled_message_goes_at_its_time_and_a_cancelled_one_never(
    assemble: Assemble, smtp_transport: Callable[..., Any]
) -> None:
    with SmtpServer() as server:
        platform = assemble(smtp_transport(server.url))
        courier, tenant_id = platform.courier, platform.tenant_id
        now = courier.runtime.now()
        soon = now + timedelta(seconds=3)
        new = NewMessage(sender=SENDER, to=people("a@x.example"), text="t", scheduled_at=soon)
        due = transactional.send(courier, tenant_id, new)
        later = NewMessage(
            sender=SENDER, to=people("b@x.example"), text="t", scheduled_at=now + timedelta(days=1)
        )
        dropped = transactional.send(courier, tenant_id, later)
        with platform.worker():
            first = transactional.send(
                courier, tenant_id, NewMessage(sender=SENDER, to=people("c@x.example"), text="t")
            )
            assert closed(platform, first) == {"c@x.example": "accepted"}
            assert transactional.cancel(courier, tenant_id, dropped.message.id).completed_at is not None
            assert closed(platform, due) == {"a@x.example": "accepted"}
            with pytest.raises(Conflict, match="completed"):
                transactional.cancel(courier, tenant_id, due.message.id)
        assert [each.recipient for each in server.received()] == ["c@x.example", "a@x.example"]
        (sent_at,) = [each.sent_at for each in deliveries(courier, tenant_id, due)]
        assert sent_at is not None
        assert sent_at >= soon


def test_a_message_past_its_time_to_live_fails_and_is_not_sent(
    assemble: Assemble, smtp_transport: Callable[..., Any]
) -> None:
    with SmtpServer() as server:
        platform = assemble(smtp_transport(server.url), transactional_ttl=0.001)
        new = NewMessage(sender=SENDER, to=people("a@x.example"), text="t")
        sent = transactional.send(platform.courier, platform.tenant_id, new)
        with platform.worker():
            assert closed(platform, sent) == {"a@x.example": "failed"}
        (delivery,) = deliveries(platform.courier, platform.tenant_id, sent)
        assert "expired" in delivery.reason
        assert server.received() == []
