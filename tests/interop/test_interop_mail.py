"""The platform's own mail through Postfix, OpenSMTPD and Exim: read back as it was meant, and bounced."""

from __future__ import annotations

import email
import email.policy
import time
from collections.abc import Callable
from email.message import EmailMessage
from typing import Any

from courierx_core.audience.model import NewSubscriber
from courierx_core.delivery.model import Delivery
from courierx_core.feedback.inbound import take_in
from courierx_core.mail.address import Address, split_address
from courierx_core.messages import transactional
from courierx_core.messages.new import NewMessage
from courierx_core.ports.transport import Attachment
from tests.e2e.conftest import WAIT_SECONDS, Platform
from tests.interop.mailservers import MailServer

Assemble = Callable[..., Platform]
SENDER = Address("Acme", "hi@acme.example")
NAMES = ("Zoë", ".", "..\r\n.", "ゆうこ さくら", "مريم", "👩‍🚀 of the very long line " + "x" * 900, "Bob")
TEXT = "{{ first_name }}\n.\n.{{ first_name }}\nFrom here on: {{ first_name }}\n"


def platform_to(mta: MailServer, assemble: Assemble, smtp_transport: Callable[..., Any]) -> Platform:
    return assemble(smtp_transport(f"smtp://127.0.0.1:{mta.port}", max_concurrency=3))


def parsed(content: bytes) -> EmailMessage:
    message = email.message_from_bytes(content, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def part(mail: EmailMessage, kind: str) -> str:
    found = mail.get_body((kind,))
    assert found is not None
    return str(found.get_content())


def deliveries(platform: Platform) -> list[Delivery]:
    with platform.courier.store.begin(platform.tenant_id, write=False) as unit:
        return list(unit.deliveries.list())


def test_a_campaign_reads_as_it_was_written(
    mta: MailServer, assemble: Assemble, smtp_transport: Callable[..., Any]
) -> None:
    platform = platform_to(mta, assemble, smtp_transport)
    people = {f"p{n}@people.example": " ".join(name.split()) for n, name in enumerate(NAMES)}
    with platform.courier.store.begin(platform.tenant_id) as unit:
        unit.subscribers.import_rows([NewSubscriber(*each) for each in people.items()])
    html = '<p title="{{ first_name }}">{{ first_name }}</p><a href="https://acme.example/?a=1&b=2">News</a>'
    campaign_id = platform.start(subject="Für {{ first_name }}", text=TEXT, html=html)
    with platform.worker():
        report = platform.finish(campaign_id)
    assert report.states == {"accepted": len(people)}
    mails = {str(mail["To"]): mail for mail in map(parsed, mta.kept(len(people)))}
    assert mails.keys() == people.keys()
    for address, name in people.items():
        mail = mails[address]
        assert not mail.defects
        assert mail["Subject"] == f"Für {name}"
        assert part(mail, "plain") == TEXT.replace("{{ first_name }}", name)
        assert "https://mail.acme.example/" in part(mail, "html")
        assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


def test_a_message_keeps_its_files(
    mta: MailServer, assemble: Assemble, smtp_transport: Callable[..., Any]
) -> None:
    platform = platform_to(mta, assemble, smtp_transport)
    paper = b"%PDF-1.7\n.\r\n.\n" * 3000
    new = NewMessage(
        sender=SENDER,
        to=(split_address("Ann Å <ann@people.example>"),),
        bcc=(split_address("later@people.example"),),
        subject="Order {{ order }}",
        text=".\n{{ order }}\n",
        variables={"order": "№ 4711"},
        attachments=(Attachment(filename="Beleg ß.pdf", content_type="application/pdf", content=paper),),
    )
    transactional.send(platform.courier, platform.tenant_id, new)
    with platform.worker():
        (mail,) = map(parsed, mta.kept(1))
        deadline = time.monotonic() + WAIT_SECONDS
        while (states := {each.address: each.state for each in deliveries(platform)}) != {
            "ann@people.example": "accepted",
            "later@people.example": "deferred",
        }:
            assert time.monotonic() < deadline, states
            time.sleep(0.02)
    assert mail["To"] == "Ann Å <ann@people.example>"
    assert mail["Bcc"] is None
    assert mail["Subject"] == "Order № 4711"
    assert part(mail, "plain") == ".\n№ 4711\n"
    (attached,) = mail.iter_attachments()
    assert (attached.get_filename(), attached.get_content()) == ("Beleg ß.pdf", paper)


def test_its_bounce_is_understood(
    mta: MailServer, assemble: Assemble, smtp_transport: Callable[..., Any]
) -> None:
    """Accepted by the server, refused by the next one: the report comes to our return path."""
    platform = platform_to(mta, assemble, smtp_transport)
    new = NewMessage(sender=SENDER, to=(split_address("ann@gone.example"),), subject="Hi", text="Hello")
    transactional.send(platform.courier, platform.tenant_id, new)
    with platform.worker():
        (bounce,) = mta.kept(1)
    assert take_in(platform.courier, bounce) == "recorded", bounce.decode("utf-8", "replace")
    (delivery,) = deliveries(platform)
    assert (delivery.state, delivery.status) == ("bounced", "5.1.1"), bounce.decode("utf-8", "replace")
    with platform.courier.store.begin(platform.tenant_id, write=False) as unit:
        (suppression,) = unit.suppressions.list()
    assert (suppression.address, suppression.cause) == ("ann@gone.example", "hard_bounce")
