"""DKIM keys: made, written as the record that publishes them, and told from other people's (RFC 6376
section 3.6.1, RFC 8463)."""

from __future__ import annotations

import re
from base64 import b64encode
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    PrivateKey: TypeAlias = RSAPrivateKey | Ed25519PrivateKey

Algorithm: TypeAlias = Literal["rsa", "ed25519"]

RSA_BITS = 2048
"""What every receiver takes; 4096 does not fit some DNS hosts, and costs five times as much."""
_TAG = re.compile(r"\s*([A-Za-z][A-Za-z0-9_]*)\s*=\s*([^;]*?)\s*(?:;|$)", re.DOTALL)


def generate(algorithm: Algorithm) -> tuple[bytes, str]:
    """Make a key; return the private one as PKCS #8 and the public one as a record's `p=`. RSA takes
    about 0.1 s."""
    # cryptography takes 50 ms to import, and most processes sign nothing
    from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
        PublicFormat,
    )

    if algorithm == "rsa":
        key: PrivateKey = rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS)
        public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    else:
        key = ed25519.Ed25519PrivateKey.generate()
        public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    private = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return private, b64encode(public).decode("ascii")


def load(private: bytes) -> PrivateKey:
    """Read what `generate` made."""
    from cryptography.hazmat.primitives.serialization import load_der_private_key

    key: PrivateKey = load_der_private_key(private, password=None)  # type: ignore[assignment]
    return key


def record(algorithm: Algorithm, public: str) -> str:
    """Write the TXT record."""
    return f"v=DKIM1; k={algorithm}; p={public}"


def publishes(text: str, public: str) -> bool:
    """Tell whether a TXT record publishes this public key, however it is spaced."""
    tags = {name: "".join(value.split()) for name, value in _TAG.findall(text)}
    return tags.get("v", "DKIM1") == "DKIM1" and tags.get("p") == public
