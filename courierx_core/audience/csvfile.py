"""Subscribers in a CSV file: a stream of rows, each valid or refused with its line number and reason."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping
from typing import BinaryIO, TypeAlias

import msgspec

from courierx_core.audience.model import Attribute, NewSubscriber
from courierx_core.errors import InvalidInput
from courierx_core.mail.address import normalise

COLUMNS_MAX = 200
CELL_MAX = 16 * 1024
"""Characters of one cell; also the longest attribute a template may be given."""
HEAD_BYTES = 64 * 1024

ALIASES: Mapping[str, str] = {
    **dict.fromkeys(("email", "e_mail", "email_address", "emailaddress", "mail", "address"), "email"),
    **dict.fromkeys(("first_name", "firstname", "given_name", "fname", "first"), "first_name"),
    **dict.fromkeys(("last_name", "lastname", "surname", "family_name", "lname", "last"), "last_name"),
    **dict.fromkeys(("name", "full_name", "fullname"), "name"),
}
"""Header names as people write them, once lower-cased with `_` for all else, and what they mean."""


class BadLine(msgspec.Struct, frozen=True):
    """A row that was not taken: the line of the file it begins on, its address as given, why."""

    line: int
    email: str
    reason: str


Row: TypeAlias = NewSubscriber | BadLine


def read_subscribers(stream: BinaryIO, mapping: Mapping[str, str] | None = None) -> Iterator[Row]:
    """Read subscribers from a CSV stream in flat memory.

    UTF-8 with or without a byte order mark, or UTF-16 with one; commas, semicolons or tabs. Columns that
    are neither address nor name become attributes under their header in lower case with `_`. `mapping`
    overrides what a header means: {"Their header": "email" | "first_name" | "last_name" | attribute}.
    Raises InvalidInput when it is no CSV, or has no address column.
    """
    text, delimiter = _decode(stream)
    try:
        reader = csv.reader(text, delimiter=delimiter)
        yield from _rows(reader, _columns(_header(reader), mapping or {}))
    finally:
        text.detach()  # the caller's stream is the caller's to close


def _header(reader: Iterator[list[str]]) -> list[str]:
    try:
        header = next(reader, None)
    except csv.Error as error:
        raise InvalidInput.of("csv", "not_csv", f"the first line cannot be read: {error}") from None
    if not header:
        raise InvalidInput.of("csv", "empty", "the file is empty: its first line must name the columns")
    return header


def _decode(stream: BinaryIO) -> tuple[io.TextIOWrapper, str]:
    buffered = stream if isinstance(stream, io.BufferedReader) else io.BufferedReader(_Raw(stream))
    head = buffered.peek(HEAD_BYTES)
    encoding = "utf-16" if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    if encoding == "utf-8-sig" and b"\0" in head:
        raise InvalidInput.of("csv", "binary", "this is a binary file, not CSV; export it as CSV (UTF-8)")
    # A byte that is not UTF-8 must cost its own line, not the file: it comes through as a surrogate.
    text = io.TextIOWrapper(buffered, encoding, errors="surrogateescape", newline="")
    first = head.decode("utf-16" if encoding == "utf-16" else "utf-8", "replace").partition("\n")[0]
    return text, max(",;\t", key=first.count)


class _Raw(io.RawIOBase):
    """Lets any object with `read` be buffered."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def identifier(header: str) -> str:
    """Turn a header into the name a template uses: "Favourite colour" -> favourite_colour."""
    return re.sub(r"\W+", "_", header.strip().casefold()).strip("_")


def _columns(header: list[str], mapping: Mapping[str, str]) -> list[str]:
    if len(header) > COLUMNS_MAX:
        raise InvalidInput.of(
            "csv", "too_many_columns", f"has {len(header)} columns; {COLUMNS_MAX} are allowed"
        )
    given = {name.strip(): meaning for name, meaning in mapping.items()}
    columns = []
    for name in header:
        key = identifier(name)
        columns.append(given.get(name.strip()) or ALIASES.get(key, key))
    unknown = sorted(set(given) - {name.strip() for name in header})
    if unknown:
        raise InvalidInput.of("mapping", "not_found", f"no column is called {unknown[0]!r}; it has: {header}")
    if "email" not in columns:
        shown = ", ".join(name.strip()[:40] for name in header[:10])
        raise InvalidInput.of(
            "csv", "no_email_column", f"no column holds the address: call one 'email' (it has: {shown})"
        )
    twice = sorted({name for name in columns if name and columns.count(name) > 1})
    if twice:
        raise InvalidInput.of("csv", "duplicate_column", f"two columns mean {twice[0]!r}: rename or drop one")
    return columns


def _rows(reader: Iterator[list[str]], columns: list[str]) -> Iterator[Row]:
    make = _row_maker(columns)
    line = 2
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as error:
            yield BadLine(line, "", f"cannot be read: {error}")
            cells = []
        if cells is None:
            return
        began, line = line, reader.line_num + 1  # type: ignore[attr-defined]
        if not cells or (len(cells) == 1 and not cells[0].strip()):
            continue
        yield make(began, cells)


def _row_maker(columns: list[str]) -> Callable[[int, list[str]], Row]:
    width, at_email = len(columns), columns.index("email")
    place = {name: i for i, name in enumerate(columns)}
    at_first, at_last, at_name = place.get("first_name"), place.get("last_name"), place.get("name")
    special = {"email", "first_name", "last_name"} | ({"name"} if at_first is None else set())
    extra = [(name, i) for i, name in enumerate(columns) if name and name not in special]

    def make(line: int, cells: list[str]) -> Row:
        if len(cells) != width:
            if len(cells) < width and at_email < len(cells):
                cells = cells + [""] * (width - len(cells))
            else:
                return BadLine(line, "", f"has {len(cells)} cells; the header has {width}")
        try:
            email = normalise(cells[at_email].strip())
        except InvalidInput as error:
            return BadLine(line, _shown(cells[at_email]), error.problems[0].message)
        fault = _fault(cells)
        if fault:
            return BadLine(line, email, fault)
        first = cells[at_first].strip() if at_first is not None else ""
        last = cells[at_last].strip() if at_last is not None else ""
        if at_first is None and at_name is not None:
            first, _, rest = cells[at_name].strip().partition(" ")
            last = last or rest.strip()
        attributes: dict[str, Attribute] = {name: cells[i] for name, i in extra if cells[i]}
        return NewSubscriber(email, first, last, attributes)

    return make


def _fault(cells: list[str]) -> str:
    joined = "".join(cells)
    if "\0" in joined:
        return "holds a NUL character"
    if not joined.isascii():
        try:
            joined.encode()
        except UnicodeEncodeError:
            return "is not UTF-8"
    if len(joined) > CELL_MAX and any(len(cell) > CELL_MAX for cell in cells):
        return f"has a cell of more than {CELL_MAX} characters"
    return ""


def _shown(cell: str) -> str:
    return cell.strip()[:254].encode("utf-8", "replace").decode()
