"""Amazon SNS for tests: a certificate of its own, and notifications that it signs."""

from __future__ import annotations

import base64
import functools
import json
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import uuid4

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID

REGION = "eu-central-1"
TOPIC = f"arn:aws:sns:{REGION}:123456789012:courierx"
HOST = f"https://sns.{REGION}.amazonaws.com"
CERTIFICATE = f"{HOST}/SimpleNotificationService-{'0123456789abcdef' * 2}.pem"
HANDSHAKES = ("SubscriptionConfirmation", "UnsubscribeConfirmation")


@functools.cache
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def certificate(now: datetime, of: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | None = None) -> bytes:
    """Return a certificate that is valid for a month around a time."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key((of or key()).public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=15))
        .not_valid_after(now + timedelta(days=15))
        .sign(key(), hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM)


def notification(
    message: str | Mapping[str, Any] = "",
    *,
    at: datetime | None = None,
    version: str = "2",
    by: rsa.RSAPrivateKey | None = None,
    **fields: str,
) -> dict[str, str]:
    """Write what SNS would post, signed; `fields` replace its own, before it is signed."""
    at = at or datetime.now(timezone.utc)
    told = {
        "Type": "Notification",
        "MessageId": str(uuid4()),
        "TopicArn": TOPIC,
        "Message": message if isinstance(message, str) else json.dumps(message),
        "Timestamp": at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03}Z",
        **fields,
    }
    if told["Type"] in HANDSHAKES:
        told = {"Token": "2336412f37", "SubscribeURL": f"{HOST}/?Action=ConfirmSubscription", **told}
    return {
        **told,
        "SignatureVersion": version,
        "SigningCertURL": CERTIFICATE,
        **signature(told, version, by),
    }


def signature(
    told: Mapping[str, str], version: str = "2", by: rsa.RSAPrivateKey | None = None
) -> dict[str, str]:
    """Sign as Amazon describes it: the fields by name, each on two lines."""
    names = ["Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
    if told["Type"] not in HANDSHAKES:
        names = [name for name in names if name not in ("SubscribeURL", "Token")]
    text = "".join(f"{name}\n{told[name]}\n" for name in names if name in told).encode()
    algorithm = hashes.SHA1() if version == "1" else hashes.SHA256()
    return {"Signature": base64.b64encode((by or key()).sign(text, padding.PKCS1v15(), algorithm)).decode()}


class Amazon:
    """What stands at Amazon's hosts: the one certificate, and the confirmation of subscriptions.

    Give `fetch` to a source in the place of its own; `asked` is every URL in order.
    """

    def __init__(self, now: datetime | None = None) -> None:
        self.asked: list[str] = []
        self.certificate = certificate(now or datetime.now(timezone.utc))
        self.down = False

    def fetch(self, url: str) -> bytes:
        self.asked.append(url)
        if self.down:
            raise OSError("timed out")
        if url == CERTIFICATE:
            return self.certificate
        if url.startswith(f"{HOST}/?Action=ConfirmSubscription&"):
            return b"<ConfirmSubscriptionResponse/>"
        raise OSError("the answer is 404")
