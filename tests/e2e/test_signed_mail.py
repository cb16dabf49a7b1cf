"""A campaign from a verified domain arrives signed, as its recipients' servers check it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dkim
import msgspec
import pytest

from courierx_core.testing.dialogue import ServerOptions
from courierx_core.testing.smtp import SmtpServer
from tests.e2e.conftest import Platform

PEOPLE = ("ann@x.example", "bob@x.example", "cy@y.example")
FIELD = b"DKIM-Signature:"


@pytest.mark.parametrize("signs", [False, True], ids=["we sign", "the far side signs"])
def test_what_arrives_is_signed_by_its_senders_domain(
    assemble: Callable[..., Platform],
    smtp_transport: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    signs: bool,
) -> None:
    with SmtpServer(ServerOptions(keep="whole")) as server:
        transport = smtp_transport(server.url)
        traits = msgspec.structs.replace(transport.limits(), signs=signs)
        monkeypatch.setattr(transport, "limits", lambda: traits)
        platform = assemble(transport)
        texts = platform.published("acme.example")
        platform.people(*PEOPLE)
        with platform.worker():
            platform.finish(platform.start(html="<p>Hi {{ first_name }}</p>\n.\n<p>  two  spaces</p>"))
        mails = [each.content for each in server.received()]
    assert len(mails) == len(PEOPLE)
    assert [mail.count(FIELD) for mail in mails] == [0 if signs else 2] * len(mails)
    for mail in mails if not signs else ():
        for place in range(2):
            assert dkim.DKIM(mail).verify(place, dnsfunc=lambda name, timeout=5: texts[name[:-1]])
