"""What a refusing reply means, by the step that got it (RFC 5321 section 4.2, RFC 3463).

    step      4yz                    5yz
    MAIL      Deferred message       Refused sender; another status than 5.1.7, 5.1.8, 5.7.x: message
    RCPT      Deferred recipient     Refused recipient
    DATA      Deferred message       Refused message
    the dot   Deferred message       Refused message; status x.1.y or x.2.y: recipient

At every step 421 is the connection's end (Deferred transport), and what says that we are not allowed to
send at all is the sender's fault (Refused sender).
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from courierx_core.ports.transport import Deferred, Refused, Scope
from courierx_smtp.replies import Reply

Step: TypeAlias = Literal["mail", "rcpt", "data", "dot"]

SENDER_CODES = frozenset({530, 535})
"""Authentication required; authentication failed (RFC 4954 section 6)."""
SENDER_STATUSES = frozenset({"5.1.7", "5.1.8", "5.7.8", "5.7.9"})
_SIZE_CODES = frozenset({552})
_SYNTAX_CODES = frozenset({500, 501, 502, 503, 504, 555})


def judge(delivery_id: int, step: Step, reply: Reply) -> Deferred | Refused:
    """Turn a 4yz or 5yz reply into a receipt."""
    if reply.code == 421:
        return Deferred(delivery_id, reply.text, "transport", reply.status)
    if reply.code < 500:
        return Deferred(delivery_id, reply.text, _scope(step, reply), reply.status)
    if reply.code in SENDER_CODES or reply.status in SENDER_STATUSES:
        return Refused(delivery_id, reply.text, "sender", reply.status)
    if step == "mail":
        return Refused(delivery_id, reply.text, _mail_scope(reply), reply.status)
    return Refused(delivery_id, reply.text, _scope(step, reply), reply.status)


def _scope(step: Step, reply: Reply) -> Scope:
    if step == "rcpt":
        return "recipient"
    if step == "dot" and reply.status is not None and reply.status[1:4] in (".1.", ".2."):
        return "recipient"
    return "message"


def _mail_scope(reply: Reply) -> Scope:
    """A bare 5yz to MAIL is about who we are, unless its code or status says otherwise."""
    if reply.status is not None:
        return "sender" if reply.status.startswith("5.7.") else "message"
    return "message" if reply.code in _SIZE_CODES | _SYNTAX_CODES else "sender"
