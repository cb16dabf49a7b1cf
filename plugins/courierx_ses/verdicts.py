"""What SES's answer means, or that there was none.

what happened                                          what we know        outcome
no connection, no TLS, no credentials                  nothing left us     Deferred transport
200                                                    taken               Accepted
429, Throttling*, TooManyRequests*: the rate           not taken           Deferred transport, slower
    the same, or LimitExceeded: the daily quota        not taken           Deferred transport, 5 minutes
ExpiredToken*, RequestExpired*                         the clock, the role Deferred transport
AccountSuspended*, SendingPaused*                      not taken           Refused transport
    with an SES tenant: SendingPaused*                 only it is paused   Refused sender
MailFromDomainNotVerified*, MessageRejected            our identity        Refused sender
    "Email address is not verified", ours
    the same, naming the recipient only: the sandbox   theirs              Refused message
any other 401, 403; 404 (configuration set, tenant)    our account         Refused transport
MessageRejected, any other 4xx                         the message         Refused message
5xx, a drop, a time-out, any other answer              nothing             Uncertain
"""

from __future__ import annotations

from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from courierx_core.ports.transport import Deferred, Envelope, Receipt, Refused, Uncertain
from courierx_ses.account import REREAD_SECONDS

SLOWER_SECONDS = 1.0
_RATE = ("Throttling", "TooManyRequests", "LimitExceeded")
_STALE = ("ExpiredToken", "RequestExpired")
_STOPPED = ("AccountSuspended", "SendingPaused", "AccountSendingPaused", "ConfigurationSetSendingPaused")


def answered(envelope: Envelope, error: ClientError, *, tenant: bool = False) -> Receipt:
    """Judge an answer that is an error. `tenant`: it was sent for an SES tenant."""
    status, code, text = parts(error)
    reply = f"{status} {code}: {text}"
    if status >= 500 or not 400 <= status < 500:
        return Uncertain(envelope.id, "answer", reply)
    if status == 429 or code.startswith(_RATE):
        wait = REREAD_SECONDS if is_quota(error) else SLOWER_SECONDS
        return Deferred(envelope.id, reply, "transport", retry_after=wait)
    if code.startswith(_STALE):
        return Deferred(envelope.id, reply, "transport")
    if code.startswith(_STOPPED):
        return Refused(envelope.id, reply, "sender" if tenant and "Paused" in code else "transport")
    if code.startswith("MailFromDomainNotVerified") or "not verified" in text:
        theirs = envelope.rcpt_to.lower() in text.lower() and text.count("@") == 1
        return Refused(envelope.id, reply, "message" if theirs else "sender")
    if status in (401, 403, 404):
        return Refused(envelope.id, reply, "transport")
    return Refused(envelope.id, reply, "message")


def unanswered(envelope: Envelope, error: BotoCoreError, *, begun: bool) -> Receipt:
    """Judge a request that got no answer; `begun`: a byte of it may have left us."""
    if isinstance(error, ParamValidationError):
        return Refused(envelope.id, str(error), "message")
    why = f"{type(error).__name__}: {error}"
    if begun:
        return Uncertain(envelope.id, "answer", why)
    return Deferred(envelope.id, why, "transport")


def is_quota(error: ClientError) -> bool:
    """Tell whether the daily quota is used up, and not the rate of this second."""
    _, code, text = parts(error)
    return "quota" in text.lower() or "daily" in text.lower() or code.startswith("LimitExceeded")


def parts(error: ClientError) -> tuple[int, str, str]:
    """Return the HTTP status, SES's code and its words."""
    told: dict[str, Any] = error.response.get("Error", {})
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return int(status), str(told.get("Code", "")), str(told.get("Message", ""))
