"""Workbooks: the first sheet as text, as a person sees it; what is none is refused in a sentence."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from litestar import Litestar
from litestar.testing import TestClient

from courierx_core.courier import Courier
from courierx_core.errors import InvalidInput
from courierx_core.imports import sheet, workbook, xmlpart
from courierx_core.imports.workbook import check_workbook, sheet_rows, table_of
from tests.app.test_api_imports import ASYNC, PATH, turns

Client = TestClient[Litestar]
Rows = list[list[Any]]


def saved(rows: Rows, change: Callable[[Any], None] = lambda _: None) -> bytes:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    change(book)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def read(data: bytes) -> list[list[str]]:
    return list(sheet_rows(io.BytesIO(data)))


def rezipped(data: bytes, parts: Mapping[str, Callable[[bytes], bytes]]) -> bytes:
    """Rewrite some parts of a workbook."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, parts.get(name, lambda same: same)(old.read(name)))
    return file.getvalue()


SHEET = "xl/worksheets/sheet1.xml"
ONE = saved([["email"], ["a@x.example"]])


def test_cells_are_as_a_person_sees_them() -> None:
    rows: Rows = [
        ["email", "n", "when"],
        ["a@x.example", 42, date(2026, 3, 1)],
        ["b@x.example", 0.1 + 0.2, datetime(2026, 3, 1, 18, 30, 15)],  # noqa: DTZ001
        ["c@x.example", 491701234567, time(7, 5)],
        ["d@x.example", True, date(1900, 1, 5)],
        ["two\nlines", -1.5e-7, "_x0041_"],
        [None, "", "only the third"],
        ["=1+1", "#N/A", None],
    ]
    assert read(saved(rows)) == [
        ["email", "n", "when"],
        ["a@x.example", "42", "2026-03-01"],
        ["b@x.example", "0.3", "2026-03-01T18:30:15"],
        ["c@x.example", "491701234567", "07:05:00"],
        ["d@x.example", "TRUE", "1900-01-05"],
        ["two lines", "-1.5e-07", "A"],
        ["", "", "only the third"],
        [],  # a formula nobody has evaluated has no value, and an error is none
    ]


def test_a_formula_is_what_was_saved_with_it() -> None:
    def evaluated(part: bytes) -> bytes:
        return (
            part.replace(b"<v></v>", b"<v>2</v>").replace(b"<v />", b"<v>2</v>").replace(b"<v/>", b"<v>2</v>")
        )

    data = rezipped(saved([["email"], ["=1+1"]]), {SHEET: evaluated})
    assert read(data) == [["email"], ["2"]]


def test_dates_may_count_from_1904() -> None:
    def of_1904(book: Any) -> None:
        book.epoch = openpyxl.utils.datetime.CALENDAR_MAC_1904

    assert read(saved([[date(2026, 3, 1)]], of_1904)) == [["2026-03-01"]]


def test_the_first_visible_sheet_is_read() -> None:
    def hide_the_first(book: Any) -> None:
        book.create_sheet("Shown").append(["email"])
        book.active.sheet_state = "hidden"

    assert read(saved([["secret"]], hide_the_first)) == [["email"]]


def test_rows_keep_their_numbers() -> None:
    def far_below(book: Any) -> None:
        book.active["B5"] = "here"

    assert read(saved([["email"]], far_below)) == [["email"], [], [], [], ["", "here"]]


_cells = st.one_of(
    st.none(),
    st.integers(-(10**14), 10**14),
    st.booleans(),
    st.text(st.characters(exclude_categories=["C", "Z"]) | st.just(" "), max_size=5).filter(
        lambda text: not text.startswith(("=", "#")) and "_x" not in text
    ),
    st.dates(date(1900, 3, 1), date(2200, 1, 1)),
)


@settings(max_examples=50)
@given(st.lists(st.lists(_cells, max_size=4), max_size=5))
def test_it_reads_what_another_library_writes(rows: Rows) -> None:
    def shown(cell: Any) -> str:
        if isinstance(cell, bool):
            return str(cell).upper()
        return "" if cell is None else cell.isoformat() if isinstance(cell, date) else str(cell)

    expected = [[shown(cell) for cell in row] for row in rows]
    for row in expected:
        while row and not row[-1]:
            row.pop()
    while expected and not expected[-1]:
        expected.pop()
    found = read(saved(rows))
    while found and not found[-1]:
        found.pop()
    assert found == expected


def test_a_workbook_is_imported_by_a_worker(client: Client, courier: Courier, tenant_id: int) -> None:
    rows: Rows = [["E-Mail", "First name", "Joined"]]
    rows += [[f"p{n}@x.example" if n % 5 else "nobody", f"Zoë {n}", date(2026, 3, 1)] for n in range(40)]
    answer = client.post(PATH, params={"tenant_id": tenant_id}, files={"file": ("people.xlsx", saved(rows))})
    assert answer.status_code == 202, answer.text
    list(turns(courier))
    done = client.get(f"/imports/{answer.json()['id']}").json()
    assert (done["state"], done["imported"], done["bad"], done["progress"]) == ("done", 32, 8, 1.0)
    errors = client.get(f"/imports/{done['id']}/errors.csv").text.splitlines()[1:]
    assert [int(line.partition(",")[0]) for line in errors] == [2 + 5 * n for n in range(8)]
    person = client.get("/subscribers", params={"tenant_id": tenant_id, "q": "p1@"}).json()[0]
    assert (person["first_name"], person["attributes"]) == ("Zoë 1", {"joined": "2026-03-01"})


def test_a_crash_while_a_workbook_is_unpacked_starts_that_again(
    client: Client, courier: Courier, tenant_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows: Rows = [["email"], *([f"p{n}@x.example"] for n in range(50))]
    made = client.post(
        PATH, params={"tenant_id": tenant_id}, files={"file": ("p.xlsx", saved(rows))}, headers=ASYNC
    ).json()
    with courier.store.begin(tenant_id) as unit:  # what a crash leaves
        unit.files.put(unit.imports.get(made["id"]).file_id, 0, b"half")
    list(turns(courier))
    done = client.get(f"/imports/{made['id']}").json()
    assert (done["state"], done["imported"]) == ("done", 50)


def test_the_command_takes_a_workbook(configuration: Any, tenant_id: int, tmp_path: Path) -> None:
    file = tmp_path / "people.xlsx"
    file.write_bytes(ONE)
    with file.open("rb") as stream, table_of(stream) as table:
        assert table.read() == b"email\na@x.example\n"


def _broken() -> Mapping[str, bytes]:
    def with_doctype(part: bytes) -> bytes:
        bomb = b'<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
        return re.sub(rb"<worksheet", bomb + b"<worksheet", part, count=1)

    def with_text(text: bytes) -> Callable[[bytes], bytes]:
        cell = b'<row r="9"><c r="A9" t="inlineStr"><is><t>' + text + b"</t></is></c></row></sheetData>"
        return lambda part: part.replace(b"</sheetData>", cell)

    def with_cells(cells: bytes) -> Callable[[bytes], bytes]:
        return lambda part: part.replace(b"</sheetData>", b'<row r="9">' + cells + b"</row></sheetData>")

    return {
        "no zip": b"PK\x03\x04 and so on",
        "cut off": ONE[: len(ONE) // 2],
        "a zip of something": rezipped(ONE, {})[:0] or _zip({"a.txt": b"a"}),
        "an old workbook": b"\xd0\xcf\x11\xe0" + b"\0" * 600,
        "an entity bomb": rezipped(ONE, {SHEET: with_doctype}),
        "a zip bomb": rezipped(ONE, {SHEET: with_text(b"a" * 50_000_000)}),
        "a long cell": rezipped(ONE, {SHEET: with_text(bytes(range(97, 123)) * 2_000)}),
        "a far column": rezipped(ONE, {SHEET: with_cells(b'<c r="XFD9"><v>1</v></c>')}),
        "a text that is not there": rezipped(ONE, {SHEET: with_cells(b'<c r="A9" t="s"><v>99</v></c>')}),
        "a row that goes back": rezipped(
            ONE, {SHEET: with_cells(b'</row><row r="3"><c r="A3"><v>1</v></c>')}
        ),
        "a cell that goes back": rezipped(
            ONE, {SHEET: with_cells(b'<c r="B9"><v>1</v></c><c r="A9"><v>1</v></c>')}
        ),
        "no number": rezipped(ONE, {SHEET: with_cells(b'<c r="A9"><v>one</v></c>')}),
        "cut off XML": rezipped(ONE, {SHEET: lambda part: part[:-20]}),
    }


def _zip(parts: Mapping[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        for name, data in parts.items():
            made.writestr(name, data)
    return file.getvalue()


@pytest.mark.parametrize(("name", "data"), _broken().items(), ids=_broken())
def test_a_broken_one_is_refused_in_a_sentence(name: str, data: bytes) -> None:
    with pytest.raises(InvalidInput) as refused, table_of(io.BytesIO(data)):
        pass
    assert refused.value.problems[0].field == "file"


@pytest.mark.parametrize("name", ["no zip", "a zip of something", "an old workbook", "a zip bomb"])
def test_what_is_plainly_no_workbook_is_refused_at_once(client: Client, tenant_id: int, name: str) -> None:
    answer = client.post(
        PATH, params={"tenant_id": tenant_id}, files={"file": ("people.xlsx", _broken()[name])}
    )
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "file"), answer.text


def test_a_tag_without_end_is_not_kept_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbook, "RATIO_MAX", 10_000)
    tag = b'<row r="9" x="' + b"a" * (4 * xmlpart.TOKEN_MAX)
    data = rezipped(ONE, {SHEET: lambda part: part.replace(b"</sheetData>", tag)})
    with pytest.raises(InvalidInput, match="has a tag of more"):
        read(data)


def test_a_text_that_a_million_cells_show_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbook, "TABLE_BYTES_MAX", 100_000)
    data = saved([["email"], *([["a" * 1000] * 10] * 20)])
    check_workbook(io.BytesIO(data))
    with pytest.raises(InvalidInput, match="of text"), table_of(io.BytesIO(data)):
        pass


def test_rows_have_an_end() -> None:
    far = f'<row r="{sheet.ROWS_MAX + 1}"/></sheetData>'.encode()
    with pytest.raises(InvalidInput, match="has a row"):
        read(rezipped(ONE, {SHEET: lambda part: part.replace(b"</sheetData>", far)}))
