"""A line end, a NUL or a smuggled dot in any field of a mail: refused or encoded, never a header (S09)."""

from __future__ import annotations

import base64
import email
import email.policy
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from courierx_app.asgi import create_app
from courierx_app.container import build
from courierx_app.sending import HiredWorker
from courierx_app.settings import read
from courierx_core.testing.dialogue import ServerOptions
from courierx_core.testing.smtp import SmtpServer
from tests.e2e.conftest import WAIT_SECONDS

ENDS = ("\r\n", "\n", "\r", "\0", "\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\r\n.\r\n")
FILE = {"filename": "a.txt", "content_type": "text/plain", "content": base64.b64encode(b"file").decode()}
OWN = {
    "from", "to", "cc", "subject", "date", "message-id", "mime-version", "content-type", "reply-to", "x-note",
    "content-transfer-encoding", "auto-submitted", "feedback-id", "x-courierx-send-id",
}  # fmt: skip


def bodies() -> Iterator[dict[str, Any]]:
    """Make a message with each kind of line end in each of its fields that becomes part of a header."""
    for end in ENDS:
        evil = f"a{end}X-Evil: yes{end}{end}.{end}MAIL FROM:<b@x.example>"
        yield {"subject": evil}
        yield {"subject": "{{ s }}", "variables": {"s": evil}}
        yield {"text": f"one{end}.{end}MAIL FROM:<b@x.example>{end}X-Evil: yes"}
        for field in ("from", "reply_to"):
            yield {field: f'"{evil}" <hi@x.example>'}
            yield {field: {"email": "hi@x.example", "name": evil}}
            yield {field: {"email": f"hi@x.example{end}X-Evil: yes", "name": "n"}}
        for field in ("to", "cc"):
            yield {field: [{"email": "ann@x.example", "name": evil}]}
            yield {field: [f"ann{end}X-Evil:@x.example"]}
        yield {"headers": {"X-Note": evil}}
        yield {"headers": {f"X-Note{end}X-Evil": "yes"}}
        for field in ("filename", "content_type", "content_id"):
            yield {"attachments": [{**FILE, field: evil}]}
    for name in ("From", "to", "Bcc", "DKIM-Signature", "List-Unsubscribe", "Received", "Return-Path"):
        yield {"headers": {name: "x"}}


@pytest.fixture
def server() -> Iterator[SmtpServer]:
    with SmtpServer(ServerOptions(keep="whole")) as running:
        yield running


def accepted(client: TestClient[Litestar], tenant_id: int) -> int:
    """Send them all; return how many copies are on their way."""
    deliveries = 0
    for body in bodies():
        usual = {"from": "hi@x.example", "to": ["ann@x.example"], "subject": "s", "text": "t"}
        answer = client.post("/messages", json={**usual, **body, "tenant_id": tenant_id})
        assert answer.status_code in (202, 422), (body, answer.text)
        if answer.status_code == 202:
            deliveries += len(answer.json()["deliveries"])
    return deliveries


def test_the_far_side_sees_one_mail_each_and_no_new_header(server: SmtpServer, tmp_path: Path) -> None:
    given = {
        "DATABASE_URL": f"sqlite:///{tmp_path / 'db'}",
        "SMTP_URL": server.url,
        "COURIERX_TRANSPORT": "smtp",
    }
    configuration = read(tmp_path, given)
    courier = build(configuration)
    courier.store.upgrade()
    try:
        app = create_app(courier, configuration.settings, dev=True)
        with TestClient(app, base_url="http://127.0.0.1") as client:
            tenant = client.post("/tenants", json={"name": "Acme", "contact_email": "a@x.example"}).json()
            expected = accepted(client, tenant["id"])
            assert expected > 20
            with HiredWorker(courier, "test"):
                deadline = time.monotonic() + WAIT_SECONDS
                while len(server.received()) < expected and time.monotonic() < deadline:
                    time.sleep(0.02)
        received = server.received()
    finally:
        courier.close()
    assert len(received) == expected == len({each.send_id for each in received})
    for copy in received:
        mail = email.message_from_bytes(copy.content, policy=email.policy.default)
        assert {name.lower() for name in mail} <= OWN, copy.content
        for part in mail.walk():
            assert part["X-Evil"] is None
