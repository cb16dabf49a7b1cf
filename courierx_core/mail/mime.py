"""MIME entities (RFC 2045, 2046, 2183, 2231, 2387) as pieces: bytes, and numbered holes.

A message for a thousand people is one list of pieces; what differs between them goes into the holes.
Everything written here is 7-bit ASCII in lines of at most 998 octets with CRLF ends.
"""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Sequence
from typing import NamedTuple, TypeAlias
from urllib.parse import quote

from courierx_core.mail.header import one_line

Pieces: TypeAlias = Sequence[bytes | int]
"""Bytes as they are, and the numbers of holes to fill."""

_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_CONTENT_TYPE = re.compile(rf'({_WORD})/{_WORD}(?:; ?{_WORD}=(?:{_WORD}|"[ !#-\[\]-~]*"))*')
_COMPOSITE = ("multipart", "message")
_NAME_PIECE = 55


class Entity(NamedTuple):
    """Header lines, each with its line end, and a body."""

    head: Pieces
    body: Pieces


def new_boundary() -> str:
    """Return a boundary no body contains: `=_` cannot occur in quoted-printable or base64, and the rest
    cannot be guessed."""
    return "=_" + secrets.token_hex(16)


def text(subtype: str, encoding: Pieces, body: Pieces) -> Entity:
    """Make a text part in UTF-8 whose body is already encoded by `encoding`."""
    head = f"Content-Type: text/{subtype}; charset=utf-8\r\nContent-Transfer-Encoding: "
    return Entity((head.encode("ascii"), *encoding, b"\r\n"), body)


def file(filename: str, content_type: str, content: bytes, content_id: str = "") -> Entity:
    """Make an attachment, or with a content id an inline file (`cid:` in the HTML)."""
    head = [f"Content-Type: {_media_type(content_type)}", "Content-Transfer-Encoding: base64"]
    if content_id:
        head.append(f"Content-ID: <{_content_id(content_id)}>")
    head.append(f"Content-Disposition: {'inline' if content_id else 'attachment'}{_filename(filename)}")
    body = base64.encodebytes(content).replace(b"\n", b"\r\n")
    return Entity(("".join(f"{line}\r\n" for line in head).encode("ascii"),), (body,))


def multipart(subtype: str, parts: Sequence[Entity], boundary: str, parameters: str = "") -> Entity:
    """Join parts; a single one needs no multipart around it and is returned as it is."""
    if len(parts) == 1:
        return parts[0]
    line = f'Content-Type: multipart/{subtype};{parameters}\r\n boundary="{boundary}"\r\n'
    body: list[bytes | int] = []
    for part in parts:
        body += (f"\r\n--{boundary}\r\n".encode("ascii"), *part.head, b"\r\n", *part.body)
    body.append(f"\r\n--{boundary}--\r\n".encode("ascii"))
    return Entity((line.encode("ascii"),), body)


def mail(
    plain: Entity | None,
    html: Entity | None,
    inline: Sequence[Entity],
    attached: Sequence[Entity],
    boundary: str,
) -> Entity:
    """Arrange a mail: mixed(alternative(plain, related(html, inline)), attached), as far as needed."""
    shown = [plain] if plain else []
    if html is not None:
        kind = ' type="text/html";'
        shown.append(multipart("related", (html, *inline), boundary + "r", kind))
    elif inline:
        attached = (*inline, *attached)
    return multipart("mixed", (multipart("alternative", shown, boundary + "a"), *attached), boundary + "m")


def _media_type(content_type: str) -> str:
    match = _CONTENT_TYPE.fullmatch(content_type) if len(content_type) <= 200 else None
    return "application/octet-stream" if not match or match[1].lower() in _COMPOSITE else content_type


def _content_id(content_id: str) -> str:
    return re.sub(r"[^!-;=?-~]", "_", content_id.strip("<>"))[:200] or "_"


def _filename(filename: str) -> str:
    """Return the `filename` parameter, empty for no name; RFC 2231 where it is long or not ASCII."""
    name = re.sub(r'[/\\<>"]', "_", one_line(filename))[:200].strip()
    if not name:
        return ""
    if name.isascii() and len(name) <= _NAME_PIECE and "=?" not in name:
        return f';\r\n filename="{name}"'
    pieces = [""]
    for char in name:  # whole characters in each piece: some readers decode them one by one
        unit = quote(char, safe="")
        if len(pieces[-1]) + len(unit) > _NAME_PIECE:
            pieces.append("")
        pieces[-1] += unit
    if len(pieces) == 1:
        return f";\r\n filename*=utf-8''{pieces[0]}"
    pieces[0] = f"utf-8''{pieces[0]}"
    return "".join(f";\r\n filename*{number}*={piece}" for number, piece in enumerate(pieces))
