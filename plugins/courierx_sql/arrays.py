"""Columns as PostgreSQL's binary arrays, packed whole: a window of 100 costs some 1 us a row and no
Python object per value (psycopg's own list dumper makes one for each)."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import lru_cache

from psycopg import Connection
from psycopg.adapt import Buffer, Dumper
from psycopg.pq import Format

_INT8, _INT8_ARRAY = 20, 1016
_TEXT, _TEXT_ARRAY = 25, 1009


class Int8s(bytes):
    """A packed int8[]."""


class Texts(bytes):
    """A packed text[]."""


def int8s(values: Sequence[int]) -> Int8s:
    n = len(values)
    cells = [8] * (2 * n)
    cells[1::2] = values
    return Int8s(_head(_INT8, n) + _cells(n).pack(*cells))


def texts(values: Sequence[str]) -> Texts:
    n = len(values)
    if n and values.count(values[0]) == n:  # most columns hold one value: 'accepted', ''
        return Texts(_head(_TEXT, n) + _cell(values[0]) * n)
    return Texts(_head(_TEXT, n) + b"".join(map(_cell, values)))


def register(connection: Connection[tuple[object, ...]]) -> None:
    """Teach a connection to send both."""
    connection.adapters.register_dumper(Int8s, _Int8sDumper)
    connection.adapters.register_dumper(Texts, _TextsDumper)


class _Packed(Dumper):
    format = Format.BINARY

    def dump(self, obj: bytes) -> Buffer:
        return obj


class _Int8sDumper(_Packed):
    oid = _INT8_ARRAY


class _TextsDumper(_Packed):
    oid = _TEXT_ARRAY


_LENGTH = struct.Struct(">i")
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
