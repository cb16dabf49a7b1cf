"""What a store keeps of imports: the files, how far each is, and the lines that were not taken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from courierx_core.imports.model import BadLine, Import, ImportState


class Files(Protocol):
    """Files in pieces of a few 100 kB, so that none is ever in memory whole."""

    def new(self) -> int:
        """Return the id of a file without pieces."""

    def put(self, file_id: int, number: int, data: bytes) -> None:
        """Keep a piece; they are numbered from 0."""

    def piece(self, file_id: int, number: int) -> bytes:
        """Raises NotFound for a piece that is not there."""

    def remove(self, file_id: int) -> None:
        """Drop its pieces, if there are any."""


class Imports(Protocol):
    def add(self, import_: Import) -> Import: ...
    def get(self, import_id: int) -> Import: ...
    def list(self, *, before: int | None = None, limit: int = 100) -> Sequence[Import]: ...
    def save(self, import_: Import, *, was: ImportState) -> Import:
        """Write it if its stored state is still `was`, else raise Conflict; one that is over is finished
        now."""

    def note_errors(self, import_id: int, errors: Sequence[BadLine]) -> None:
        """Keep lines that were not taken; a line's first word stays."""

    def errors(self, import_id: int, *, after: int = 0, limit: int = 1000) -> Sequence[BadLine]:
        """List them by line, from below line `after`."""
