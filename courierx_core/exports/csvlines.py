"""CSV that leaves here: RFC 4180, and no cell that a spreadsheet would take for a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

_DANGEROUS = ("=", "+", "-", "@", "\t", "\r")


def csv_lines(rows: Iterable[Sequence[object]]) -> bytes:
    """Write rows, each ending in CRLF; None is an empty cell."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows([["" if cell is None else defused(cell) for cell in row] for row in rows])
    return text.getvalue().encode("utf-8", "replace")


def defused(cell: object) -> object:
    """Return a text that begins like a formula with an apostrophe before it, as spreadsheets write a text
    (SECURITY: S07); anything else as it is."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_DANGEROUS) else cell
