"""What SpamAssassin, without asking anybody, makes of the demonstration's campaign."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from courierx_app.demo import HTML, TEXT
from courierx_core.audience.model import NewSubscriber
from courierx_core.testing.smtp import SmtpServer
from courierx_core.testing.smtpd import ServerOptions
from tests.e2e.conftest import Platform
from tests.interop.debian import Tree

SCORE_MAX = 2.0
"""5.0 and more is spam."""


def test_the_demonstration_is_no_spam(
    tree: Tree, assemble: Callable[..., Platform], smtp_transport: Callable[..., Any]
) -> None:
    with SmtpServer(ServerOptions(keep="whole")) as server:
        platform = assemble(smtp_transport(server.url))
        person = NewSubscriber("ann@x.example", "Ann", "7", {"city": "Bern", "plan": "pro"})
        with platform.courier.store.begin(platform.tenant_id) as unit:
            unit.subscribers.import_rows([person])
        campaign_id = platform.start(subject="News for {{ first_name }}", html=HTML, text=TEXT)
        with platform.worker():
            platform.finish(campaign_id)
        (mail,) = server.received()
    told = tree.run("perl", "-T", "/usr/bin/spamassassin", "--local", "--test-mode", given=mail.content)
    score = re.search(r"^X-Spam-Status: \w+, score=(-?[\d.]+)", told, re.MULTILINE)
    assert score, told
    assert float(score[1]) < SCORE_MAX, told
