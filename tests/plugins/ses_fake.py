"""A small SES v2 for tests: it speaks the REST JSON of SendEmail, GetAccount and what `doctor` asks.

It rewrites what SES rewrites, and publishes events, as the recipient's name says: `bounce*`, `full*`,
`complaint*`, `delayed*` and `reject*` act so; everybody else gets the mail and opens it.
`test_ses_fake.py` holds it to botocore's own model of the service.
"""

from __future__ import annotations

import base64
import itertools
import json
import re
import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any, TypeAlias
from urllib.parse import unquote

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_der_private_key

from courierx_core.testing.http import HttpAnswer, HttpCall
from tests.plugins.http_fake import DeafPeer
from tests.plugins.ses_events import event

Fault: TypeAlias = Callable[[dict[str, Any]], HttpAnswer | None]
"""Decides one SendEmail by its body; None lets it through."""
SENDS = "/v2/email/outbound-emails"
EPOCH = datetime.now(timezone.utc).replace(microsecond=0) - timedelta(hours=1)
DROPPED = HttpAnswer(0)
"""What a fault answers to take the message and close the connection without a word."""
LOST = HttpAnswer(-1)
"""The same, and the message is not taken."""

STORIES: Mapping[str, tuple[str, ...]] = {
    "bounce": ("Send", "Bounce"), "full": ("Send", "DeliveryDelay", "Bounce"),
    "complaint": ("Send", "Delivery", "Complaint"), "delayed": ("Send", "DeliveryDelay", "Delivery"),
    "reject": ("Send", "Reject"), "": ("Send", "Delivery", "Open", "Click"),
}  # fmt: skip
FULL: Mapping[str, Any] = {"bounceType": "Transient", "bounceSubType": "MailboxFull"}
_REWRITTEN = re.compile(
    rb"^(?:Message-ID|Date|Return-Path):.*\r\n(?:[ \t].*\r\n)*", re.IGNORECASE | re.MULTILINE
)


class SesFake(DeafPeer):
    """Every SendEmail is in `sends`. Modes are DeafPeer's."""

    def __init__(self, fault: Fault | None = None) -> None:
        super().__init__(self._respond_as_ses)
        self.fault = fault
        self.account: dict[str, Any] = {
            "DedicatedIpAutoWarmupEnabled": False,
            "EnforcementStatus": "HEALTHY",
            "ProductionAccessEnabled": True,
            "SendQuota": {"Max24HourSend": 50_000.0, "MaxSendRate": 2000.0, "SentLast24Hours": 0.0},
            "SendingEnabled": True,
        }
        self.identities: dict[str, dict[str, Any]] = {}
        self.sets: dict[str, list[dict[str, Any]]] = {}
        self.accepted: list[dict[str, Any]] = []
        self.events: list[dict[str, Any]] = []
        """What was published, in order."""
        self.delivered: list[bytes] = []
        """The messages as recipients get them."""
        self.heard: Callable[[dict[str, Any]], None] | None = None
        """Is told the first two events of a mail before the answer to its request."""
        self._clock = itertools.count(1)
        self._taking = threading.Lock()
        self.asked: list[HttpCall] = []
        """Every request; `calls` has the sends alone."""

    @property
    def sends(self) -> list[dict[str, Any]]:
        return [json.loads(call.body) for call in self.calls if call.path == SENDS]

    def attempts(self) -> int:
        return len(self.sends)

    def raw(self, number: int = -1) -> bytes:
        """Return the message of an accepted SendEmail."""
        return base64.b64decode(self.accepted[number]["Content"]["Raw"]["Data"])

    def answer(self, call: HttpCall) -> HttpAnswer | None:
        self.asked.append(call)
        if call.path != SENDS:
            return self._respond_as_ses(call)
        answer = super().answer(call)
        return None if answer in (DROPPED, LOST) else answer

    def _respond_as_ses(self, call: HttpCall) -> HttpAnswer:
        path = unquote(call.path)
        if call.path == SENDS:
            return self._send(json.loads(call.body))
        if path == "/v2/email/account":
            return ok(self.account)
        if (call.method, path) == ("POST", "/v2/email/identities"):
            body = json.loads(call.body)
            return self._identify(body["EmailIdentity"], body.get("DkimSigningAttributes"))
        kind, _, name = path.removeprefix("/v2/email/").partition("/")
        name, _, part = name.partition("/")
        if kind == "identities" and name in self.identities:
            return self._change(self.identities[name], part, call.body) if part else ok(self.identities[name])
        if kind == "configuration-sets" and name in self.sets:
            return ok({"EventDestinations": self.sets[name]})
        return error(404, "NotFoundException", f"{name} does not exist.")

    def _change(self, identity: dict[str, Any], part: str, body: bytes) -> HttpAnswer:
        given = json.loads(body)
        if part == "mail-from":
            identity["MailFromAttributes"] = {**given, "MailFromDomainStatus": "PENDING"}
            return ok({})
        identity["DkimAttributes"] = _own_key(given["SigningAttributes"])
        return ok({"DkimStatus": "PENDING", "DkimTokens": identity["DkimAttributes"]["Tokens"]})

    def _identify(self, name: str, key: dict[str, str] | None = None) -> HttpAnswer:
        if name in self.identities:
            return error(400, "AlreadyExistsException", f"Email identity {name} already exist.")
        tokens = [f"token{number}{len(name)}" for number in range(3)]
        dkim = {
            "SigningEnabled": True,
            "Status": "PENDING",
            "Tokens": tokens,
            "SigningAttributesOrigin": "AWS_SES",
        }
        self.identities[name] = {
            "IdentityType": "DOMAIN", "VerifiedForSendingStatus": False,
            "DkimAttributes": _own_key(key) if key else dkim,
        }  # fmt: skip
        return ok(self.identities[name])

    def _send(self, body: dict[str, Any]) -> HttpAnswer:
        said = self.fault(body) if self.fault is not None else None
        if said is not None and said != DROPPED:
            return said
        with self._taking:
            self.accepted.append(body)
            provider_id = f"0102018{len(self.accepted):09x}-fake-000000"
            told = self._publish(body, provider_id)
        if self.heard is not None:
            for each in told[:2]:
                self.heard(each)
        return said or ok({"MessageId": provider_id})

    def _publish(self, body: dict[str, Any], provider_id: str) -> list[dict[str, Any]]:
        """Rewrite the message, and say what becomes of it, each event a second after the last."""
        raw = base64.b64decode(body["Content"]["Raw"]["Data"])
        head, gap, rest = raw.partition(b"\r\n\r\n")
        own = (
            f"Message-ID: <{provider_id}@eu-central-1.amazonses.com>\r\nDate: Mon, 2 Mar 2026 10:00:00 +0000"
        )
        kept = _REWRITTEN.sub(b"", head + b"\r\n")
        self.delivered.append(kept + own.encode() + gap + rest)
        (recipient,) = body["Destination"]["ToAddresses"]
        tags = {tag["Name"]: tag["Value"] for tag in body["EmailTags"]}
        kind = next(name for name in STORIES if recipient.startswith(name))
        told = [
            event(
                name,
                EPOCH + timedelta(seconds=next(self._clock)),
                send_id=tags["courierx_send_id"],
                provider_id=provider_id,
                recipient=recipient,
                **(FULL if (kind, name) == ("full", "Bounce") else {}),
            )
            for name in STORIES[kind]
        ]
        self.events += told
        return told


def _own_key(given: Mapping[str, str]) -> dict[str, Any]:
    key = load_der_private_key(base64.b64decode(given["DomainSigningPrivateKey"]), None)
    assert isinstance(key, RSAPrivateKey)
    assert 1024 <= key.key_size <= 2048  # or SES refuses it
    return {
        "SigningEnabled": True, "Status": "PENDING", "Tokens": [given["DomainSigningSelector"]],
        "SigningAttributesOrigin": "EXTERNAL",
    }  # fmt: skip


def ok(body: dict[str, Any]) -> HttpAnswer:
    return HttpAnswer(200, json.dumps(body).encode(), (("Content-Type", "application/json"),))


def error(status: int, code: str, message: str) -> HttpAnswer:
    """Answer as SES does when it refuses: the code is in a header, the words in the body."""
    headers = (("x-amzn-ErrorType", code), ("Content-Type", "application/json"))
    return HttpAnswer(status, json.dumps({"message": message}).encode(), headers)
