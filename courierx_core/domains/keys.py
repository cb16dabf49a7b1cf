"""The private halves of a domain's keys: made, sealed at rest, opened to sign."""

from __future__ import annotations

import secrets
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import TYPE_CHECKING, get_args

import msgspec

from courierx_core.domains.model import DkimKey, SenderDomain, signing
from courierx_core.mail import dkim_key
from courierx_core.mail.dkim_key import Algorithm
from courierx_core.ports.driver import Secret
from courierx_core.ports.transport import DomainKey
from courierx_core.secrets import SecretBox

if TYPE_CHECKING:
    from courierx_core.mail.dkim_key import PrivateKey


class NewKeys(msgspec.Struct, frozen=True):
    """A key of each algorithm, of no domain yet; the private ones by selector."""

    public: tuple[DkimKey, ...]
    private: Mapping[str, Secret]


def new_keys() -> NewKeys:
    """Make keys under selectors that are drawn: another tenant may have the same domain here. RSA takes
    about 0.1 s, so do it before a transaction."""
    word = f"cx{secrets.token_hex(4)}"
    keys, private = [], {}
    algorithms: tuple[Algorithm, ...] = get_args(Algorithm)
    for algorithm in algorithms:
        selector = f"{word}{algorithm[0]}"
        made, public = dkim_key.generate(algorithm)
        private[selector] = Secret(b64encode(made).decode("ascii"))
        keys.append(DkimKey(selector=selector, algorithm=algorithm, public=public))
    return NewKeys(tuple(keys), private)


def sealed(box: SecretBox, private: Mapping[str, Secret]) -> bytes:
    """Encrypt private keys for the database."""
    kept = {selector: secret.reveal() for selector, secret in private.items()}
    return box.encrypt(msgspec.json.encode(kept))


def opened(box: SecretBox, domain: SenderDomain) -> dict[str, Secret]:
    """Decrypt the private keys of a domain, by selector. Raises ConfigError where the secret is another."""
    kept = msgspec.json.decode(box.decrypt(domain.secret), type=dict[str, str])
    return {key.selector: Secret(kept[key.selector]) for key in domain.keys}


def signing_key(box: SecretBox, domain: SenderDomain) -> DomainKey:
    """Open the RSA key that signs, or the newest one while none is published. Raises ConfigError."""
    keys = [key for key in signing(domain.keys) or domain.keys if key.algorithm == "rsa"]
    key = max(keys, key=lambda key: key.generation)
    return DomainKey(
        selector=key.selector, private=opened(box, domain)[key.selector], published=key.published
    )


def loaded(secret: Secret) -> PrivateKey:
    return dkim_key.load(b64decode(secret.reveal()))
