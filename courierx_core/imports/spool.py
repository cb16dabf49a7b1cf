"""An upload kept in the store until it is taken in, wherever the worker runs that takes it."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO

from courierx_core.courier import Courier
from courierx_core.ports.store import UnitOfWork

PIECE_BYTES = 256 * 1024
PIECES_AT_ONCE = 16
"""Written in one transaction, so that an upload of a gigabyte keeps nobody waiting."""


def keep(
    courier: Courier,
    tenant_id: int,
    file_id: int,
    stream: BinaryIO,
    also: Callable[[UnitOfWork], object] | None = None,
) -> int:
    """Copy a stream into pieces of a file, and do `also` in each transaction; return its size in bytes."""
    size = number = 0
    more = True
    while more:
        with courier.store.begin(tenant_id) as unit:
            if also is not None:
                also(unit)
            for _ in range(PIECES_AT_ONCE):
                data = stream.read(PIECE_BYTES)
                if data:
                    unit.files.put(file_id, number, zlib.compress(data, 1))
                size, number, more = size + len(data), number + 1, len(data) == PIECE_BYTES
                if not more:
                    break
    return size


class Spooled(io.RawIOBase):
    """Reads a kept file of `size` bytes, piece by piece, each in a transaction of its own."""

    def __init__(self, courier: Courier, tenant_id: int, file_id: int, size: int) -> None:
        self._courier, self._tenant_id, self._file_id, self._size = courier, tenant_id, file_id, size
        self._at = 0
        self._number, self._piece = -1, b""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if self._at >= self._size:
            return 0
        number, begin = divmod(self._at, PIECE_BYTES)
        if number != self._number:
            with self._courier.store.begin(self._tenant_id, write=False) as unit:
                self._piece = zlib.decompress(unit.files.piece(self._file_id, number))
            self._number = number
        data = self._piece[begin : begin + len(buffer)]
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


class LineStream(io.RawIOBase):
    """A readable binary stream over an iterator of lines."""

    def __init__(self, lines: Iterator[bytes]) -> None:
        self._lines = lines
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        size = len(buffer)
        parts, have = [self._rest], len(self._rest)
        while have < size and (line := next(self._lines, None)) is not None:
            parts.append(line)
            have += len(line)
        data = b"".join(parts)
        self._rest = data[size:]
        buffer[: min(size, have)] = data[:size]
        return min(size, have)
