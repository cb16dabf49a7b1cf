"""A campaign through a provider's API: what its events say of mail whose answer was lost settles it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

from courierx_core import HttpRequest, Runtime, Secret
from courierx_core.feedback.service import receive
from courierx_core.testing.http import HttpAnswer, HttpCall, HttpPeer
from courierx_providers.postmark import PostmarkConfig, PostmarkTransport
from courierx_providers.postmark_feedback import PostmarkFeedback
from tests.e2e.conftest import Platform

STORIES: dict[str, dict[str, Any]] = {
    "ann": {"RecordType": "Delivery", "Details": "250 OK"},
    "lost": {"RecordType": "Delivery", "Details": "250 OK"},
    "bounce": {"RecordType": "Bounce", "Type": "HardBounce", "ID": 1, "Details": "550 5.1.1 no such user"},
}


def answer(call: HttpCall) -> HttpAnswer:
    """Take every message; the answer about `lost` is an error that says nothing."""
    to = json.loads(call.body)["To"]
    if to.startswith("inactive"):
        return HttpAnswer(422, b'{"ErrorCode":406,"Message":"You tried to send to an inactive recipient."}')
    return HttpAnswer(
        500 if to.startswith("lost") else 200, b'{"ErrorCode":0,"MessageID":"id-%s"}' % to.encode()
    )


def test_a_campaign_ends_as_the_provider_says(assemble: Callable[..., Platform]) -> None:
    with HttpPeer(answer) as peer:
        config = PostmarkConfig(url=peer.url, server_token=Secret("t"), webhook_password=Secret("pw"))
        platform = assemble(PostmarkTransport("smtp", config, Runtime()))  # the name that its drafts choose
        platform.people("ann@x.example", "lost@x.example", "bounce@x.example", "inactive@x.example")
        campaign = platform.start()
        with platform.worker():
            platform.finish(campaign)
        calls = [json.loads(call.body) for call in peer.calls]
    assert platform.report(campaign).states == {"accepted": 2, "uncertain": 1, "bounced": 1}
    assert {name for call in calls for name in (pair["Name"] for pair in call["Headers"])} >= {
        "List-Unsubscribe", "List-Unsubscribe-Post", "X-CourierX-Send-ID",
    }  # fmt: skip
    source = PostmarkFeedback("smtp", config, Runtime())
    for call in calls:
        if story := STORIES.get(call["To"].partition("@")[0]):
            at = platform.courier.runtime.now().isoformat()
            event = {**story, "Recipient": call["To"], "DeliveredAt": at, "Metadata": call["Metadata"]}
            hear(platform, source, event)
            hear(platform, source, event)  # Postmark says it again where our answer was lost
    assert platform.report(campaign).states == {"delivered": 2, "bounced": 2}


def hear(platform: Platform, source: PostmarkFeedback, event: dict[str, Any]) -> None:
    """Take an event in as POST /events/NAME does."""
    proof = {"authorization": "Basic " + base64.b64encode(b"courierx:pw").decode()}
    request = HttpRequest(
        method="POST", path="/events/smtp", query={}, headers=proof, body=json.dumps(event).encode()
    )
    source.verify(request)
    receive(platform.courier, source.name, list(source.parse(request)))
