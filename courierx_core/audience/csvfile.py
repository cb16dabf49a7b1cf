"""Subscribers in a CSV file: a stream of rows, each valid or refused with its line number and reason."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import BinaryIO

from courierx_core.audience.model import Attribute, NewSubscriber
from courierx_core.errors import InvalidInput
from courierx_core.imports.csvtable import CsvTable, Place
from courierx_core.imports.model import BadLine
from courierx_core.mail.address import normalise

CELL_MAX = 16 * 1024
NAME_MAX = 100
"""Characters of one cell; also the longest attribute a template may be given."""

ALIASES: Mapping[str, str] = {
    **dict.fromkeys(("email", "e_mail", "email_address", "emailaddress", "mail", "address"), "email"),
    **dict.fromkeys(("first_name", "firstname", "given_name", "fname", "first"), "first_name"),
    **dict.fromkeys(("last_name", "lastname", "surname", "family_name", "lname", "last"), "last_name"),
    **dict.fromkeys(("name", "full_name", "fullname"), "name"),
}
"""Header names as people write them, once lower-cased with `_` for all else, and what they mean."""


class SubscriberFile:
    """Reads subscribers from a CSV stream in flat memory; see `CsvTable` for the form and for `place`.

    Columns that are neither address nor name become attributes under their header in lower case with `_`.
    `mapping` overrides what a header means: {"Their header": "email" | "first_name" | "last_name" |
    attribute}. Raises InvalidInput when it is no CSV, or has no address column.
    """

    def __init__(
        self, stream: BinaryIO, mapping: Mapping[str, str] | None = None, place: Place | None = None
    ) -> None:
        self._table = CsvTable(stream, place)
        self._make = _row_maker(_columns(self._table.header, mapping or {}))

    def __iter__(self) -> Iterator[NewSubscriber | BadLine]:
        make = self._make
        for row in self._table:
            yield BadLine(row.line, "", row.fault) if row.fault else make(row.line, row.cells)

    @property
    def place(self) -> Place:
        return self._table.place

    def close(self) -> None:
        """Let go of the stream, which is the caller's to close."""
        self._table.close()


def identifier(header: str) -> str:
    """Turn a header into the name a template uses: "Favourite colour" -> favourite_colour."""
    return re.sub(r"\W+", "_", header.strip().casefold()).strip("_")


def _columns(header: list[str], mapping: Mapping[str, str]) -> list[str]:
    given = {name.strip(): meaning for name, meaning in mapping.items()}
    columns = []
    for name in header:
        key = identifier(name)
        columns.append(given.get(name.strip()) or ALIASES.get(key, key))
    odd = [meaning for meaning in given.values() if identifier(meaning) != meaning or len(meaning) > NAME_MAX]
    if odd:
        raise InvalidInput.of(
            "mapping", "invalid", f"{odd[0][:40]!r} is no name of an attribute: use a-z, 0-9 and _"
        )
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


def _row_maker(columns: list[str]) -> Callable[[int, list[str]], NewSubscriber | BadLine]:
    width, at_email = len(columns), columns.index("email")
    place = {name: i for i, name in enumerate(columns)}
    at_first, at_last, at_name = place.get("first_name"), place.get("last_name"), place.get("name")
    special = {"email", "first_name", "last_name"} | ({"name"} if at_first is None else set())
    extra = [(name, i) for i, name in enumerate(columns) if name and name not in special]

    def make(line: int, cells: list[str]) -> NewSubscriber | BadLine:
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
