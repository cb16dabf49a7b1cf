"""Settings of Amazon SES: the account, how we send, and what we believe of SNS."""

from __future__ import annotations

import re
from typing import Annotated, Literal, TypeAlias

from msgspec import Meta

from courierx_core.domains.records import BOUNCES
from courierx_core.ports.driver import Config, Secret

Seconds: TypeAlias = Annotated[float, Meta(gt=0)]
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_TENANT_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


class AwsConfig(Config, frozen=True, kw_only=True):
    """An AWS account. Without keys boto3 finds its own: a task's or an instance's role, a profile."""

    access_key_id: Annotated[str, Meta(extra={"env": "AWS_ACCESS_KEY_ID"})] = ""
    secret_access_key: Annotated[Secret, Meta(extra={"env": "AWS_SECRET_ACCESS_KEY"})] = Secret("")
    session_token: Annotated[Secret, Meta(extra={"env": "AWS_SESSION_TOKEN"})] = Secret("")
    region: Annotated[str, Meta(extra={"env": "AWS_REGION_NAME"})] = "ap-southeast-2"

    def __post_init__(self) -> None:
        if bool(self.access_key_id) != bool(self.secret_access_key):
            raise ValueError(
                "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY belong together: set both, or neither to use "
                "the role of this machine"
            )


class SesConfig(AwsConfig, frozen=True, kw_only=True):
    """An SES account in one region, and how much is asked of it at once."""

    endpoint_url: Annotated[str, Meta(extra={"env": "AWS_ENDPOINT_URL_SESV2"})] = ""
    """Another address than Amazon's own, for a private endpoint or a test."""
    configuration_set: Annotated[str, Meta(extra={"env": "SES_CONFIGURATION_SET"})] = ""
    """What publishes events to SNS."""
    sender_email: Annotated[str, Meta(extra={"env": "SES_SENDER_EMAIL"})] = ""
    """The From whose identity `courierx doctor` looks up."""
    tenant: Annotated[str, Meta(extra={"env": "SES_TENANT_NAME"}, examples=["courierx-{tenant_id}"])] = ""
    """The SES tenant that mail is sent for; `{tenant_id}` becomes the number of ours. Unset: none."""
    dkim: Annotated[Literal["easy", "own"], Meta(extra={"env": "SES_DKIM"})] = "easy"
    """Whose key SES signs with: one of its own, by three CNAMEs (easy); or the sender domain's, which signs
    over other transports too and needs no records but ours (own)."""
    mail_from: Annotated[str, Meta(extra={"env": "SES_MAIL_FROM"}, examples=["ses"])] = ""
    """The label below each sender domain that is its MAIL FROM, which aligns SPF. Unset: Amazon's."""
    per_second: Annotated[int, Meta(ge=0)] = 0
    """Messages per second at most; 0 takes what SES allows the account."""
    max_concurrency: Annotated[int, Meta(ge=1, le=200)] = 20
    """Requests in flight at most; SES answers in 50-100 ms."""
    connect_seconds: Seconds = 10.0
    answer_seconds: Seconds = 60.0
    """How long to wait for an answer. Giving up early makes uncertainty: SES may have taken the message."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.tenant and not _TENANT_NAME.fullmatch(self.tenant_name(1)):
            raise ValueError(
                f"tenant is {self.tenant!r}; it takes 64 letters, digits, - and _ at most, and {{tenant_id}}"
            )
        if (self.mail_from and not _LABEL.fullmatch(self.mail_from)) or self.mail_from == BOUNCES:
            raise ValueError(
                f"mail_from is {self.mail_from!r}; it takes one label such as ses, but not {BOUNCES}, where "
                "bounces come to CourierX"
            )

    def tenant_name(self, tenant_id: int) -> str:
        """Return the SES tenant of one of ours, '' for none."""
        return self.tenant.replace("{tenant_id}", str(tenant_id))
