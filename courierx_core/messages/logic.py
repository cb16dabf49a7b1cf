"""What has logic in a template, run once for each recipient and encoded as it comes.

A program gives its texts as they stand in the source, so those are encoded when it is compiled; only the
values are encoded for each recipient.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from jinja2 import nodes

from courierx_core.mail.quoted_printable import whole_lines
from courierx_core.templates.sandbox import Program
from courierx_core.templates.variables import names

_END = secrets.token_hex(16)
"""Ends a statement's output; no value can be it, for nobody can guess it."""


class Logic:
    """Statements of one program: `add` them, `prepare` once, and `write` for each recipient."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._statements: list[nodes.Stmt] = []
        self._fixed: dict[str, bytes] = {}

    @property
    def count(self) -> int:
        return len(self._statements)

    def names(self) -> frozenset[str]:
        """Return the variables that the statements ask for."""
        return names(nodes.Template([*self._statements], lineno=1))

    def add(self, statement: nodes.Stmt) -> Block:
        self._statements.append(statement)
        return Block(self, self.count - 1)

    def prepare(self) -> None:
        """Compile them. Raises RenderError."""
        end = nodes.Output([nodes.TemplateData(_END)])
        for statement in self._statements:
            for text in statement.find_all(nodes.TemplateData):
                self._fixed[text.data] = whole_lines(text.data)
        self._program = self._program.only([each for one in self._statements for each in (one, end)])

    def write(self, known: Mapping[str, object]) -> Sequence[bytes]:
        """Run them over the template variables; return what each wrote, as whole lines of a quoted-printable
        body. Raises RenderError."""
        fixed, written, lines = self._fixed, list[bytes](), list[bytes]()
        for text in self._program.output(known):
            if (data := fixed.get(text)) is not None:
                lines.append(data)
            elif text == _END:
                written.append(b"".join(lines))
                lines.clear()
            else:
                lines.append(whole_lines(text))
        return written


class Block(NamedTuple):
    """A segment with logic: one of a `Logic`'s statements."""

    logic: Logic
    place: int
