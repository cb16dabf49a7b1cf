"""What a scripted ESMTP server says: RFC 5321 top to bottom, without a socket's system call.

PIPELINING (2920), SIZE (1870), 8BITMIME (6152), SMTPUTF8 (6531), STARTTLS (3207) and AUTH PLAIN and LOGIN
(4954), as far as told to.
"""

from __future__ import annotations

import base64
import re
import socket
import time
from collections import Counter
from collections.abc import Callable
from typing import Literal, TypeAlias

import msgspec

from courierx_core.testing.script import Script
from courierx_core.testing.spool import Keep, Spool

Tls: TypeAlias = Literal["none", "starttls", "implicit"]
_ADDRESS = re.compile(rb"(?:MAIL FROM|RCPT TO):\s*<([^>]*)>(.*)\Z", re.IGNORECASE | re.DOTALL)
_LARGE = 65_536


class ServerOptions(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the server offers and how it keeps mail."""

    pipelining: bool = True
    """When not offered, a client that pipelines anyway is told 554 and dropped."""
    tls: Tls = "none"
    chain: str = ""
    key: str = ""
    user: str = ""
    """With a user, mail is taken after AUTH only."""
    password: str = ""
    size: int = 0
    eight_bit: bool = True
    smtputf8: bool = True
    enhanced: bool = True
    eager_data: bool = False
    """Answer 354 although every RCPT was refused (RFC 2920 section 3.1)."""
    throttle_ms: float = 0.0
    """The whole server takes one message in so many milliseconds."""
    fsync: bool = False
    keep: Keep = "none"


class Peer:
    """One connection, and how far its conversation is."""

    __slots__ = (
        "authenticated",
        "buffer",
        "delay",
        "hung",
        "in_body",
        "late",
        "login",
        "mute",
        "number",
        "out",
        "parts",
        "recipients",
        "secure",
        "sender",
        "sock",
        "touched",
    )

    def __init__(self, sock: socket.socket, number: int, secure: bool) -> None:
        self.sock = sock
        self.number = number
        self.secure = secure
        self.buffer = b""
        self.out = b""
        self.parts: list[bytes] = []
        """A large body's pieces, the last with its end in sight, until the dot comes."""
        self.sender: bytes | None = None
        self.recipients: list[bytes] = []
        self.in_body = False
        self.touched = False
        self.hung = False
        self.mute = False
        self.delay = 0.0
        self.late = b""
        """The reply that waits for `delay` seconds."""
        self.authenticated = False
        self.login: list[bytes] | None = None


class Hangup(Exception):
    """Close this connection now, after `last` has gone out."""

    def __init__(self, last: bytes = b"") -> None:
        self.last = last


class StartTls(Exception):
    """Send `answer`, then shake hands."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer


class Dialogue:
    """What the server says: takes a connection's bytes, gives the replies. It touches no socket.

    `peer.late` is a reply that goes out after `peer.delay` seconds; `peer.hung` says that nothing more is
    answered, `peer.mute` that nothing more is even read.
    """

    def __init__(
        self,
        spool: Spool,
        options: ServerOptions,
        script: Script | None,
        note: Callable[[Peer, bytes], None] | None,
    ) -> None:
        self._spool = spool
        self._options = options
        self._script = script
        self._note = note
        self._counts: Counter[str] = Counter()

    def feed(self, peer: Peer, data: bytes) -> bytes:
        """Take what came and return the replies to write."""
        replies: list[bytes] = []
        if peer.in_body and len(peer.buffer) >= _LARGE:
            peer.parts.append(peer.buffer[:-4])
            peer.buffer = peer.buffer[-4:]
        if peer.parts:
            if b"\r\n.\r\n" not in peer.buffer + data:
                peer.buffer += data
                return b""
            data = b"".join([*peer.parts, peer.buffer, data])
            peer.parts, peer.buffer = [], b""
        try:
            peer.buffer = self._consume(peer, peer.buffer + data if peer.buffer else data, replies)
        except Hangup as hangup:
            raise Hangup(b"".join(replies) + hangup.last) from None
        if peer.delay:
            peer.late = replies.pop()
        return b"".join(replies)

    def _consume(self, peer: Peer, buffer: bytes, replies: list[bytes]) -> bytes:
        while buffer and not peer.hung:
            if peer.in_body:
                if self._script is not None and not peer.touched:
                    peer.touched = True
                    self._interrupt(peer)
                    if peer.hung:
                        break
                if buffer.startswith(b".\r\n"):
                    content, buffer = b"", buffer[3:]
                else:
                    end = buffer.find(b"\r\n.\r\n")
                    if end < 0:
                        break
                    content, buffer = buffer[: end + 2], buffer[end + 5 :]
                peer.in_body = False
                replies.append(self._take(peer, content))
                continue
            end = buffer.find(b"\r\n")
            if end < 0:
                break
            line, buffer = buffer[:end], buffer[end + 2 :]
            if buffer and not self._options.pipelining:
                raise Hangup(b"554 5.5.0 improper command pipelining\r\n")
            if peer.login is not None:
                replies.append(self._log_in(peer, line))
                continue
            replies.append(self._command(peer, line))
        return buffer

    def _interrupt(self, peer: Peer) -> None:
        """Do what the script says at the first bytes of a message: nothing, hang up, or stop reading."""
        answer = self._act(peer, "body", b"")
        if answer:
            raise Hangup(answer)
        peer.mute = peer.hung

    def _command(self, peer: Peer, line: bytes) -> bytes:
        """Answer one command. Raises StartTls where the client may shake hands now."""
        if self._note:
            self._note(peer, line)
        verb = line[:4].upper()
        if verb == b"MAIL":
            return self._mail(peer, line)
        if verb == b"RCPT":
            return self._rcpt(peer, line)
        if verb == b"DATA":
            return self._data(peer)
        if verb in (b"EHLO", b"HELO"):
            _reset(peer)
            return self._act(peer, "ehlo", self._greeting(peer))
        if verb == b"STAR" and self._options.tls == "starttls":
            return self._start_tls(peer)
        if verb == b"AUTH" and self._options.user:
            return self._auth(peer, line)
        if verb == b"RSET":
            _reset(peer)
            return self._act(peer, "rset", b"250 2.0.0 ok\r\n")
        if verb == b"NOOP":
            return b"250 2.0.0 ok\r\n"
        if verb == b"QUIT":
            raise Hangup(b"221 2.0.0 bye\r\n")
        return b"502 5.5.2 command not known\r\n"

    def _mail(self, peer: Peer, line: bytes) -> bytes:
        found = _ADDRESS.match(line)
        if found is None:
            return b"501 5.5.4 syntax: MAIL FROM:<address>\r\n"
        if self._options.user and not peer.authenticated:
            return b"530 5.7.0 authentication required\r\n"
        if peer.sender is not None:
            return b"503 5.5.1 nested MAIL\r\n"
        answer = b"250 2.1.0 ok\r\n"
        if self._script is not None:
            answer = self._act(peer, "mail", answer, found[1], b"")
        if answer[:1] == b"2":
            peer.sender = found[1]
        return answer

    def _rcpt(self, peer: Peer, line: bytes) -> bytes:
        found = _ADDRESS.match(line)
        if found is None:
            return b"501 5.5.4 syntax: RCPT TO:<address>\r\n"
        if peer.sender is None:
            return b"503 5.5.1 MAIL first\r\n"
        answer = b"250 2.1.5 ok\r\n"
        if self._script is not None:
            answer = self._act(peer, "rcpt", answer, peer.sender, found[1])
        if answer[:1] == b"2":
            peer.recipients.append(found[1])
        return answer

    def _data(self, peer: Peer) -> bytes:
        if not peer.recipients and not (self._options.eager_data and peer.sender is not None):
            return b"503 5.5.1 no valid recipients\r\n"
        answer = b"354 end with a dot\r\n"
        if self._script is not None:
            answer = self._act(peer, "data", answer)
        if answer[:1] == b"3" or b"\r\n354 " in answer:
            peer.in_body = True
            peer.touched = False
        return answer

    def _take(self, peer: Peer, content: bytes) -> bytes:
        """Store the message, then answer its dot."""
        options = self._options
        if not peer.recipients:
            answer = self._act(peer, "dot", b"554 5.5.1 no valid recipients\r\n")
            _reset(peer)
            return answer
        if options.size and len(content) > options.size:
            _reset(peer)
            return b"552 5.3.4 message too big\r\n"
        answer = b"250 2.0.0 taken\r\n"
        action = ""
        if self._script is not None:
            action = self._ask("dot", peer)
            if action in ("taken drop", "taken hang"):
                self._store(peer, content)
                action = action[6:]
            answer = self._perform(peer, action, answer)
        if answer[:1] == b"2":
            self._store(peer, content)
        _reset(peer)
        if options.throttle_ms:
            time.sleep(options.throttle_ms / 1000.0)
        return answer

    def _store(self, peer: Peer, content: bytes) -> None:
        self._spool.add(peer.sender or b"", peer.recipients, content)

    def greet(self, peer: Peer) -> bytes:
        answer = self._act(peer, "banner", b"220 test.invalid ESMTP\r\n")
        if answer[:1] in (b"4", b"5"):
            raise Hangup(answer)
        if peer.delay:
            peer.late = answer
            return b""
        return answer

    def _greeting(self, peer: Peer) -> bytes:
        options = self._options
        words = [b"test.invalid"]
        if options.pipelining:
            words.append(b"PIPELINING")
        if options.size:
            words.append(b"SIZE %d" % options.size)
        if options.eight_bit:
            words.append(b"8BITMIME")
        if options.smtputf8:
            words.append(b"SMTPUTF8")
        if options.enhanced:
            words.append(b"ENHANCEDSTATUSCODES")
        if options.tls == "starttls" and not peer.secure:
            words.append(b"STARTTLS")
        if options.user:
            words.append(b"AUTH PLAIN LOGIN")
        return b"".join(b"250-%b\r\n" % word for word in words[:-1]) + b"250 %b\r\n" % words[-1]

    def _start_tls(self, peer: Peer) -> bytes:
        answer = self._act(peer, "starttls", b"220 2.0.0 go ahead\r\n")
        if answer[:3] != b"220":
            return answer
        peer.buffer = b""
        _reset(peer)
        raise StartTls(answer)

    def _auth(self, peer: Peer, line: bytes) -> bytes:
        _, mechanism, *initial = line.split(b" ")
        if mechanism.upper() == b"PLAIN" and initial:
            _, user, password = base64.b64decode(initial[0]).split(b"\0")
            return self._judge(peer, user, password)
        if mechanism.upper() == b"LOGIN":
            peer.login = []
            if initial:
                return self._log_in(peer, initial[0])
            return b"334 VXNlcm5hbWU6\r\n"
        return b"504 5.5.4 unknown mechanism\r\n"

    def _log_in(self, peer: Peer, line: bytes) -> bytes:
        assert peer.login is not None
        peer.login.append(base64.b64decode(line))
        if len(peer.login) == 1:
            return b"334 UGFzc3dvcmQ6\r\n"
        user, password = peer.login
        peer.login = None
        return self._judge(peer, user, password)

    def _judge(self, peer: Peer, user: bytes, password: bytes) -> bytes:
        right = (user, password) == (self._options.user.encode(), self._options.password.encode())
        usual = b"235 2.7.0 welcome\r\n" if right else b"535 5.7.8 bad credentials\r\n"
        answer = self._act(peer, "auth", usual)
        peer.authenticated = answer[:3] == b"235"
        return answer

    # -- the script --------------------------------------------------------------------------------

    def _act(
        self,
        peer: Peer,
        stage: str,
        usual: bytes,
        sender: bytes | None = None,
        recipient: bytes | None = None,
    ) -> bytes:
        if self._script is None:
            return usual
        return self._perform(peer, self._ask(stage, peer, sender, recipient), usual)

    def _ask(
        self, stage: str, peer: Peer, sender: bytes | None = None, recipient: bytes | None = None
    ) -> str:
        assert self._script is not None
        self._counts[stage] += 1
        sender = peer.sender or b"" if sender is None else sender
        if recipient is None:
            recipient = peer.recipients[0] if peer.recipients else b""
        return self._script(
            stage,
            sender.decode("utf-8", "replace"),
            recipient.decode("utf-8", "replace"),
            self._counts[stage],
        )

    def _perform(self, peer: Peer, action: str, usual: bytes) -> bytes:
        """Do what the script says and return the reply to write now."""
        if action == "":
            return usual
        if action[:1].isdigit():
            reply = action.encode() + b"\r\n"
            if reply[:3] == b"421":
                raise Hangup(reply)
            return reply
        if action == "drop":
            raise Hangup()
        if action == "hang":
            peer.hung = True
            return b""
        if action == "garbage":
            return b"\x00\xff this is no reply\r\n"
        if action == "extra":
            return b"250 one too many\r\n" + usual
        if action == "flood":
            return b"250 " + b"x" * 1_000_000 + b"\r\n"
        if action.startswith("delay "):
            peer.hung = True
            peer.delay = float(action[6:])
            return usual
        raise ValueError(f"a script answered {action!r}; see courierx_core.testing.script.Script")


def _reset(peer: Peer) -> None:
    peer.sender = None
    peer.recipients = []
