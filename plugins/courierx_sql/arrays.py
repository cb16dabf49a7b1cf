"""Columns as PostgreSQL's binary arrays, packed whole: a window of 100 costs some 1 us a row and no
Python object per value (psycopg's own list dumper makes one for each)."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import lru_cache

_INT8, _TEXT, _FLOAT8 = 20, 25, 701


class Packed(bytes):
    """A value in PostgreSQL's binary form."""


def int8s(values: Sequence[int]) -> Packed:
    n = len(values)
    cells = [8] * (2 * n)
    cells[1::2] = values
    return Packed(_head(_INT8, n) + _cells(n).pack(*cells))


def float8s(values: Sequence[float]) -> Packed:
    return Packed(_head(_FLOAT8, len(values)) + b"".join(_FLOAT_CELL.pack(8, value) for value in values))


def texts(values: Sequence[str]) -> Packed:
    n = len(values)
    if n and values.count(values[0]) == n:  # most columns hold one value: 'accepted', ''
        return Packed(_head(_TEXT, n) + _cell(values[0]) * n)
    return Packed(_head(_TEXT, n) + b"".join(map(_cell, values)))


_LENGTH = struct.Struct(">i")
_FLOAT_CELL = struct.Struct(">id")
_HEAD = struct.Struct(">5i")


def _head(element: int, n: int) -> bytes:
    # dimensions, has nulls, element type; of the one dimension: length, lower bound
    return _HEAD.pack(1, 0, element, n, 1)


def _cell(value: str) -> bytes:
    # the far side's words may hold what a text column does not take; that must not stop a window
    text = value.encode(errors="replace").replace(b"\0", b"?")
    return _LENGTH.pack(len(text)) + text


@lru_cache(maxsize=1024)
def _cells(n: int) -> struct.Struct:
    return struct.Struct(">" + "iq" * n)
