"""Subscribers from CSV: every data line is a person or a reported line, whatever the file holds."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from courierx_core.audience.csvfile import SubscriberFile
from courierx_core.audience.model import NewSubscriber
from courierx_core.errors import InvalidInput
from courierx_core.imports.model import BadLine

Row = NewSubscriber | BadLine


def read(data: bytes | str, **kw: object) -> list[Row]:
    raw = data.encode() if isinstance(data, str) else data
    return list(SubscriberFile(io.BytesIO(raw), **kw))  # type: ignore[arg-type]


def people(rows: list[Row]) -> list[NewSubscriber]:
    return [row for row in rows if isinstance(row, NewSubscriber)]


def bad(rows: list[Row]) -> list[BadLine]:
    return [row for row in rows if isinstance(row, BadLine)]


def test_headers_are_understood_as_people_write_them() -> None:
    rows = read("E-Mail,First Name,SURNAME,Favourite Colour\nANN@X.example,Ann,Lee,red\n")
    assert rows == [NewSubscriber("ann@x.example", "Ann", "Lee", {"favourite_colour": "red"})]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_encodings_and_delimiters(encoding: str, delimiter: str) -> None:
    text = delimiter.join(["email", "first_name"]) + "\r\n" + delimiter.join(["a@x.example", "Zoë"]) + "\r\n"
    assert read(text.encode(encoding)) == [NewSubscriber("a@x.example", "Zoë")]


def test_quoted_newlines_survive_and_lines_are_still_counted() -> None:
    rows = read('email,note\na@x.example,"two\nlines"\nnot an address,x\n')
    assert people(rows)[0].attributes == {"note": "two\nlines"}
    assert [(b.line, b.email) for b in bad(rows)] == [(4, "not an address")]


def test_one_bad_byte_costs_its_line_and_no_other() -> None:
    rows = read(b"email,name\na@x.example,caf\xe9\nb@x.example,ok\n")
    assert [b.line for b in bad(rows)] == [2]
    assert "UTF-8" in bad(rows)[0].reason
    assert [p.email for p in people(rows)] == ["b@x.example"]


def test_a_single_name_column_is_split() -> None:
    assert read("email,name\na@x.example,Ann van Lee\n") == [NewSubscriber("a@x.example", "Ann", "van Lee")]


def test_a_mapping_overrides_the_header() -> None:
    rows = read("kontakt,vorname\na@x.example,Ann\n", mapping={"kontakt": "email", "vorname": "first_name"})
    assert rows == [NewSubscriber("a@x.example", "Ann")]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "empty"),
        (b"name,city\nAnn,Oslo\n", "no_email_column"),
        (b"email,Email\n", "duplicate_column"),
        (b"PK\x03\x04\x00\x00binary", "binary"),
        (b",".join([b"email"] + [b"c%d" % i for i in range(300)]), "too_many_columns"),
    ],
)
def test_what_is_no_list_of_people_is_refused_whole(data: bytes, code: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read(data)
    assert caught.value.problems[0].code == code


@given(st.binary(max_size=300))
def test_no_bytes_end_in_anything_but_rows_or_a_refusal(junk: bytes) -> None:
    try:
        rows = read(b"email,first_name\na@x.example,Ann\n" + junk)
    except InvalidInput:
        return
    assert all(isinstance(row, NewSubscriber | BadLine) for row in rows)


@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40)))
def test_any_text_in_an_attribute_comes_through(values: list[str]) -> None:
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(["email", "note"])
    for i, value in enumerate(values):
        writer.writerow([f"p{i}@x.example", value])
    found = people(read(out.getvalue()))
    assert [p.email for p in found] == [f"p{i}@x.example" for i in range(len(values))]
    assert [p.attributes.get("note", "") for p in found] == values
