"""Header fields: one line of text in, folded 7-bit ASCII out (RFC 5322 section 2.2, RFC 2047)."""

from __future__ import annotations

import re
from binascii import b2a_base64

LINE = 76
"""Columns a folded line takes (RFC 2047 section 2 for lines that hold an encoded word)."""
_WORD = 75
_LONGEST_PLAIN = 400
"""A longer run without a space is sent as encoded words, which do fold: a line ends at 998."""

# Controls of both sets, line and paragraph separators: nothing that any reader takes for a line end.
_BREAKS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_TOKENS = re.compile(r" *[^ ]+")
# What RFC 2047 section 5 lets stand for itself in any place, a phrase included; a space reads "_".
_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/")
_Q = tuple(chr(byte) if byte in _PLAIN else "_" if byte == 0x20 else f"={byte:02X}" for byte in range(256))
_OVERHEAD = len("=?utf-8?q??=")


def one_line(text: str) -> str:
    """Make a text fit for a header: every run of line breaks and controls becomes a space (S09)."""
    if not text.isprintable():
        text = _BREAKS.sub(" ", text)
        text = text.encode("utf-8", "replace").decode("utf-8")  # half a surrogate pair cannot be sent
    return text.strip(" ")


def is_plain(text: str) -> bool:
    """Tell whether a text of one line may stand in a header as it is."""
    if not text.isascii() or "=?" in text:
        return False
    return len(text) < _LONGEST_PLAIN or all(len(word) < _LONGEST_PLAIN for word in text.split(" "))


def encoded_words(text: str, room: int = _WORD) -> list[str]:
    """Split a text into encoded words of at most 75 characters; `room` is what the first one may take.

    Readers ignore the space between two of them. Whole characters in each, as RFC 2047 section 5 asks.
    """
    data = text.encode("utf-8")
    quoted = "".join(map(_Q.__getitem__, data))
    if len(quoted) <= (len(data) + 2) // 3 * 4:
        return [f"=?utf-8?q?{quoted}?="] if len(quoted) + _OVERHEAD <= room else _words_q(text, room)
    if (len(data) + 2) // 3 * 4 + _OVERHEAD <= room:
        return [_word_b(data)]
    return _words_b(text, room)


def _words_q(text: str, room: int) -> list[str]:
    words, word, left = [], "", room - _OVERHEAD
    for char in text:
        unit = "".join(map(_Q.__getitem__, char.encode("utf-8")))
        if len(unit) > left and word:
            words.append(f"=?utf-8?q?{word}?=")
            word, left = "", _WORD - _OVERHEAD
        word += unit
        left -= len(unit)
    words.append(f"=?utf-8?q?{word}?=")
    return words


def _words_b(text: str, room: int) -> list[str]:
    words, chunk, left = [], b"", (room - _OVERHEAD) // 4 * 3
    for char in text:
        unit = char.encode("utf-8")
        if len(unit) > left and chunk:
            words.append(_word_b(chunk))
            chunk, left = b"", (_WORD - _OVERHEAD) // 4 * 3
        chunk += unit
        left -= len(unit)
    words.append(_word_b(chunk))
    return words


def _word_b(data: bytes) -> str:
    return f"=?utf-8?b?{b2a_base64(data, newline=False).decode('ascii')}?="


def fold(name: str, text: str) -> bytes:
    """Write `Name: text` and its line end, broken before spaces where a line would pass 76 columns.

    `text` is printable ASCII. Taking the breaks out again gives it back, to the space.
    """
    line = f"{name}: {text}"
    if len(line) <= LINE:
        return line.encode("ascii") + b"\r\n"
    lines, line = [], f"{name}:"
    for token in _TOKENS.findall(" " + text):
        if len(line) + len(token) > LINE and line != f"{name}:":
            lines.append(line)
            line = ""
        line += token
    lines.append(line)
    return "\r\n".join(lines).encode("ascii") + b"\r\n"


def unstructured(name: str, text: str) -> bytes:
    """Write a field of free text (Subject, a custom header) in any language."""
    text = one_line(text)
    if is_plain(text):
        return fold(name, text)
    return fold(name, " ".join(encoded_words(text, max(LINE - len(name) - 2, 30))))
