"""The first sheet of an .xlsx workbook as rows of text (ECMA-376, part 1: SpreadsheetML).

Formulas are never evaluated: a cell is the value that was saved with it. Everything is streamed, and every
size is bounded, whatever the file says of itself (SECURITY: S10).
"""

from __future__ import annotations

import csv
import io
import re
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from posixpath import join, normpath
from typing import BinaryIO, cast
from xml.parsers import expat

from courierx_core.errors import InvalidInput
from courierx_core.imports.sheet import SheetReader, StringsReader, StylesReader
from courierx_core.imports.xmlpart import PartReader

SIGNATURE = b"PK\x03\x04"
OLD_SIGNATURE = b"\xd0\xcf\x11\xe0"
"""Of .xls files, and of workbooks with a password."""
PARTS_MAX = 10_000
PARTS_BYTES_MAX = 2 << 30
RATIO_MAX = 200
"""How far a part over a megabyte may be compressed; Excel's own stay far below."""
TABLE_BYTES_MAX = 1 << 30
"""Of the sheet as CSV: a text is stored once, and a million cells may show it."""
_ROWS_AT_ONCE = 1000
_RATIO_FROM = 1 << 20
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_BROKEN = (zipfile.BadZipFile, zlib.error, expat.ExpatError, EOFError, KeyError, ValueError, RuntimeError)


def is_workbook(file: BinaryIO) -> bool:
    """Tell by its first bytes, and go back to them. Raises InvalidInput for an old one."""
    file.seek(0)
    head = file.read(4)
    file.seek(0)
    if head == OLD_SIGNATURE:
        raise refused("is an .xls workbook, or one with a password; save it as .xlsx without, or as CSV")
    return head == SIGNATURE


def check_workbook(file: BinaryIO) -> None:
    """Raise InvalidInput where it is no workbook, or unpacks to more than is reasonable."""
    try:
        _Parts(file).sheet()
    except _BROKEN as problem:
        raise refused(f"cannot be read as a workbook: {problem}") from None


def sheet_rows(file: BinaryIO) -> Iterator[list[str]]:
    """Read the first visible sheet from row 1, a list of cells for each row up to its last value.

    Dates come as ISO 8601, line breaks in a cell as spaces, so that a row is a line. Raises InvalidInput.
    """
    try:
        parts = _Parts(file)
        sheet = parts.sheet()
        with StringsReader() as strings:
            parts.read("sharedStrings", strings)
            styles = StylesReader()
            parts.read("styles", styles)
            reader = SheetReader(strings, styles.dates, since_1904=parts.since_1904)
            for chunk in parts.chunks(sheet):
                reader.feed(chunk)
                yield from reader.rows
                reader.rows.clear()
            reader.end()
    except _BROKEN as problem:
        raise refused(f"cannot be read as a workbook: {problem}") from None


@contextmanager
def table_of(file: BinaryIO) -> Iterator[BinaryIO]:
    """Give a file as CSV: a workbook's first sheet in a temporary file, and anything else as it is."""
    if not is_workbook(file):
        yield file
        return
    with tempfile.TemporaryFile() as table:
        for lines in csv_of(file):
            table.write(lines)
        table.seek(0)
        yield cast("BinaryIO", table)


def csv_of(file: BinaryIO) -> Iterator[bytes]:
    """Write the first sheet as CSV, some rows at a time, a line each. Raises InvalidInput."""
    size, rows = 0, sheet_rows(file)
    while some := list(islice(rows, _ROWS_AT_ONCE)):
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator="\n").writerows(some)
        data = text.getvalue().encode("utf-8", "surrogatepass")
        size += len(data)
        if size > TABLE_BYTES_MAX:
            raise refused(f"holds a sheet of more than {TABLE_BYTES_MAX >> 30} GiB of text")
        yield data


def refused(why: str) -> InvalidInput:
    return InvalidInput.of("file", "invalid", why)


class _Parts:
    """What the package holds, and where its workbook says what is."""

    def __init__(self, file: BinaryIO) -> None:
        self._zip = zipfile.ZipFile(file)
        self._infos = {each.filename: each for each in self._zip.infolist()}
        self._check_sizes()
        book = _WorkbookReader()
        self._read("xl/workbook.xml", book)
        relations = _RelationsReader()
        self._read("xl/_rels/workbook.xml.rels", relations)
        self._book, self._relations = book, relations.targets
        self.since_1904 = book.since_1904

    def sheet(self) -> str:
        """Return the name of the first visible sheet's part."""
        if not self._book.sheets:
            raise refused("holds no visible sheet")
        target = self._relations[self._book.sheets[0]][1]
        self._infos[target]  # KeyError: it is not there
        return target

    def read(self, kind: str, reader: PartReader) -> None:
        """Read the part of a kind of relation, if there is one."""
        for of_kind, target in self._relations.values():
            if of_kind == kind and target in self._infos:
                self._read(target, reader)

    def chunks(self, name: str) -> Iterator[bytes]:
        with self._zip.open(self._infos[name]) as part:
            while chunk := part.read(64 * 1024):
                yield chunk

    def _read(self, name: str, reader: PartReader) -> None:
        for chunk in self.chunks(name):
            reader.feed(chunk)
        reader.end()

    def _check_sizes(self) -> None:
        infos = self._infos.values()
        if len(infos) > PARTS_MAX:
            raise refused(f"holds {len(infos):,} parts; {PARTS_MAX:,} are allowed")
        if sum(each.file_size for each in infos) > PARTS_BYTES_MAX:
            raise refused(f"unpacks to more than {PARTS_BYTES_MAX >> 30} GiB")
        for each in infos:
            if each.compress_type not in _METHODS:
                raise refused("is packed in a way that no workbook is")
            if each.file_size > max(_RATIO_FROM, each.compress_size * RATIO_MAX):
                raise refused(f"is compressed more than {RATIO_MAX}:1, as no workbook is; save it as CSV")


class _WorkbookReader(PartReader):
    """Visible sheets, by the id of their relation, and which day dates count from."""

    def __init__(self) -> None:
        super().__init__()
        self.sheets: list[str] = []
        self.since_1904 = False

    def started(self, tag: str, attributes: Mapping[str, str]) -> None:
        if tag == "workbookPr":
            self.since_1904 = attributes.get("date1904") in ("1", "true")
        elif tag == "sheet" and attributes.get("state", "visible") == "visible":
            self.sheets.append(next(value for name, value in attributes.items() if re.search(r":id$", name)))


class _RelationsReader(PartReader):
    """Kind and part of each relation, by its id."""

    def __init__(self) -> None:
        super().__init__()
        self.targets: dict[str, tuple[str, str]] = {}

    def started(self, tag: str, attributes: Mapping[str, str]) -> None:
        if tag == "Relationship":
            target = attributes["Target"]
            part = target.lstrip("/") if target.startswith("/") else normpath(join("xl", target))
            self.targets[attributes["Id"]] = (attributes["Type"].rpartition("/")[2], part)
