"""A CSV file as rows of cells, in flat memory, that can be gone on with where an earlier reading stopped."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator
from typing import BinaryIO

import msgspec

from courierx_core.errors import InvalidInput

HEAD_BYTES = 64 * 1024
LINE_MAX = 1 << 20
"""Characters of one line: a file without line ends must not be read into memory."""
COLUMNS_MAX = 200
_MARKS = (
    (codecs.BOM_UTF8, "utf-8", "surrogateescape"),
    (codecs.BOM_UTF16_LE, "utf-16-le", "surrogatepass"),
    (codecs.BOM_UTF16_BE, "utf-16-be", "surrogatepass"),
    (b"", "utf-8", "surrogateescape"),
)
"""Byte order marks. A byte that is not in the encoding must cost its own line, not the file: it comes
through as a surrogate, and encodes to itself again."""


class Place(msgspec.Struct, frozen=True):
    """Where a row begins: bytes from the start of the file, and its line from 1."""

    offset: int = 0
    line: int = 1


class Row(msgspec.Struct, frozen=True):
    """A row, or why it cannot be read; `line` is the one it begins on."""

    line: int
    cells: list[str]
    fault: str = ""


class CsvTable:
    """Reads the rows below the first, which must name the columns.

    UTF-8 with or without a byte order mark, or UTF-16 with one; commas, semicolons or tabs. `place` is where
    the next row begins; given one of an earlier reading (and a stream that can seek), it goes on there.
    Raises InvalidInput when it is no CSV.
    """

    def __init__(self, stream: BinaryIO, place: Place | None = None) -> None:
        self._buffered = stream if isinstance(stream, io.BufferedReader) else io.BufferedReader(_Raw(stream))
        head = self._buffered.peek(HEAD_BYTES)
        mark, self._encoding, self._errors = next(each for each in _MARKS if head.startswith(each[0]))
        if self._encoding == "utf-8" and b"\0" in head:
            raise InvalidInput.of("csv", "binary", "this is a binary file, not CSV; export it as CSV (UTF-8)")
        self._buffered.read(len(mark))
        first = re.split("[\r\n]", head.decode(self._encoding, "replace"), maxsplit=1)[0]
        self._delimiter = max(",;\t", key=first.count)
        self._offset = len(mark)
        self.place = Place()
        self._begin()
        self.header = self._header()
        self._note_place()
        if place is not None and place.offset:
            self._go_to(place)

    def __iter__(self) -> Iterator[Row]:
        """Give every row that is not blank."""
        while True:
            fault = ""
            try:
                cells = next(self._reader, None)
            except csv.Error as error:
                cells, fault = [], f"cannot be read: {error}"
            if cells is None:
                return
            line = self.place.line
            self._note_place()
            if fault or len(cells) > 1 or (cells and cells[0].strip()):
                yield Row(line, cells, fault)

    def close(self) -> None:
        """Let go of the stream, which is the caller's to close."""
        self._text.detach()

    def _begin(self) -> None:
        self._text = io.TextIOWrapper(self._buffered, self._encoding, self._errors, newline="")
        self._reader = csv.reader(self._lines(), delimiter=self._delimiter)
        self._lines_before = self.place.line

    def _lines(self) -> Iterator[str]:
        utf8 = self._encoding == "utf-8"
        while line := self._read_line():
            if len(line) == LINE_MAX:
                raise InvalidInput.of(
                    "csv", "too_long", f"has a line of {LINE_MAX:,} characters or more: this is no CSV file"
                )
            short = utf8 and line.isascii()
            self._offset += len(line) if short else len(line.encode(self._encoding, self._errors))
            yield line

    def _read_line(self) -> str:
        try:
            return self._text.readline(LINE_MAX)
        except UnicodeDecodeError:
            raise InvalidInput.of("csv", "not_csv", "ends in the middle of a UTF-16 character") from None

    def _note_place(self) -> None:
        self.place = Place(self._offset, self._lines_before + self._reader.line_num)

    def _header(self) -> list[str]:
        try:
            header = next(self._reader, None)
        except csv.Error as error:
            raise InvalidInput.of("csv", "not_csv", f"the first line cannot be read: {error}") from None
        if not header:
            raise InvalidInput.of("csv", "empty", "the file is empty: its first line must name the columns")
        if len(header) > COLUMNS_MAX:
            raise InvalidInput.of(
                "csv", "too_many_columns", f"has {len(header)} columns; {COLUMNS_MAX} are allowed"
            )
        return header

    def _go_to(self, place: Place) -> None:
        self._text.detach()
        self._buffered.seek(place.offset)
        self._offset, self.place = place.offset, place
        self._begin()


class _Raw(io.RawIOBase):
    """Lets any object with `read` be buffered."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self._stream.seekable()

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)
