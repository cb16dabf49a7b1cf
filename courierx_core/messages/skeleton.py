"""A message with holes: what all recipients share, and what is written into it for each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import TypeAlias

from courierx_core.mail.mime import Pieces
from courierx_core.mail.token import Kind, Stamps
from courierx_core.mail.wire import fits_a_line, is_ready
from courierx_core.messages.model import Recipient
from courierx_core.messages.segments import Extra

Encode: TypeAlias = Callable[[Recipient, Extra], bytes]
"""Write one value, ready for its place."""
Late: TypeAlias = Callable[[Mapping[str, object]], Sequence[bytes]]
"""Run a program over the template variables and write what it gave, `on_the_wire` already: CRLF line ends,
no line that begins with a dot."""
Variables: TypeAlias = Callable[[Recipient, Extra, Sequence[bytes]], Mapping[str, object]]


class Skeleton:
    """Made in three steps: name the holes, `seal` the pieces, `fill` for each recipient.

    Holes are places in the pool of a recipient: the parts of its tokens, then values, then (counted
    from the end) what programs wrote.
    """

    def __init__(self, stamps: Stamps) -> None:
        self._stamps = stamps
        self._first_value = 1 + len(stamps.heads)
        self._values: list[Encode] = []
        self._late: list[Late] = []
        self._late_holes = 0
        self._parts: list[bytes] = []
        self._ready = False
        self._order: Callable[[list[bytes]], tuple[bytes, ...]] = tuple

    def token(self, kind: Kind, link: int = 0) -> tuple[str, Pieces]:
        """Return the beginning of a token, alike for everybody, and the holes for the rest of it."""
        place = self._stamps.place(kind, link)
        return self._stamps.heads[place], (0, place + 1)

    def value(self, write: Encode) -> int:
        """Return a hole for what `write` gives."""
        self._values.append(write)
        return self._first_value + len(self._values) - 1

    def late(self, write: Late, count: int) -> Sequence[int]:
        """Return `count` holes for what `write` gives."""
        self._late.append(write)
        first = self._late_holes
        self._late_holes += count
        return range(-first - 1, -first - 1 - count, -1)

    def seal(self, pieces: Pieces) -> None:
        """Bring the pieces to the form that fills fast: bytes and holes in turn."""
        parts, order = [b""], []
        for piece in pieces:
            if isinstance(piece, bytes):
                parts[-1] += piece
            else:
                order.append(piece)
                parts += (b"", b"")
        self._parts, self._ready = parts, is_ready(parts[::2])
        self._order = itemgetter(*order)

    def fill(
        self, recipient: Recipient, extra: Extra, tokens: Sequence[bytes], variables: Variables
    ) -> tuple[bytes, bool]:
        """Return the message of one recipient, and whether SMTP carries it as it is: what is fixed was looked
        at once and tokens are letters and digits, so what is left to look at is short. Raises RenderError."""
        values = [write(recipient, extra) for write in self._values]
        is_wire = self._ready and fits_a_line(values)
        pool = [*tokens, *values]
        if self._late:
            known = variables(recipient, extra, tokens)
            written = [piece for write in self._late for piece in write(known)]
            pool += reversed(written)
        parts = self._parts.copy()
        parts[1::2] = self._order(pool)
        return b"".join(parts), is_wire
