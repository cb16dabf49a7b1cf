"""The identity of a sender domain in SES: who signs for it, its MAIL FROM, its records."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from courierx_core.ports.transport import DomainKey, RecordWanted, TransportDown
from courierx_ses.config import SesConfig
from courierx_ses.verdicts import parts

ZONE = "dkim.amazonses.com"
SPF = "v=spf1 include:amazonses.com ~all"


def records_of(
    client: Any, config: SesConfig, domain: str, key: Callable[[], DomainKey]
) -> list[RecordWanted]:
    """Make the identity if there is none, and as the settings say; return what SES looks for in the DNS.
    Raises TransportDown."""
    own = key() if config.dkim == "own" else None
    try:
        identity = _identity(client, domain, own)
        return [*_signing(client, domain, identity, own), *_mail_from(client, config, domain, identity)]
    except (ClientError, BotoCoreError) as error:
        raise TransportDown(f"the identity {domain} cannot be asked about: {error}") from error


def _identity(client: Any, domain: str, own: DomainKey | None) -> Mapping[str, Any]:
    try:
        found: Mapping[str, Any] = client.get_email_identity(EmailIdentity=domain)
    except ClientError as error:
        if parts(error)[0] != 404:
            raise
        key = {"DkimSigningAttributes": _attributes(own)} if own else {}
        found = client.create_email_identity(EmailIdentity=domain, **key)
    return found


def _signing(
    client: Any, domain: str, identity: Mapping[str, Any], own: DomainKey | None
) -> list[RecordWanted]:
    """Have SES sign with our key once that is published, so that no mail goes out unsigned in between;
    return the records of Easy DKIM while it does not. A key of its owner's (BYODKIM) wants none of SES."""
    dkim = identity.get("DkimAttributes", {})
    is_external = dkim.get("SigningAttributesOrigin", "AWS_SES") == "EXTERNAL"
    if own and own.published and (not is_external or dkim.get("Tokens") != [own.selector]):
        client.put_email_identity_dkim_signing_attributes(
            EmailIdentity=domain, SigningAttributesOrigin="EXTERNAL", SigningAttributes=_attributes(own)
        )
        is_external = True
    if is_external:
        return []
    zone = dkim.get("SigningHostedZone") or ZONE
    return [
        RecordWanted("CNAME", f"{token}._domainkey.{domain}", f"{token}.{zone}")
        for token in dkim.get("Tokens", ())
    ]


def _mail_from(
    client: Any, config: SesConfig, domain: str, identity: Mapping[str, Any]
) -> list[RecordWanted]:
    """Give the identity the MAIL FROM of the settings; return its records, or those of one it had before."""
    present = identity.get("MailFromAttributes", {}).get("MailFromDomain", "")
    name = f"{config.mail_from}.{domain}" if config.mail_from else present
    if name != present:
        client.put_email_identity_mail_from_attributes(
            EmailIdentity=domain,
            MailFromDomain=name,
            BehaviorOnMxFailure="USE_DEFAULT_VALUE",  # its own, as long as ours leads nowhere
        )
    if not name:
        return []
    return [
        RecordWanted("MX", name, f"10 feedback-smtp.{config.region}.amazonses.com"),
        RecordWanted("TXT", name, SPF),
    ]


def _attributes(key: DomainKey) -> dict[str, str]:
    return {"DomainSigningSelector": key.selector, "DomainSigningPrivateKey": key.private.reveal()}
