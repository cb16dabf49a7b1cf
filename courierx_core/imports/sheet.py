"""The parts of a workbook that make a sheet's rows: shared strings, styles, the sheet itself."""

from __future__ import annotations

import os
import re
import tempfile
from array import array
from collections.abc import Mapping
from datetime import date, timedelta
from types import TracebackType

from courierx_core.errors import InvalidInput
from courierx_core.imports.csvtable import COLUMNS_MAX
from courierx_core.imports.xmlpart import PartReader

ROWS_MAX = 1_048_576
_DATE_FORMATS = frozenset({*range(14, 23), *range(27, 37), 45, 46, 47, *range(50, 59)})
"""Number formats that Excel has built in and that show a date or a time."""
_NOT_SHOWN = re.compile(r'"[^"]*"|\[[^\]]*\]|\\.|_.')
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
_COLUMN = re.compile(r"([A-Z]{1,3})([0-9]{1,7})")


class StringsReader(PartReader):
    """Texts that cells share, by number; kept on disk, because there may be millions."""

    def __init__(self) -> None:
        super().__init__()
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 (closed by __exit__)
        self._ends = array("Q", [0])
        self._parts: list[str] = []
        self._phonetic = 0

    def __enter__(self) -> StringsReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._file.close()

    def __getitem__(self, number: int) -> str:
        if not 0 <= number < len(self._ends) - 1:
            raise InvalidInput.of("file", "invalid", f"has a cell with text {number}, which is not there")
        begin, end = self._ends[number], self._ends[number + 1]
        return os.pread(self._file.fileno(), end - begin, begin).decode("utf-8", "surrogatepass")

    def end(self) -> None:
        super().end()
        self._file.flush()

    def started(self, tag: str, attributes: Mapping[str, str]) -> None:
        self._phonetic += tag == "rPh"

    def ended(self, tag: str) -> None:
        if tag == "t" and not self._phonetic:
            self._parts.append(self.text())
        elif tag == "rPh":
            self._phonetic -= 1
        elif tag == "si":
            data = "".join(self._parts).encode("utf-8", "surrogatepass")
            self._file.write(data)
            self._ends.append(self._ends[-1] + len(data))
            self._parts.clear()


class StylesReader(PartReader):
    """`dates`: whether each style of a cell shows its number as a date."""

    def __init__(self) -> None:
        super().__init__()
        self.dates: list[bool] = []
        self._own: dict[int, bool] = {}
        self._in_cells = False

    def started(self, tag: str, attributes: Mapping[str, str]) -> None:
        if tag == "numFmt":
            shown = _NOT_SHOWN.sub("", attributes["formatCode"]).lower()
            self._own[int(attributes["numFmtId"])] = any(char in "dmyhs" for char in shown)
        elif tag == "cellXfs":
            self._in_cells = True
        elif tag == "xf" and self._in_cells:
            number = int(attributes.get("numFmtId", "0"))
            self.dates.append(self._own.get(number, number in _DATE_FORMATS))

    def ended(self, tag: str) -> None:
        if tag == "cellXfs":
            self._in_cells = False


class SheetReader(PartReader):
    """Rows as they are complete; whoever feeds it takes them out of `rows`."""

    def __init__(self, strings: StringsReader, dates: list[bool], *, since_1904: bool) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self._strings, self._dates = strings, dates
        self._day_0 = date(1904, 1, 1) if since_1904 else date(1899, 12, 30)
        self._row = self._column = 0
        self._cells: list[str] = []
        self._kind = self._value = ""
        self._style = 0

    def started(self, tag: str, attributes: Mapping[str, str]) -> None:
        if tag == "c":
            self._column = self._place(attributes.get("r", ""), self._column)
            self._kind, self._value = attributes.get("t", "n"), ""
            self._style = int(attributes.get("s", "0"))
        elif tag == "row":
            number = int(attributes.get("r", self._row + 1))
            if not self._row < number <= ROWS_MAX:
                raise InvalidInput.of("file", "invalid", f"has a row {number} below row {self._row}")
            self.rows += [[] for _ in range(number - self._row - 1)]
            self._row, self._column, self._cells = number, 0, []

    def ended(self, tag: str) -> None:
        if tag == "v" or (tag == "t" and self._kind == "inlineStr"):
            self._value += self.text()
        elif tag == "c":
            self._put(self._shown())
        elif tag == "row":
            self.rows.append(self._cells)

    def _put(self, value: str) -> None:
        at = self._column
        self._column += 1
        if not value:
            return
        if at >= COLUMNS_MAX:
            raise InvalidInput.of("file", "too_many_columns", f"has more than {COLUMNS_MAX} columns")
        self._cells += [""] * (at - len(self._cells))
        self._cells.append(value)

    def _place(self, reference: str, otherwise: int) -> int:
        found = _COLUMN.fullmatch(reference)
        if found is None:
            return otherwise
        at = 0
        for letter in found[1]:
            at = at * 26 + ord(letter) - 64
        if at - 1 < len(self._cells):
            raise InvalidInput.of("file", "invalid", f"has cell {reference} out of order")
        return at - 1

    def _shown(self) -> str:
        value = self._value
        match self._kind:
            case "s":
                return _one_line(self._strings[int(value)]) if value else ""
            case "inlineStr" | "str":
                return _one_line(value)
            case "b":
                return "TRUE" if value == "1" else "FALSE"
            case "e":
                return ""
            case "n" if value:
                is_date = self._style < len(self._dates) and self._dates[self._style]
                return (self._date(float(value)) if is_date else "") or _number(value)
        return value

    def _date(self, serial: float) -> str:
        """Write a day's number as ISO 8601; '' for one that is none. Excel thinks that 1900 was a leap
        year, so its days before March of that year are one off."""
        if not 0 <= serial < 2_958_465:  # the end of the year 9999
            return ""
        days, seconds = divmod(round(serial * 86400), 86400)
        if not days:
            return _time(seconds)
        early = days < 60 and self._day_0.year == 1899
        day = (self._day_0 + timedelta(days=days + early)).isoformat()
        return f"{day}T{_time(seconds)}" if seconds else day


def _time(seconds: int) -> str:
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def _number(text: str) -> str:
    """Write a number as a spreadsheet shows it: 15 digits, no exponent where there is no need."""
    value = float(text)
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else format(value, ".15g")


def _one_line(text: str) -> str:
    if "_x" in text:
        text = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)
    return " ".join(text.splitlines()) if not text.isprintable() else text
