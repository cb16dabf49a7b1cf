"""Quoted-printable (RFC 2045 section 6.7), written so that pieces can be put end to end.

What `encode` returns stands at the start of a line, and has no line that begins with `.` or `From `:
static text needs no dot-stuffing, and no relay will quote it.
"""

from __future__ import annotations

import re
from binascii import b2a_qp

SOFT_BREAK = b"=\r\n"
LINE = 75
"""Octets in a line before its soft break."""

_PLAIN = bytes(range(0x20, 0x7F)) + b"\t\n"
_FOR_ITSELF = re.compile(r"(?!\.|From )[ -<>-~]{0,75}(?<! )").fullmatch
_UNSAFE_START = re.compile(rb"^(?:\.|From )[^\n]*", re.MULTILINE)


def encode(text: str) -> bytes:
    """Encode a text of any characters and line ends; lines of at most 76 octets, joined by CRLF."""
    if _FOR_ITSELF(text):
        return text.encode("ascii")
    data = b2a_qp(lines_of(text), istext=True)
    if data.startswith((b".", b"From ")) or b"\n." in data or b"\nFrom " in data:
        data = _UNSAFE_START.sub(_escape_start, data)
    return data.replace(b"\n", b"\r\n")


def whole_lines(text: str) -> bytes:
    """Encode a text so that what comes after it stands at the start of a line, too."""
    if _FOR_ITSELF(text):
        return text.encode("ascii") + SOFT_BREAK if text else b""
    data = encode(text)
    if data.endswith(b"\r\n"):
        return data
    if data.endswith(b"=20"):  # a space needs no escape before the soft break
        data = data[:-3] + b" "
    return data + SOFT_BREAK


def lines_of(text: str) -> bytes:
    """Return the text in UTF-8 with every line end as LF."""
    data = text.encode("utf-8", "replace")
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return data


def seven_bit(text: str) -> bytes | None:
    """Return the text with CRLF line ends if it may travel as it is, else None.

    That is: printable ASCII and tabs in lines of at most 998, none of them a `.` or `From ` line.
    """
    if not text.isascii():
        return None
    data = lines_of(text)
    if data.translate(None, _PLAIN) or data.startswith((b".", b"From ")):
        return None
    if b"\n." in data or b"\nFrom " in data or max(map(len, data.split(b"\n"))) > 998:
        return None
    return data.replace(b"\n", b"\r\n")


def _escape_start(match: re.Match[bytes]) -> bytes:
    """Escape what a line must not begin with; in a full line it gets a line of its own."""
    line, done = match[0], b""
    while line.startswith((b".", b"From ")):
        done += b"=%02X" % line[0]
        line = line[1:]
        if len(line) + 3 <= LINE + line.endswith(b"="):
            break
        done += b"=\n"
    return done + line
