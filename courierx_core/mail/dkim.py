"""DKIM signatures of finished messages: relaxed/relaxed, no `l=` (RFC 6376, RFC 8463)."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, TypeAlias

import msgspec

if TYPE_CHECKING:
    from courierx_core.mail.dkim_key import Algorithm, PrivateKey

SIGNED = (
    b"from", b"to", b"cc", b"reply-to", b"subject", b"date", b"message-id", b"mime-version", b"content-type",
    b"content-transfer-encoding", b"list-id", b"list-unsubscribe", b"list-unsubscribe-post", b"feedback-id",
    b"auto-submitted", b"x-courierx-send-id",
)  # fmt: skip
OVERSIGNED = frozenset({b"from", b"to", b"subject", b"reply-to", b"content-type"})
"""Named once more than they occur, so that nobody can add a second one (RFC 6376 section 8.15)."""
COLUMNS = 72
_WANTED = frozenset(SIGNED)

_Sign: TypeAlias = Callable[[bytes], bytes]


class SigningKey(msgspec.Struct, frozen=True):
    """A key and the selector that its public half is published under."""

    selector: str
    algorithm: Algorithm
    private: PrivateKey


class Signer:
    """Signs for one domain with each of its keys. Made once for a message; any thread may use it."""

    def __init__(self, domain: str, keys: Sequence[SigningKey]) -> None:
        self._ways = [(_start(domain, key), _signing(key)) for key in keys]

    def sign(self, mime: bytes, now: int) -> bytes:
        """Return a signature field for each key, to stand before the message; `now` is in seconds since
        1970. The message has CRLF line ends alone."""
        head, _, body = mime.partition(b"\r\n\r\n")
        names, fields = _chosen(_relaxed_fields(head))
        digest = b64encode(sha256(relaxed_body(body)).digest())
        rest = b" t=%d; h=%s;\r\n bh=%s;\r\n b=" % (now, _listed(names), digest)
        return b"".join(_signature(start + rest, fields, sign) for start, sign in self._ways)


def relaxed_body(body: bytes) -> bytes:
    """Bring a body to the form that is hashed (RFC 6376 section 3.4.4).

    Replacing whole is many times as fast as an expression: 5 KB take 5 us, and 8 spaces 3 rounds.
    """
    body = _squeezed(body).replace(b" \r\n", b"\r\n")
    body = body.rstrip(b"\r\n ")
    return body + b"\r\n" if body else b""


def _relaxed_fields(head: bytes) -> Mapping[bytes, list[bytes]]:
    """Return the fields by name in the form that is signed (RFC 6376 section 3.4.2)."""
    fields: dict[bytes, list[bytes]] = {}
    for line in head.replace(b"\r\n ", b" ").replace(b"\r\n\t", b" ").split(b"\r\n"):
        name, _, value = line.partition(b":")
        name = name.rstrip(b" \t").lower()
        if name in _WANTED:
            fields.setdefault(name, []).append(b"%s:%s\r\n" % (name, _squeezed(value).strip(b" ")))
    return fields


def _chosen(fields: Mapping[bytes, list[bytes]]) -> tuple[list[bytes], bytes]:
    """Return what `h=` names, and what that covers: of several of a name the last comes first."""
    names: list[bytes] = []
    lines: list[bytes] = []
    for name in SIGNED:
        found = fields.get(name, ())
        names += [name] * (len(found) + (name in OVERSIGNED))
        lines += reversed(found)
    return names, b"".join(lines)


def _listed(names: Sequence[bytes]) -> bytes:
    lines, line = [], b""
    for name in names:
        if len(line) + len(name) >= COLUMNS:
            lines.append(line)
            line = b""
        line += name + b":"
    return b"\r\n ".join([*lines, line])[:-1]


def _start(domain: str, key: SigningKey) -> bytes:
    start = (
        f"DKIM-Signature: v=1; a={key.algorithm}-sha256; c=relaxed/relaxed; d={domain};\r\n s={key.selector};"
    )
    return start.encode("ascii")


def _signing(key: SigningKey) -> _Sign:
    if key.algorithm == "rsa":
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
        from cryptography.hazmat.primitives.hashes import SHA256

        return partial(key.private.sign, padding=PKCS1v15(), algorithm=SHA256())  # type: ignore[call-arg]

    def sign(data: bytes) -> bytes:
        # RFC 8463 section 3: what Ed25519 signs is the hash.
        return key.private.sign(sha256(data).digest())  # type: ignore[call-arg]

    return sign


def _signature(field: bytes, signed: bytes, sign: _Sign) -> bytes:
    """Sign the fields and, last and without its line end, the signature's own field with an empty `b=`."""
    own = b"dkim-signature:" + field.partition(b": ")[2].replace(b"\r\n ", b" ")
    text = b64encode(sign(signed + own))
    lines = [text[at : at + COLUMNS] for at in range(0, len(text), COLUMNS)]
    return field + b"\r\n ".join(lines) + b"\r\n"


def _squeezed(data: bytes) -> bytes:
    """Make each run of spaces and tabs one space."""
    if b"\t" in data:
        data = data.replace(b"\t", b" ")
    while b"  " in data:
        data = data.replace(b"  ", b" ")
    return data
