"""A message's bytes as they go over the wire (RFC 5321 sections 2.3.8 and 4.5.2)."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence

_LINE_END = re.compile(rb"\r\n|\r|\n")
_find_dot = re.compile(rb"\n\.").search
"""Twice as fast as `in` on real text: 3 us for 5 KB."""


def on_the_wire(content: bytes) -> bytes:
    """Return the content dot-stuffed, ending in CRLF, with no CR or LF of its own.

    A bare one is made CRLF: let through, some server would read `LF . LF` as the end (SMTP smuggling).
    """
    # Which line ends occur, in one C scan: 4 us for 5 KB, where three counts take 10.
    ends = io.IncrementalNewlineDecoder(None, translate=False)
    ends.decode(content.decode("latin-1"), True)
    if ends.newlines != "\r\n":
        content = _LINE_END.sub(b"\r\n", content)
    if content[-2:] != b"\r\n":
        content += b"\r\n"
    if content[:1] == b"." or _find_dot(content):
        content = (b"\n" + content).replace(b"\n.", b"\n..")[1:]
    return content


def is_ready(pieces: Sequence[bytes]) -> bool:
    """Tell whether pieces, with a value between each two that `fits_a_line`, are `on_the_wire` already."""
    empty, filled = b"".join(pieces), b"x".join(pieces)
    return pieces[-1].endswith(b"\r\n") and on_the_wire(empty) == empty and on_the_wire(filled) == filled


def fits_a_line(values: Sequence[bytes]) -> bool:
    """Tell whether no value ends a line or begins with a dot."""
    joined = b"\0".join(values)
    return not (b"\n" in joined or b"\r" in joined or b"\0." in joined or joined[:1] == b".")
