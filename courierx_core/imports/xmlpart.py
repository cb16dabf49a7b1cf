"""XML read as it comes, with no document type, no entities of its own and no endless token."""

from __future__ import annotations

from collections.abc import Mapping
from xml.parsers import expat

from courierx_core.errors import InvalidInput

TOKEN_MAX = 1 << 20
"""Bytes of one tag: expat keeps an unfinished one in memory."""
TEXT_MAX = 32_767
"""Characters of a text, as of a cell in Excel."""


class PartReader:
    """Feeds what is derived from it with tags, without their namespaces' prefixes, and the text between."""

    def __init__(self) -> None:
        self._fed = self._length = 0
        self._text: list[str] = []
        parser = self._parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._chars
        parser.StartDoctypeDeclHandler = self._doctype

    def feed(self, data: bytes) -> None:
        """Take the next bytes. Raises InvalidInput, expat.ExpatError."""
        self._fed += len(data)
        self._parser.Parse(data, False)
        if self._fed - self._parser.CurrentByteIndex > TOKEN_MAX + len(data):
            raise InvalidInput.of("file", "too_long", f"has a tag of more than {TOKEN_MAX:,} bytes")

    def end(self) -> None:
        self._parser.Parse(b"", True)

    def started(self, tag: str, attributes: Mapping[str, str]) -> None:
        """Hear of a start tag."""

    def ended(self, tag: str) -> None:
        """Hear of an end tag; `text()` is what stood before it."""

    def text(self) -> str:
        """Return the text since the last tag."""
        return "".join(self._text)

    def _start(self, tag: str, attributes: Mapping[str, str]) -> None:
        self._text.clear()
        self._length = 0
        self.started(local(tag), attributes)

    def _end(self, tag: str) -> None:
        self.ended(local(tag))
        self._text.clear()
        self._length = 0

    def _chars(self, data: str) -> None:
        self._length += len(data)
        if self._length > TEXT_MAX:
            raise InvalidInput.of("file", "too_long", f"has a cell of more than {TEXT_MAX:,} characters")
        self._text.append(data)

    def _doctype(self, *_: object) -> None:
        raise InvalidInput.of("file", "invalid", "has a document type, as no workbook has")


def local(tag: str) -> str:
    """Return a tag's name without its prefix."""
    return tag.rpartition(":")[2]
