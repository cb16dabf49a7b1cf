"""One connection's mail transactions as a pure state machine: bytes in; receipts, and what to write, out.

With PIPELINING the body of one message, its dot, and MAIL RCPT DATA of the next go out in one write, and
their four replies usually come back in one read. Without, it waits for each reply. RSET is only ever sent
by itself (RFC 2920 section 3.1). Whatever does not fit ends the connection, and only a message whose
body had begun to go out is then uncertain.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from courierx_core.ports.transport import Accepted, Deferred, Envelope, Receipt, Refused, Uncertain
from courierx_smtp.offers import Offers
from courierx_smtp.replies import TEXT_MAX, NotAReply, Reply, read_reply
from courierx_smtp.verdicts import judge

MAIL: Final = "mail"
RCPT: Final = "rcpt"
DATA: Final = "data"
DOT: Final = "dot"
EMPTY: Final = "empty"
"""The dot alone that ends a transaction whose recipient was refused, but whose DATA was not."""
RSET: Final = "rset"

_NOTHING: Final[tuple[str, ...]] = ()
_TRANSACTION: Final = (MAIL, RCPT, DATA)
_AFTER_DOT: Final = (DOT,)
_PIPELINE: Final = (DOT, MAIL, RCPT, DATA)

_YES, _GO_ON = rb"250 [^\r\n]*\r\n", rb"354 [^\r\n]*\r\n"
_TAKEN = rb"(250 [^\r\n]*)\r\n"
_USUAL: Final = {
    _TRANSACTION: re.compile(_YES + _YES + _GO_ON).fullmatch,
    _AFTER_DOT: re.compile(_TAKEN).fullmatch,
    _PIPELINE: re.compile(_TAKEN + _YES + _YES + _GO_ON).fullmatch,
}
"""What is usually answered when that is awaited; a group is the reply to the dot."""

_UNSAFE = re.compile(r"[\x00-\x20\x7f<>]")

Take = Callable[[], Envelope | None]
"""Gives the next envelope, or None when there is none just now."""


class Conversation:
    """What was said and what is awaited on one connection. No I/O: the session moves the bytes."""

    __slots__ = (
        "_buffer",
        "_commands",
        "_content",
        "_left",
        "_offers",
        "_sent_size",
        "_verdict",
        "awaits",
        "closed",
        "opened",
        "returned",
        "sent",
        "served",
        "unsent",
    )

    def __init__(self, offers: Offers, max_messages: int = 0) -> None:
        self._offers = offers
        self._left = max_messages or -1
        self._buffer = b""
        self._content = b""
        """The body of `opened`, ready for the wire."""
        self._commands = 0
        """How many bytes of the last write came after the dot."""
        self._sent_size = 0
        """How many bytes the body of `sent` has with its dot."""
        self._verdict: Deferred | Refused | None = None
        """What `opened` was told before its DATA was answered."""
        self.awaits = _NOTHING
        """The steps whose replies are outstanding, in order."""
        self.sent: Envelope | None = None
        """The envelope whose body went out and whose final reply is awaited."""
        self.opened: Envelope | None = None
        """The envelope whose MAIL went out and whose body did not."""
        self.returned: Envelope | None = None
        """An envelope that a kept connection would not begin: it may be tried on another."""
        self.served = 0
        """Messages whose final reply came."""
        self.unsent = 0
        """Bytes of the last write that the session has not got rid of; the session keeps it."""
        self.closed = ""
        """Why the conversation is over; '' while it goes on."""

    @property
    def roomy(self) -> bool:
        """Whether `begin` may be called now."""
        if self.opened is not None or self.closed or self.unsent or not self._left:
            return False
        return not self.awaits or (self.awaits == _AFTER_DOT and self._offers.pipelining)

    @property
    def busy(self) -> bool:
        """Whether an envelope is without its receipt; the answer to RSET may still be outstanding."""
        return self.sent is not None or self.opened is not None

    @property
    def spent(self) -> bool:
        """Whether this connection has carried all it may and nothing is outstanding."""
        return not self._left and not self.awaits

    def begin(self, envelope: Envelope, receipts: list[Receipt]) -> bytes:
        """Start on an envelope while `roomy`; return what to write, b'' when it was refused here."""
        commands = self._open(envelope, receipts)
        if commands:
            self._commands = len(commands)
        return commands

    def receive(self, data: bytes, take: Take, receipts: list[Receipt]) -> bytes:
        """Take what the server wrote: add receipts, ask `take` for more work, return what to write.

        Afterwards look at `closed`: the connection must then be dropped, and all its receipts are there.
        """
        usual = _USUAL.get(self.awaits)
        if usual is not None and not self._buffer and not self.unsent and len(data) < TEXT_MAX:
            found = usual(data)
            if found is not None:
                return self._take_usual(found[1] if found.lastindex else None, take, receipts)
        self._buffer += data
        return self._answer(take, receipts)

    def _take_usual(self, taken: bytes | None, take: Take, receipts: list[Receipt]) -> bytes:
        """Deal at once with what nearly all servers nearly always say to all that is awaited."""
        if taken is not None:
            assert self.sent is not None
            receipts.append(Accepted(self.sent.id, "", taken.decode("ascii", "replace")))
            self.sent = None
            self.served += 1
        if self.opened is not None:
            return self._body(take, receipts)
        self.awaits = _NOTHING
        return b""

    def lose(self, why: str, receipts: list[Receipt]) -> None:
        """End the conversation because the connection broke, closed or timed out."""
        if self.closed:
            return
        self.closed = why
        if self.sent is not None:
            receipts.append(self._fate(self.sent.id, why))
            self.sent = None
        if self.opened is not None:
            if self._verdict is not None:
                receipts.append(self._verdict)
            elif self.served and MAIL in self.awaits:
                self.returned = self.opened
            else:
                receipts.append(Deferred(self.opened.id, why, "transport"))
            self.opened = None
        self.awaits = _NOTHING

    def half_of_body(self, output: bytes) -> int:
        """Return half the length of the body that `output` begins with; 0 when it holds commands only."""
        return self._sent_size // 2 if self.sent is not None and len(output) > self._commands else 0

    # -- replies -----------------------------------------------------------------------------------

    def _answer(self, take: Take, receipts: list[Receipt]) -> bytes:
        """Deal with every whole reply in the buffer."""
        while self._buffer:
            try:
                found = read_reply(self._buffer)
            except NotAReply as problem:
                return self._doubt(str(problem), receipts)
            if found is None:
                return b""
            reply, self._buffer = found
            if not self.awaits:
                return self._unasked(reply, receipts)
            step, self.awaits = self.awaits[0], self.awaits[1:]
            output = self._step(step, reply, take, receipts)
            if self.closed:
                return b""
            if output:
                if self._buffer or self.unsent:
                    return self._doubt("the server answered more than it was asked", receipts)
                return output
        return b""

    def _step(self, step: str, reply: Reply, take: Take, receipts: list[Receipt]) -> bytes:
        """Deal with the reply to one step; return what to write next."""
        if step is DOT:
            return self._dot(reply, receipts)
        if reply.code == 421:
            return self._goodbye(step, reply, receipts)
        if step is DATA:
            return self._data(reply, take, receipts)
        if step is EMPTY:
            if reply.code < 400:
                return self._doubt("the server took a message without recipients", receipts)
            return b""
        if step is RSET:
            return b"" if reply.code < 300 else self._doubt("the server refused RSET", receipts)
        return self._envelope(step, reply, receipts)

    def _dot(self, reply: Reply, receipts: list[Receipt]) -> bytes:
        assert self.sent is not None
        if 300 <= reply.code < 400 or (self.unsent > self._commands and reply.code < 400):
            self.awaits = (DOT, *self.awaits)
            return self._doubt("the server answered out of step", receipts)
        if reply.code < 300:
            receipts.append(Accepted(self.sent.id, "", reply.text))
        else:
            receipts.append(judge(self.sent.id, "dot", reply))
        early = self.unsent > self._commands
        self.sent = None
        self.served += 1
        if reply.code == 421 or early:
            self.lose(reply.text, receipts)
        return b""

    def _envelope(self, step: str, reply: Reply, receipts: list[Receipt]) -> bytes:
        """Deal with the reply to MAIL or RCPT."""
        assert self.opened is not None
        if 300 <= reply.code < 400 or (reply.code == 503 and self._verdict is None):
            return self._doubt(f"the server answered {step.upper()} out of step: {reply.text}", receipts)
        if reply.code >= 400 and self._verdict is None:
            self._verdict = judge(self.opened.id, "mail" if step is MAIL else "rcpt", reply)
        if self._offers.pipelining:
            return b""
        if self._verdict is not None:
            return self._abandon(receipts)
        following = RCPT if step is MAIL else DATA
        self.awaits = (following,)
        if following is DATA:
            return b"DATA\r\n"
        return b"RCPT TO:<%b>\r\n" % self.opened.rcpt_to.encode()

    def _data(self, reply: Reply, take: Take, receipts: list[Receipt]) -> bytes:
        assert self.opened is not None
        if reply.code < 300 or (reply.code == 503 and self._verdict is None):
            return self._doubt(f"the server answered DATA out of step: {reply.text}", receipts)
        if reply.code >= 400:
            if self._verdict is None:
                self._verdict = judge(self.opened.id, "data", reply)
            return self._abandon(receipts)
        if self._buffer or self.unsent:
            return self._doubt("the server answered more than it was asked", receipts)
        if self._verdict is not None:
            receipts.append(self._verdict)
            self.opened = self._verdict = None
            self.awaits = (EMPTY,)
            return b".\r\n"
        return self._body(take, receipts)

    # -- what is written ---------------------------------------------------------------------------

    def _open(self, envelope: Envelope, receipts: list[Receipt]) -> bytes:
        """Check an envelope against what the server takes, and make its commands."""
        mail_from, rcpt_to = envelope.mail_from, envelope.rcpt_to
        if _UNSAFE.search(rcpt_to) or not rcpt_to:
            text = "501 5.1.3 the recipient is no address"
            receipts.append(Refused(envelope.id, text, "recipient", "5.1.3"))
            return b""
        if _UNSAFE.search(mail_from):
            text = "501 5.1.7 the return path is no address"
            receipts.append(Refused(envelope.id, text, "message", "5.1.7"))
            return b""
        content = envelope.wire()
        offers = self._offers
        if offers.max_bytes and len(content) > offers.max_bytes:
            text = f"552 5.3.4 the message has {len(content)} bytes; the server takes {offers.max_bytes}"
            receipts.append(Refused(envelope.id, text, "message", "5.3.4"))
            return b""
        options = b" SIZE=%d" % len(content) if offers.sizes else b""
        if not (content.isascii() and rcpt_to.isascii() and mail_from.isascii()):
            refusal = self._refuse_eight_bit(envelope, content)
            if refusal is not None:
                receipts.append(refusal)
                return b""
            options += _eight_bit_options(envelope, content)
        self.opened = envelope
        self._content = content
        self._left -= 1
        mail = b"MAIL FROM:<%b>%b\r\n" % (mail_from.encode(), options)
        if not offers.pipelining:
            self.awaits = (MAIL,)
            return mail
        self.awaits = _PIPELINE if self.sent is not None else _TRANSACTION
        return b"%bRCPT TO:<%b>\r\nDATA\r\n" % (mail, rcpt_to.encode())

    def _body(self, take: Take, receipts: list[Receipt]) -> bytes:
        """After 354: the body, its dot, and with PIPELINING the next envelope's commands."""
        self.sent, self.opened = self.opened, None
        content = self._content
        self._sent_size = len(content) + 3
        self.awaits = _AFTER_DOT
        commands = b""
        if self._offers.pipelining:
            while self._left and not commands:
                envelope = take()
                if envelope is None:
                    break
                commands = self._open(envelope, receipts)
        self._commands = len(commands)
        return b"%b.\r\n%b" % (content, commands)

    def _refuse_eight_bit(self, envelope: Envelope, content: bytes) -> Refused | None:
        if _needs_utf8(envelope, content) and not self._offers.smtputf8:
            text = "553 5.6.7 the server does not take addresses or headers outside ASCII"
            return Refused(envelope.id, text, "recipient", "5.6.7")
        if not content.isascii() and not self._offers.eight_bit:
            return Refused(envelope.id, "554 5.6.3 the server takes no 8-bit content", "message", "5.6.3")
        return None

    def _abandon(self, receipts: list[Receipt]) -> bytes:
        """Give the refused envelope its receipt and clear the server's state, in lock-step."""
        assert self._verdict is not None
        receipts.append(self._verdict)
        self.opened = self._verdict = None
        self.awaits = (RSET,)
        return b"RSET\r\n"

    # -- ends --------------------------------------------------------------------------------------

    def _unasked(self, reply: Reply, receipts: list[Receipt]) -> bytes:
        """A reply nobody waits for: a 421 says goodbye, anything else is one too many."""
        self.lose(reply.text if reply.code == 421 else "the server answered without being asked", receipts)
        return b""

    def _goodbye(self, step: str, reply: Reply, receipts: list[Receipt]) -> bytes:
        """421: the server closes; nothing of the open envelope was taken."""
        if self.opened is not None and self._verdict is None:
            if step is MAIL and self.served:
                self.returned = self.opened
            else:
                receipts.append(judge(self.opened.id, "mail", reply))
            self.opened = None
        self.lose(reply.text, receipts)
        return b""

    def _doubt(self, why: str, receipts: list[Receipt]) -> bytes:
        """The two sides disagree about where they are: end it, and believe no verdict of this round."""
        self._verdict = None
        self.lose(why, receipts)
        return b""

    def _fate(self, delivery_id: int, why: str) -> Receipt:
        """What became of the envelope whose final reply will not come."""
        missing = self.unsent - self._commands
        if missing >= self._sent_size:
            return Deferred(delivery_id, why, "transport")
        return Uncertain(delivery_id, "answer" if missing <= 0 else "data", why)


def _needs_utf8(envelope: Envelope, content: bytes) -> bool:
    head, _, _ = content.partition(b"\r\n\r\n")
    return not (envelope.rcpt_to.isascii() and envelope.mail_from.isascii() and head.isascii())


def _eight_bit_options(envelope: Envelope, content: bytes) -> bytes:
    body = b"" if content.isascii() else b" BODY=8BITMIME"
    return body + (b" SMTPUTF8" if _needs_utf8(envelope, content) else b"")
