"""The feedback source `sns`: SES's events, as SNS brings them to POST /events/sns."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import timedelta
from typing import Annotated, Any, ClassVar

from msgspec import Meta

from courierx_core import (
    Config,
    ConfigError,
    Feedback,
    FeedbackSource,
    Forbidden,
    HttpReply,
    HttpRequest,
    Problem,
    Runtime,
)
from courierx_ses import fetching, sns
from courierx_ses.events import feedback_of

log = logging.getLogger("courierx_ses")

FRESH = timedelta(days=1)
"""SNS tries for an hour. A replay within a day changes nothing, because events are applied once."""
AHEAD = timedelta(minutes=15)
"""How wrong our own clock may be."""


class SnsConfig(Config, frozen=True, kw_only=True):
    """Which topics are believed, and of whose mail they may speak."""

    allowed_topic_arns: Annotated[
        tuple[str, ...],
        Meta(
            extra={"env": "SNS_ALLOWED_TOPIC_ARNS"},
            examples=["arn:aws:sns:eu-central-1:123456789012:courierx"],
        ),
    ] = ()
    """The topics to believe. None: every topic in development, and no other elsewhere."""
    verify_signatures: Annotated[bool, Meta(extra={"env": "SNS_VERIFY_SIGNATURES"})] = True
    skip_signature_verification: Annotated[bool, Meta(extra={"env": "SNS_SKIP_SIGNATURE_VERIFICATION"})] = (
        False
    )
    signature_timeout_seconds: Annotated[
        float, Meta(gt=0, extra={"env": "SNS_SIGNATURE_TIMEOUT_SECONDS"})
    ] = 5.0
    """How long Amazon is waited for, when a certificate is fetched or a subscription confirmed."""
    tenant_id: Annotated[int, Meta(ge=0)] = 0
    """The only tenant of whose mail these topics may speak; 0 is any."""

    def __post_init__(self) -> None:
        for arn in self.allowed_topic_arns:
            if not sns.TOPIC.fullmatch(arn):
                raise ValueError(
                    f"SNS_ALLOWED_TOPIC_ARNS: {arn!r} is no topic, arn:aws:sns:REGION:ACCOUNT:NAME"
                )

    @property
    def verifies(self) -> bool:
        return self.verify_signatures and not self.skip_signature_verification


class SnsFeedback(FeedbackSource[SnsConfig]):
    Config: ClassVar[type[Any]] = SnsConfig

    def __init__(self, name: str, config: SnsConfig, runtime: Runtime) -> None:
        super().__init__(name, config, runtime)
        if runtime.environment != "development" and not config.verifies:
            raise ConfigError(
                "SNS_VERIFY_SIGNATURES must be true and SNS_SKIP_SIGNATURE_VERIFICATION false with "
                f"ENVIRONMENT={runtime.environment}: anyone could report bounces"
            )
        self.fetch: sns.Fetch = lambda url: fetching.get(url, config.signature_timeout_seconds)
        self._certificates = fetching.Kept(lambda url: self.fetch(url))

    @property
    def tenant_id(self) -> int | None:
        return self.config.tenant_id or None

    def verify(self, request: HttpRequest) -> None:
        if request.headers.get("x-amz-sns-rawdelivery", "") == "true":
            raise Forbidden("Raw delivery is not signed: switch it off in the subscription.")
        if not request.body:
            raise Forbidden("There is no notification.")
        told = sns.read(request.body)
        self._require_topic(told.topic_arn)
        if not self.config.verifies:
            return
        if not -AHEAD <= self.runtime.now() - told.at <= FRESH:
            raise Forbidden(f"The notification is of {told.timestamp[:40]!r}: too old, or of the future.")
        sns.check_signature(told, self._certificates, self.runtime.now())

    def answer(self, request: HttpRequest) -> HttpReply | None:
        told = sns.read(request.body)
        if told.type == "SubscriptionConfirmation":
            return _status(self._confirmed(told))
        if told.type == "UnsubscribeConfirmation":
            log.warning("%s: the subscription to %s has ended", self.name, told.topic_arn)
            return _status("ok")
        return None

    def parse(self, request: HttpRequest) -> Iterable[Feedback]:
        told = sns.read(request.body)
        return feedback_of(told.message, told.at)

    def check(self) -> list[Problem]:
        if self.config.allowed_topic_arns:
            return []
        remedy = "Set SNS_ALLOWED_TOPIC_ARNS; see docs/how-to/ses.md."
        text = f"{self.name}: no topic is allowed, so no SES event is believed."
        if self.runtime.environment == "development":
            text = f"{self.name}: no topic is named, so every topic is believed, in development only."
        return [Problem("info", "sns_no_topic", text, remedy)]

    def _require_topic(self, topic_arn: str) -> None:
        allowed = self.config.allowed_topic_arns
        if topic_arn not in allowed and (allowed or self.runtime.environment != "development"):
            raise Forbidden(f"{topic_arn[:300]!r} is not in SNS_ALLOWED_TOPIC_ARNS.")

    def _confirmed(self, told: sns.SnsMessage) -> str:
        """Confirm a subscription; the call needs no credentials, and SubscribeURL is never fetched."""
        try:
            self.fetch(sns.confirmation_url(told))
        except (OSError, Forbidden) as problem:
            log.error("%s: the subscription to %s is not confirmed: %s", self.name, told.topic_arn, problem)
            return "failed"
        log.info("%s: the subscription to %s is confirmed", self.name, told.topic_arn)
        return "confirmed"


def _status(word: str) -> HttpReply:
    return HttpReply(body=b'{"status":"%s"}' % word.encode(), content_type="application/json")
