"""Read a message that came in (RFC 5322, 2045-2047), whatever its bytes: nothing here ever raises.

Smaller and more forgiving than the standard library's parser, which recurses as deep as a message tells
it to: what reads strangers' mail needs bounds on depth, parts and bytes.
"""

from __future__ import annotations

import re
from binascii import a2b_base64, a2b_qp
from collections.abc import Iterator
from email.errors import HeaderParseError
from email.header import decode_header
from html import unescape

import msgspec

DEPTH, PARTS, HEAD_BYTES, TEXT_BYTES = 6, 100, 64 << 10, 256 << 10
"""What is read of a message: levels, parts, and octets of one part's header and body."""

_BLANK = re.compile(rb"\r?\n[ \t]*\r?\n")
_FIELD = re.compile(r"^([!-9;-~]{1,100})[ \t]*:[ \t]*(.*(?:\n[ \t]+.*)*)", re.MULTILINE)
_BOUNDARY = re.compile(r"""boundary\s*=\s*(?:"([^"\n]{1,200})"|([^\s;"]{1,200}))""", re.IGNORECASE)
_CHARSET = re.compile(r"""charset\s*=\s*"?([\w.:+-]{1,40})""", re.IGNORECASE)
_STYLE = re.compile(r"<(style|script)\b[^<]*</\1", re.IGNORECASE)
_TAG = re.compile(r"<(/?(?:p|br|div|tr|td|h\d|li|table)\b)?[^<>]{0,2000}>", re.IGNORECASE)


class Entity(msgspec.Struct, frozen=True):
    """A message or a part of one: its fields in order, names in lower case, and its body as it came."""

    fields: tuple[tuple[str, str], ...]
    body: bytes

    def get(self, name: str) -> str:
        """Return the first field of that name, unfolded and decoded; '' when there is none."""
        return next((decoded(value) for key, value in self.fields if key == name), "")

    def every(self, *names: str) -> list[str]:
        """Return all fields of these names."""
        return [decoded(value) for key, value in self.fields if key in names]

    @property
    def media_type(self) -> str:
        """The type in lower case; text/plain where none is given (RFC 2045 section 5.2)."""
        given = self.get("content-type").split(";")[0].strip().lower()
        return given if "/" in given else "text/plain"

    def content(self) -> bytes:
        """Return the body with its transfer encoding undone, as far as it can be."""
        encoding, body = self.get("content-transfer-encoding").strip().lower(), self.body[:TEXT_BYTES]
        if encoding == "quoted-printable":
            return a2b_qp(body)
        if encoding != "base64":
            return body
        digits = re.sub(rb"[^A-Za-z0-9+/]", b"", body.split(b"=")[0])
        return a2b_base64(digits[: len(digits) // 4 * 4] + _tail(digits))

    def text(self) -> str:
        """Return the content as text with LF line ends; HTML loses its tags."""
        content = self.content()
        charset = _CHARSET.search(self.get("content-type"))
        text = readable(content, charset[1] if charset else "utf-8").replace("\r\n", "\n").replace("\r", "\n")
        if self.media_type != "text/html":
            return text
        return unescape(_TAG.sub(lambda tag: "\n" if tag[1] else "", _STYLE.sub("<", text)))


def read(raw: bytes) -> Entity:
    """Split fields from body; a line that is no field is passed over."""
    raw = raw.lstrip(b"\r\n")
    if raw.startswith((b"From ", b">From ")):  # an mbox's line
        raw = raw.partition(b"\n")[2]
    found = _BLANK.search(raw)
    head, body = (raw, b"") if found is None else (raw[: found.start()], raw[found.end() :])
    return Entity(fields_of(head), body)


def fields_of(head: bytes | str) -> tuple[tuple[str, str], ...]:
    """Read a block of fields; values are unfolded, and not decoded yet."""
    text = readable(head[:HEAD_BYTES], "utf-8") if isinstance(head, bytes) else head[:HEAD_BYTES]
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return tuple((match[1].lower(), " ".join(match[2].split())) for match in _FIELD.finditer(text))


def walk(entity: Entity, depth: int = DEPTH) -> Iterator[Entity]:
    """Give every part that is no multipart, in order; a returned message is one part, not opened."""
    left = PARTS

    def parts(whole: Entity, depth: int) -> Iterator[Entity]:
        nonlocal left
        left -= 1
        boundary = _BOUNDARY.search(whole.get("content-type"))
        if not whole.media_type.startswith("multipart/") or boundary is None or not depth:
            yield whole
            return
        for raw in _split(whole.body, boundary[1] or boundary[2]):
            if left <= 0:
                return
            yield from parts(_part(raw), depth - 1)

    yield from parts(entity, depth)


def decoded(value: str) -> str:
    """Decode encoded words (RFC 2047); what cannot be decoded stays as it is."""
    if "=?" not in value:
        return value
    try:
        words = decode_header(value)
    except (HeaderParseError, LookupError, UnicodeError, ValueError):
        return value
    return "".join(
        word if isinstance(word, str) else readable(word, name or "latin-1") for word, name in words
    )


def readable(data: bytes, charset: str) -> str:
    """Decode octets by their charset, else as UTF-8, with a mark for what is neither."""
    try:
        return data.decode(charset, "replace")
    except (LookupError, UnicodeError, ValueError):
        return data.decode("utf-8", "replace")


def _tail(digits: bytes) -> bytes:
    """Return the last, incomplete group of base64 digits, filled up; one digit alone holds nothing."""
    rest = digits[len(digits) // 4 * 4 :]
    return b"" if len(rest) < 2 else rest.ljust(4, b"=")


def _part(raw: bytes) -> Entity:
    return Entity((), raw[1:].lstrip(b"\r\n")) if raw.startswith((b"\n", b"\r\n")) else read(raw)


def _split(body: bytes, boundary: str) -> Iterator[bytes]:
    """Cut a body at its boundary lines (RFC 2046 section 5.1.1); the last part may lack its end."""
    mark = b"--" + boundary.strip().encode("utf-8", "replace")
    line = re.compile(rb"(?:\A|\r?\n)" + re.escape(mark) + rb"(--)?[ \t]*\r?(?=\n|\Z)")
    start = None
    for found in line.finditer(body):
        if start is not None:
            yield body[start : found.start()]
        start = found.end() + 1
        if found[1]:
            return
    if start is not None:
        yield body[start:]
