"""A notification of Amazon SNS as it comes over HTTP, and whether Amazon signed it. No SDK, no I/O.

Amazon's own validators believe hosts such as `sns.s3-us-west-2.amazonaws.com`, which anyone may have: here
the certificate's host is the one that the topic's region has, or nothing is asked of anybody.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import TypeAlias
from urllib.parse import urlencode

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from courierx_core import Forbidden, InvalidInput

MAX_BYTES = 1 << 20
"""SNS carries 256 KB, which JSON may make longer."""
TOPIC = re.compile(
    r"arn:(aws|aws-cn|aws-us-gov):sns:([a-z]{2}(?:-[a-z]{2,12}){1,3}-\d{1,2}):\d{12}:[\w-]{1,256}(?:\.fifo)?",
    re.ASCII,
)
_CERTIFICATE_PATH = re.compile(r"/SimpleNotificationService-[0-9a-f]{32}\.pem")
_HASHES: Mapping[str, hashes.HashAlgorithm] = {"1": hashes.SHA1(), "2": hashes.SHA256()}  # noqa: S303
_NOTIFICATION = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
_HANDSHAKE = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")

Fetch: TypeAlias = Callable[[str], bytes]
"""Get an https URL of Amazon's. Raises OSError."""


class SnsMessage(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """The fields of a notification; '' is one that it lacks."""

    type: str = ""
    message_id: str = ""
    topic_arn: str = ""
    timestamp: str = ""
    message: str = ""
    subject: str | None = None
    token: str = ""
    subscribe_url: str = msgspec.field(default="", name="SubscribeURL")
    signature: str = ""
    signature_version: str = ""
    signing_cert_url: str = msgspec.field(default="", name="SigningCertURL")

    @property
    def is_handshake(self) -> bool:
        return self.type in ("SubscriptionConfirmation", "UnsubscribeConfirmation")

    @property
    def at(self) -> datetime:
        """When SNS made it; the year 1 where it does not say."""
        try:
            found = datetime.fromisoformat(self.timestamp)
        except ValueError:
            return datetime.min.replace(tzinfo=timezone.utc)
        return found if found.tzinfo else found.replace(tzinfo=timezone.utc)


def read(body: bytes) -> SnsMessage:
    """Read the body of a request. Raises InvalidInput on what is no JSON object of texts."""
    if len(body) > MAX_BYTES:
        raise InvalidInput.of("", "too_large", f"has {len(body)} bytes; SNS sends {MAX_BYTES} at most")
    try:
        return msgspec.json.decode(body, type=SnsMessage)
    except (ValueError, RecursionError) as problem:
        raise InvalidInput.of("", "invalid", f"is no SNS message: {problem}") from None


def signed_bytes(message: SnsMessage) -> bytes:
    """Return what SNS signs of it."""
    given = msgspec.to_builtins(message)
    names = _HANDSHAKE if message.is_handshake else _NOTIFICATION
    lines = (f"{name}\n{given[name]}\n" for name in names if given[name] is not None)
    return "".join(lines).encode("utf-8", "replace")


def host_of(topic_arn: str) -> str:
    """Return the host of a topic's region. Raises Forbidden where that is no topic's name."""
    found = TOPIC.fullmatch(topic_arn)
    if not found:
        raise Forbidden(f"{topic_arn[:300]!r} is no SNS topic.")
    return f"sns.{found[2]}.amazonaws.com" + (".cn" if found[1] == "aws-cn" else "")


def check_signature(message: SnsMessage, fetch: Fetch, now: datetime) -> None:
    """Raise Forbidden unless Amazon signed it, with a certificate of the topic's region that is valid now.

    Nothing is fetched before everything that can be seen without is right.
    """
    algorithm = _HASHES.get(message.signature_version)
    if algorithm is None or not message.signature:
        raise Forbidden("The notification has no signature of version 1 or 2; is raw delivery on?")
    try:
        signature = base64.b64decode(message.signature, validate=True)
    except (binascii.Error, ValueError):
        raise Forbidden("The notification's signature is no base64.") from None
    start, url = f"https://{host_of(message.topic_arn)}", message.signing_cert_url
    if not (url.startswith(start) and _CERTIFICATE_PATH.fullmatch(url[len(start) :])):
        raise Forbidden(f"SigningCertURL is not a certificate at {start}.")
    key = _key_of(url, fetch, now)
    try:
        key.verify(signature, signed_bytes(message), padding.PKCS1v15(), algorithm)
    except InvalidSignature:
        raise Forbidden("The notification's signature does not verify.") from None


def _key_of(url: str, fetch: Fetch, now: datetime) -> rsa.RSAPublicKey:
    try:
        certificate = x509.load_pem_x509_certificate(fetch(url))
        key = certificate.public_key()
    except (OSError, ValueError) as problem:
        raise Forbidden(f"The certificate {url} cannot be had: {problem}") from None
    if not isinstance(key, rsa.RSAPublicKey):
        raise Forbidden(f"The certificate {url} has no RSA key.")
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        raise Forbidden(f"The certificate {url} is not valid now.")
    return key


def confirmation_url(message: SnsMessage) -> str:
    """Return the URL of ConfirmSubscription, made by us: SubscribeURL is somebody's text."""
    asked = {"Action": "ConfirmSubscription", "TopicArn": message.topic_arn, "Token": message.token}
    return f"https://{host_of(message.topic_arn)}/?{urlencode({**asked, 'Version': '2010-03-31'})}"
