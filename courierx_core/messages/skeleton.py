"""A message with holes: what all recipients share, and what is written into it for each."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import add, itemgetter
from typing import TypeAlias

from courierx_core.mail.mime import Pieces
from courierx_core.mail.token import Kind, Stamps
from courierx_core.mail.wire import fits_a_line, is_ready
from courierx_core.messages.model import Recipient
from courierx_core.messages.segments import Extra, Read

Write: TypeAlias = Callable[[object], bytes]
"""Write a value that does not stand for itself, ready for its place. Raises RenderError."""
Tokens: TypeAlias = tuple[bytes, ...]
Late: TypeAlias = Callable[[Mapping[str, object]], Sequence[bytes]]
"""Run a program over the template variables and write what it gave, `on_the_wire` already: CRLF line ends,
no line that begins with a dot."""
Variables: TypeAlias = Callable[[Recipient, Extra, Tokens], Mapping[str, object]]


# What stands for itself wherever it is put, in a quoted-printable text, HTML or not, and in a field of the
# header: most names, ordinary addresses, short lines of text. Each ends with LF here.
_FOR_THEMSELVES = re.compile(r"(?:(?![ .]|From )[ !#-%(-;?-~]{0,66}(?<! )\n)*").fullmatch


class Skeleton:
    """Made in three steps: name the holes, `seal` the pieces, `fill` for each recipient.

    Holes are places in the pool of a recipient: the parts of its tokens, then values, then (counted
    from the end) what programs wrote.
    """

    def __init__(self, stamps: Stamps) -> None:
        self._stamps = stamps
        self._first_value = 1 + len(stamps.heads)
        self._values: list[tuple[Read, Write]] = []
        self._late: list[Late] = []
        self._late_holes = 0
        self._parts: list[bytes] = []
        self._ready = False
        self._order: Callable[[Sequence[bytes]], Sequence[bytes]] = tuple

    def token(self, kind: Kind, link: int = 0) -> tuple[str, Pieces]:
        """Return the beginning of a token, alike for everybody, and the holes for the rest of it."""
        place = self._stamps.place(kind, link)
        return self._stamps.heads[place], (0, place + 1)

    def value(self, read: Read, write: Write) -> int:
        """Return a hole for a value that `read` gives and `write` brings to its form, where it needs one."""
        self._values.append((read, write))
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
        self, recipients: Sequence[Recipient], extra: Extra, tokens: Sequence[Tokens], variables: Variables
    ) -> tuple[list[bytes], bool]:
        """Return each recipient's message, and whether SMTP carries them as they are: what is fixed was
        looked at once and tokens are letters and digits, so what is left to look at is short. Raises
        RenderError where one of them cannot be rendered."""
        rows, is_wire = self._rows(recipients, extra)
        pools: Iterable[Tokens] = map(add, tokens, rows)
        if self._late:
            pools = [
                pool + self._written(variables(recipient, extra, own))
                for pool, recipient, own in zip(pools, recipients, tokens, strict=True)
            ]
        parts, order, mails = self._parts.copy(), self._order, []
        for pool in pools:
            parts[1::2] = order(pool)
            mails.append(b"".join(parts))
        return mails, is_wire and self._ready

    def _rows(self, recipients: Sequence[Recipient], extra: Extra) -> tuple[list[Tokens], bool]:
        """Return each recipient's values as they are written, and whether none ends a line or begins with a
        dot."""
        columns = [read(recipients, extra) for read, _ in self._values]
        n, values = len(recipients), [each for column in columns for each in column]
        if (written := _plain(values)) is not None:
            return [tuple(written[at::n]) for at in range(n)], True
        if n == 1:
            written = [write(value) for value, (_, write) in zip(values, self._values, strict=True)]
        else:
            written = []
            for column, (_, write) in zip(columns, self._values, strict=True):
                written += _plain(column) or map(write, column)
        return [tuple(written[at::n]) for at in range(n)], fits_a_line(written)

    def _written(self, known: Mapping[str, object]) -> Tokens:
        """Run the programs; return what they wrote, the last hole's first."""
        written = [piece for write in self._late for piece in write(known)]
        return tuple(reversed(written))


def _plain(values: Sequence[object]) -> list[bytes] | None:
    """Write values that all stand for themselves, which one look at all of them tells; None where one does
    not."""
    try:
        lines = "\n".join([*values, ""])  # type: ignore[list-item]
    except TypeError:
        return None
    if not _FOR_THEMSELVES(lines):
        return None
    written = lines.encode("ascii").split(b"\n")
    return written[:-1] if len(written) == len(values) + 1 else None  # one of them has two lines
