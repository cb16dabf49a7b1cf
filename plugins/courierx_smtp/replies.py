"""SMTP replies (RFC 5321 section 4.2): bytes in, replies out, nothing believed that is not one."""

from __future__ import annotations

import re

import msgspec

LINE_MAX = 4096
REPLY_MAX = 65_536
TEXT_MAX = 500

_LINE = re.compile(rb"([2-5][0-5][0-9])([ -]?)")
_STATUS = re.compile(r"([245])\.\d{1,3}\.\d{1,3}(?=\s|$)")


class Reply(msgspec.Struct, frozen=True):
    """One reply: its code, its text as given (with the code, at most 500 characters), its status."""

    code: int
    text: str
    status: str | None = None
    """Enhanced status code (RFC 3463), only when its class agrees with the code."""


class NotAReply(Exception):
    """What came is not SMTP, or is longer than any honest reply."""


def read_reply(buffer: bytes) -> tuple[Reply, bytes] | None:
    """Take one whole reply off the buffer; None when it has not all come. Raises NotAReply."""
    start = 0
    code = b""
    while True:
        end = buffer.find(b"\n", start)
        if end < 0:
            _check_part(buffer, start)
            return None
        found = _LINE.match(buffer, start, end)
        if found is None or end - start > LINE_MAX or end > REPLY_MAX:
            raise NotAReply("the server answered something that is no SMTP reply")
        if not found[2] and buffer[found.end() : end] not in (b"", b"\r"):
            raise NotAReply("the server answered something that is no SMTP reply")
        if code and found[1] != code:
            raise NotAReply("the server changed the code within one reply")
        code = found[1]
        start = end + 1
        if found[2] != b"-":
            return make_reply(buffer[:start]), buffer[start:]


def make_reply(raw: bytes) -> Reply:
    """Make a Reply of bytes that were found to be one."""
    text = raw.decode("ascii", "replace").replace("\r\n", "\n").strip()[:TEXT_MAX]
    status = _STATUS.match(text, 4)
    return Reply(int(raw[:3]), text, status[0] if status and status[1] == text[0] else None)


def _check_part(buffer: bytes, start: int) -> None:
    """Refuse an unfinished line that can no longer become a reply."""
    if len(buffer) - start > LINE_MAX or len(buffer) > REPLY_MAX:
        raise NotAReply("the server's answer is longer than any honest reply")
    head = buffer[start : start + 3]
    if head and not (head.isdigit() and b"2" <= head[:1] <= b"5"):
        raise NotAReply("the server answered something that is no SMTP reply")
