"""The records with which SES signs for a domain (Easy DKIM)."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from courierx_core.ports.transport import TransportDown
from courierx_ses.verdicts import parts

ZONE = "dkim.amazonses.com"


def easy_dkim(client: Any, domain: str) -> list[tuple[str, str]]:
    """Return name and target of each CNAME of the domain's identity, which is made if there is none. An
    identity with a key of its owner's (BYODKIM) wants none. Raises TransportDown."""
    try:
        try:
            told = client.get_email_identity(EmailIdentity=domain)
        except ClientError as error:
            if parts(error)[0] != 404:
                raise
            told = client.create_email_identity(EmailIdentity=domain)
    except (ClientError, BotoCoreError) as error:
        raise TransportDown(f"the identity {domain} cannot be asked about: {error}") from error
    dkim = told.get("DkimAttributes", {})
    if dkim.get("SigningAttributesOrigin", "AWS_SES") == "EXTERNAL":
        return []
    zone = dkim.get("SigningHostedZone") or ZONE
    return [(f"{token}._domainkey.{domain}", f"{token}.{zone}") for token in dkim.get("Tokens", ())]
