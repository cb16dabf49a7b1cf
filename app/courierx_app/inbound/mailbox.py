"""A mailbox that bounces arrive in (IMAP4rev1, RFC 3501), read from time to time.

A mail is deleted after what it says is committed, never before: one that is read twice is known the second
time. What says nothing about our mail is left for a person, marked as seen, and not read again.
"""

from __future__ import annotations

import contextlib
import imaplib
import ipaddress
import logging
import re
import ssl
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec

from courierx_app.inbound.intake import Intake
from courierx_core.errors import ConfigError, CourierXError, StoreError
from courierx_core.mail.incoming import RAW_MAX
from courierx_core.ports.driver import Secret
from courierx_core.ports.queue import Stop

log = logging.getLogger("courierx_app.inbound")

TIMEOUT_SECONDS = 60.0
RANGE = 5000
"""Mails whose flags are asked for at a time."""
BATCH = 50
"""Mails that are deleted at a time."""

_UID = re.compile(rb"\bUID (\d{1,10})\b")
_HANDLED = re.compile(rb"\\(?:Seen|Deleted)\b", re.IGNORECASE)


class MailboxError(CourierXError):
    """The mailbox cannot be reached, or its server refuses; what is in it stays there."""

    code = "mailbox"


class MailboxUrl(msgspec.Struct, frozen=True, kw_only=True):
    """`imaps://user:password@host:993/INBOX`; `imap://` begins with STARTTLS, but on loopback."""

    host: str
    port: int
    user: str
    password: Secret
    folder: str = "INBOX"
    tls: bool = True
    starttls: bool = False


def parse_url(url: Secret) -> MailboxUrl:
    """Take a mailbox's URL apart. Raises ConfigError, without the URL: it holds a password."""
    try:
        parts = urlsplit(url.reveal())
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if (
        parts.scheme not in ("imap", "imaps")
        or not parts.hostname
        or not parts.username
        or not parts.password
    ):
        raise ConfigError(
            "COURIERX_INBOUND_IMAP_URL: got a value that is not shown; it takes a URL such as "
            "imaps://user:password@imap.example.com/INBOX"
        )
    tls = parts.scheme == "imaps"
    return MailboxUrl(
        host=parts.hostname,
        port=port or (993 if tls else 143),
        user=unquote(parts.username),
        password=Secret(unquote(parts.password)),
        folder=unquote(parts.path.strip("/")) or "INBOX",
        tls=tls,
        starttls=not tls and not _is_loopback(parts.hostname),
    )


class Mailbox:
    """One folder of one account; a new connection for each look into it."""

    def __init__(self, url: MailboxUrl, intake: Intake, *, tls: ssl.SSLContext | None = None) -> None:
        self._url, self._intake = url, intake
        self._tls = tls or ssl.create_default_context()

    def watch(self, stop: Stop, seconds: float) -> None:
        """Look into it every so many seconds until told to stop; what is away is waited for."""
        while True:
            try:
                self.look(stop)
            except (MailboxError, StoreError) as problem:
                log.warning("the mailbox is tried again in %.0f s: %s", seconds, problem)
            if stop.wait(seconds):
                return

    def look(self, stop: Stop | None = None) -> int:
        """Take in every mail that was not seen yet; return how many were. Raises MailboxError, StoreError."""
        try:
            with self._connected() as imap:
                return self._empty(imap, stop)
        except (OSError, imaplib.IMAP4.error) as problem:
            raise MailboxError(f"{self._url.host} port {self._url.port}: {_why(problem)}") from problem

    def _connected(self) -> imaplib.IMAP4:
        host, port = self._url.host, self._url.port
        imap: imaplib.IMAP4
        if self._url.tls:
            imap = imaplib.IMAP4_SSL(host, port, ssl_context=self._tls, timeout=TIMEOUT_SECONDS)
        else:
            imap = imaplib.IMAP4(host, port, timeout=TIMEOUT_SECONDS)
        try:
            if self._url.starttls:
                imap.starttls(self._tls)
            imap.login(self._url.user, self._url.password.reveal())
        except BaseException:
            with contextlib.suppress(OSError):
                imap.shutdown()
            raise
        return imap

    def _empty(self, imap: imaplib.IMAP4, stop: Stop | None) -> int:
        folder = self._url.folder.replace("\\", "\\\\").replace('"', '\\"')
        there = int(_ok(imap.select(f'"{folder}"'))[0])
        taken = 0
        # from the end: to delete mails gives new numbers to those behind them alone
        for low in reversed(range(1, there + 1, RANGE)):
            uids = _unseen(imap, low, min(low + RANGE - 1, there))
            for first in range(0, len(uids), BATCH):
                if stop is not None and stop.is_set():
                    return taken
                taken += self._take(imap, uids[first : first + BATCH])
        return taken

    def _take(self, imap: imaplib.IMAP4, uids: Sequence[str]) -> int:
        """Take these in, then delete those whose word is stored; an outage leaves the rest as it is."""
        done: list[str] = []
        seen: list[str] = []
        try:
            for uid, raw in _fetched(imap, uids):
                try:
                    fate = self._intake.take(raw)
                except StoreError:
                    raise
                except Exception:  # one mail must not keep the others waiting
                    log.exception("mail %s of the mailbox could not be taken", uid)
                    self._intake.count("failed")
                    continue
                (done if fate in ("recorded", "repeated") else seen).append(uid)
        finally:
            if seen:
                _ok(imap.uid("STORE", ",".join(seen), "+FLAGS.SILENT", r"(\Seen)"))
            if done:
                _ok(imap.uid("STORE", ",".join(done), "+FLAGS.SILENT", r"(\Deleted)"))
                # with UIDPLUS only ours are removed, not what a person marked (RFC 4315)
                if b"UIDPLUS" in b" ".join(_ok(imap.capability())).upper():
                    _ok(imap.uid("EXPUNGE", ",".join(done)))
                else:
                    _ok(imap.expunge())
        return len(done) + len(seen)


def _unseen(imap: imaplib.IMAP4, low: int, high: int) -> Sequence[str]:
    """Return the UIDs of what is new. SEARCH would answer on one line, and imaplib reads a megabyte of it."""
    found = []
    for line in _ok(imap.fetch(f"{low}:{high}", "(UID FLAGS)")):
        uid = _UID.search(line or b"")
        if uid and not _HANDLED.search(line):
            found.append(uid[1].decode("ascii"))
    return found


def _fetched(imap: imaplib.IMAP4, uids: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    for uid in uids:
        for each in _ok(imap.uid("FETCH", uid, f"(BODY.PEEK[]<0.{RAW_MAX}>)")):
            if isinstance(each, tuple):
                yield uid, each[1]


def _ok(answer: tuple[str, list[Any]]) -> list[Any]:
    kind, data = answer
    if kind != "OK":
        raise imaplib.IMAP4.error(f"the server answered {kind}")
    return data


def _why(problem: Exception) -> str:
    """Say what went wrong, on one line; the server's words may be bytes."""
    word = problem.args[0] if len(problem.args) == 1 else problem
    text = word.decode("utf-8", "replace") if isinstance(word, bytes) else str(word)
    return " ".join(text.split())[:300] or type(problem).__name__


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
