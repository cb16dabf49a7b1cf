"""Events as SES publishes them: the shapes of its documentation, with our addresses and ids."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

PARTS: Mapping[str, str] = {
    "Send": "send", "Delivery": "delivery", "DeliveryDelay": "deliveryDelay", "Bounce": "bounce",
    "Complaint": "complaint", "Reject": "reject", "Rendering Failure": "failure", "Open": "open",
    "Click": "click", "Subscription": "subscription",
}  # fmt: skip


def stamp(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03}Z"


def event(
    name: str,
    at: datetime,
    *,
    send_id: str = "",
    provider_id: str = "0102018f-fake-000000",
    recipient: str = "ann@x.example",
    by: str = "eventType",
    **about: Any,
) -> dict[str, Any]:
    """Write an event; `about` are fields of its own object beside those it always has."""
    always: Mapping[str, Mapping[str, Any]] = {
        "Delivery": {
            "recipients": [recipient],
            "processingTimeMillis": 546,
            "smtpResponse": "250 2.6.0 Message received",
            "reportingMTA": "a8-53.smtp-out.amazonses.com",
        },
        "DeliveryDelay": {
            "delayType": "MailboxFull",
            "expirationTime": stamp(at),
            "delayedRecipients": [
                {"emailAddress": recipient, "status": "4.2.2", "diagnosticCode": "smtp; 452 4.2.2 full"}
            ],
        },
        "Bounce": {
            "feedbackId": "0100017-fake",
            "bounceType": "Permanent",
            "bounceSubType": "General",
            "bouncedRecipients": [
                {
                    "emailAddress": f"Ann <{recipient}>",
                    "action": "failed",
                    "status": "5.1.1",
                    "diagnosticCode": "smtp; 550 5.1.1 user unknown",
                }
            ],
        },
        "Complaint": {
            "feedbackId": "0100017-fake",
            "complainedRecipients": [{"emailAddress": recipient}],
            "complaintFeedbackType": "abuse",
            "userAgent": "Yahoo!-Mail-Feedback/2.0",
        },
        "Reject": {"reason": "Bad content"},
        "Rendering Failure": {"errorMessage": "Attribute 'x' is not present", "templateName": "t"},
        "Open": {"ipAddress": "192.0.2.1", "userAgent": "Mozilla/5.0"},
        "Click": {"ipAddress": "192.0.2.1", "userAgent": "Mozilla/5.0", "link": "https://acme.example/shop"},
        "Subscription": {
            "contactList": "all",
            "source": "UnsubscribeHeader",
            "newTopicPreferences": {"unsubscribeAll": True},
        },
    }
    mail: dict[str, Any] = {
        "timestamp": stamp(at),
        "messageId": provider_id,
        "source": "Acme <news@acme.example>",
        "sendingAccountId": "123456789012",
        "destination": [recipient],
        "headersTruncated": False,
        "headers": [{"name": "From", "value": "Acme <news@acme.example>"}],
        "tags": {"ses:configuration-set": ["courierx"]},
    }
    if send_id:
        mail["tags"]["courierx_send_id"] = [send_id]
        mail["headers"].append({"name": "X-CourierX-Send-ID", "value": send_id})
    timed = {} if name in ("Reject", "Rendering Failure", "Send") else {"timestamp": stamp(at)}
    part = PARTS.get(name, "thing")
    return {by: name, "mail": mail, part: {**always.get(name, {}), **timed, **about}}
