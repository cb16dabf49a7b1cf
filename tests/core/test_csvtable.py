"""A CSV file gone on with from any of its rows gives the rows that are left, and no others."""

from __future__ import annotations

import csv
import io
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from courierx_core.errors import InvalidInput
from courierx_core.imports.csvtable import LINE_MAX, CsvTable, Row

_cells = st.text(st.sampled_from("aé😀\"',;\t\r\n "), max_size=4)
_rows = st.lists(st.lists(_cells, min_size=1, max_size=3), max_size=8)


def written(rows: list[list[str]], delimiter: str, end: str) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, lineterminator=end).writerows([["email", "b", "c"], *rows])
    return text.getvalue()


@given(
    rows=_rows,
    delimiter=st.sampled_from(",;\t"),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_every_place_is_where_the_rest_begins(
    rows: list[list[str]], delimiter: str, end: str, encoding: str
) -> None:
    data = written(rows, delimiter, end).encode(encoding)
    table = CsvTable(io.BytesIO(data))
    places, read = [table.place], list[Row]()
    for row in table:
        read.append(row)
        places.append(table.place)
    for at, place in enumerate(places):
        assert list(CsvTable(io.BytesIO(data), place)) == read[at:]
    assert [row.cells for row in read if not row.fault] == [
        row
        for row in csv.reader(io.StringIO(data.decode(encoding), newline=""), delimiter=delimiter)
        if len(row) > 1 or (row and row[0].strip())
    ][1:]


def test_the_first_line_alone_says_the_delimiter_whatever_ends_it() -> None:
    assert [row.cells for row in CsvTable(io.BytesIO(b"email,b\ra;;;b,c\r"))] == [["a;;;b", "c"]]


@given(st.binary(max_size=200))
def test_any_bytes_are_rows_or_one_clear_refusal(data: bytes) -> None:
    with suppress(InvalidInput):
        assert all(row.line > 1 for row in CsvTable(io.BytesIO(data)))


def test_a_file_without_line_ends_is_not_read_into_memory() -> None:
    class Endless(io.RawIOBase):
        given = 0

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
            buffer[:] = b"x" * len(buffer)
            self.given += len(buffer)
            return len(buffer)

    stream = Endless()
    with pytest.raises(InvalidInput, match="no CSV file"):
        CsvTable(stream)  # type: ignore[arg-type]
    assert stream.given < 4 * LINE_MAX
