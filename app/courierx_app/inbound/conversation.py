"""An SMTP server's side of a conversation (RFC 5321): it takes what answers mail of ours, and no other.

It offers PIPELINING (2920), SIZE (1870), 8BITMIME (6152), SMTPUTF8 (6531), enhanced codes (2034) and,
with a certificate, STARTTLS (3207). A mail is answered 250 once what it says is stored, 451 while the
store is away; the sender's server then keeps it and tries again.
"""

from __future__ import annotations

import contextlib
import logging
import re
import ssl
from collections.abc import Callable, Mapping

import msgspec

from courierx_app.inbound.intake import Intake
from courierx_app.inbound.wire import BadLine, Gone, Wire
from courierx_core.errors import StoreError
from courierx_core.mail.incoming import RAW_MAX

log = logging.getLogger("courierx_app.inbound")

_PATH = re.compile(r"(?:FROM|TO): ?<(?:@[^<>: ]*:)?([^<>]{0,500})>(?: (.*))?", re.IGNORECASE)


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What one client may ask of us. Times in seconds, sizes in octets."""

    size: int = 50 << 20
    """Of a mail; what is kept of it is `RAW_MAX`."""
    recipients: int = 100
    commands: int = 1000
    refusals: int = 20
    """Commands that were refused, before the connection is closed."""
    idle: float = 300.0
    """Between two commands, and within a mail (RFC 5321 section 4.5.3.2.7)."""
    life: float = 3600.0
    """Of a connection."""


class _Over(Exception):
    """The conversation ends; what was said last goes out first."""


class Conversation:
    """Serves one connection, from the greeting to its end; nothing is raised but a bug's exception."""

    def __init__(
        self,
        wire: Wire,
        intake: Intake,
        *,
        name: str,
        limits: Limits,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._wire, self._intake, self._name, self._limits, self._tls = wire, intake, name, limits, tls
        self._greeted = self._secure = False
        self._sender: str | None = None
        self._recipients: list[str] = []
        self._left, self._refusals = limits.commands, 0
        self._verbs: Mapping[str, Callable[[str], None]] = {
            "EHLO": self._ehlo, "HELO": self._helo, "MAIL": self._mail, "RCPT": self._rcpt,
            "DATA": self._data, "RSET": self._rset, "NOOP": self._noop, "QUIT": self._quit,
            "VRFY": self._vrfy, "STARTTLS": self._starttls,
        }  # fmt: skip

    def run(self) -> None:
        try:
            self._wire.say(f"220 {self._name} ESMTP")
            while True:
                self._command()
        except _Over:
            with contextlib.suppress(Gone):
                self._wire.flush()
        except Gone:
            pass

    def _command(self) -> None:
        try:
            line = self._wire.line()
        except BadLine:
            self._refuse("500 5.5.2 A line ends with CR LF and is not that long")
            return
        self._left -= 1
        if self._left < 0:
            self._end("421 4.7.0 That is enough for one connection")
        verb, _, rest = line.partition(" ")
        handle = self._verbs.get(verb.upper())
        if handle is None:
            self._refuse("500 5.5.1 No such command")
        else:
            handle(rest.strip())

    def _ehlo(self, rest: str) -> None:
        self._hello(rest, esmtp=True)

    def _helo(self, rest: str) -> None:
        self._hello(rest, esmtp=False)

    def _hello(self, rest: str, *, esmtp: bool) -> None:
        if not rest:
            self._refuse("501 5.5.4 Say who you are")
            return
        self._forget()
        self._greeted = True
        if not esmtp:
            self._wire.say(f"250 {self._name}")
            return
        offers = ["PIPELINING", f"SIZE {self._limits.size}", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES"]
        if self._tls is not None and not self._secure:
            offers.append("STARTTLS")
        self._wire.say(*(f"250-{line}" for line in (self._name, *offers[:-1])), f"250 {offers[-1]}")

    def _mail(self, rest: str) -> None:
        found = _PATH.fullmatch(rest)
        if not self._greeted or self._sender is not None:
            self._refuse("503 5.5.1 Not now")
        elif found is None or rest[:4].upper() != "FROM":
            self._refuse("501 5.5.4 MAIL FROM:<address> is how it is written")
        elif self._too_big(found[2] or ""):
            self._refuse(f"552 5.3.4 At most {self._limits.size} octets")
        else:
            self._sender = found[1]
            self._wire.say("250 2.1.0 Ok")

    def _rcpt(self, rest: str) -> None:
        found = _PATH.fullmatch(rest)
        if self._sender is None:
            self._refuse("503 5.5.1 MAIL comes first")
        elif found is None or rest[:2].upper() != "TO":
            self._refuse("501 5.5.4 RCPT TO:<address> is how it is written")
        elif len(self._recipients) >= self._limits.recipients:
            self._refuse("452 4.5.3 Too many recipients")
        else:
            self._address(found[1])

    def _address(self, address: str) -> None:
        try:
            known = self._intake.knows(address)
        except StoreError as problem:
            self._away(problem)
            return
        if known:
            self._recipients.append(address)
            self._wire.say("250 2.1.5 Ok")
        else:
            self._intake.count("unknown_address")
            self._refuse("550 5.1.1 No such address; only what answers mail we sent is taken here")

    def _data(self, rest: str) -> None:
        if not self._recipients:
            self._refuse("503 5.5.1 RCPT comes first")
            return
        self._wire.say("354 End with a dot")
        # what is too big is heard out, or its sender would not hear why and come again for days
        mail = self._wire.body(keep=RAW_MAX, longest=4 * self._limits.size)
        recipients = self._recipients
        self._forget()
        if mail.size > self._limits.size:
            self._intake.count("too_big")
            self._refuse(f"552 5.3.4 At most {self._limits.size} octets")
            return
        try:
            for each in recipients:
                self._intake.take(mail.first, each)
        except StoreError as problem:
            self._away(problem)
        else:
            self._wire.say("250 2.0.0 Taken")

    def _away(self, problem: StoreError) -> None:
        log.warning("451 was answered: %s", problem)
        self._wire.say("451 4.3.0 Not now, please try again")

    def _starttls(self, rest: str) -> None:
        if self._tls is None or self._secure:
            self._refuse("503 5.5.1 TLS is not to be had")
            return
        self._wire.say("220 2.0.0 Go ahead")
        self._wire.flush()
        self._wire.secure(self._tls)
        self._forget()
        self._secure, self._greeted = True, False

    def _rset(self, rest: str) -> None:
        self._forget()
        self._wire.say("250 2.0.0 Ok")

    def _noop(self, rest: str) -> None:
        self._wire.say("250 2.0.0 Ok")

    def _vrfy(self, rest: str) -> None:
        self._wire.say("252 2.5.0 Send mail, and see")

    def _quit(self, rest: str) -> None:
        self._end("221 2.0.0 Bye")

    def _forget(self) -> None:
        self._sender, self._recipients = None, []

    def _refuse(self, reply: str) -> None:
        self._wire.say(reply)
        self._refusals += 1
        if self._refusals >= self._limits.refusals:
            self._end("421 4.7.0 Too many mistakes")

    def _end(self, reply: str) -> None:
        self._wire.say(reply)
        raise _Over

    def _too_big(self, parameters: str) -> bool:
        told = re.search(r"(?:^| )SIZE=(\d{1,20})(?: |$)", parameters, re.IGNORECASE)
        return told is not None and int(told[1]) > self._limits.size
