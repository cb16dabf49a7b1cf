"""What signs a message: the keys of its sender's domain, decrypted and loaded once."""

from __future__ import annotations

from courierx_core.courier import Courier
from courierx_core.domains import service
from courierx_core.domains.keys import loaded, opened
from courierx_core.domains.model import SenderDomain, signing
from courierx_core.mail.address import split_address
from courierx_core.mail.dkim import Signer, SigningKey
from courierx_core.messages.model import Message
from courierx_core.ports.store import UnitOfWork


def domain_of(unit: UnitOfWork, message: Message) -> SenderDomain | None:
    """Return the sender domain that a message's From belongs to."""
    return service.domain_of(unit, split_address(message.content.from_email).domain)


def signer_of(courier: Courier, domain: SenderDomain | None) -> Signer | None:
    """Return what signs mail of a domain; None where that has no published key.

    Raises ConfigError where the keys were encrypted under another secret.
    """
    keys = signing(domain.keys) if domain else ()
    if domain is None or not keys:
        return None
    private = opened(courier.secrets, domain)
    ready = [SigningKey(key.selector, key.algorithm, loaded(private[key.selector])) for key in keys]
    return Signer(domain.domain, ready)
