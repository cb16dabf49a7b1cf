"""The parts of a message as sources become them: segments, some of them with logic; rarely a program."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from itertools import repeat
from typing import NamedTuple, TypeAlias

from jinja2 import nodes
from markupsafe import escape

from courierx_core.errors import RenderError
from courierx_core.mail import quoted_printable
from courierx_core.mail.token import Kind
from courierx_core.messages.logic import Block, Logic
from courierx_core.messages.model import Recipient
from courierx_core.messages.segments import Extra, Node, Read, alone, asks_for, reader, root_of, segments
from courierx_core.messages.skeleton import Write
from courierx_core.templates.filters import VALUE_MAX, Body, Filter
from courierx_core.templates.sandbox import OUTPUT_MAX, Program, printable
from courierx_core.templates.variables import names


class Url(NamedTuple):
    """A template variable whose value is an address of ours: `prefix` and a token."""

    prefix: str
    kind: Kind
    link: int = 0


class Value(NamedTuple):
    """A segment that differs between recipients, and the line where it is met first."""

    read: Read
    line: int


Segment: TypeAlias = str | Url | Value | Block


class Part:
    """The subject, html or text of a message: its program, and its segments where it can be taken apart."""

    def __init__(
        self,
        name: str,
        source: str,
        *,
        filters: Mapping[str, Filter],
        constants: Mapping[str, object],
        urls: Mapping[str, Url],
        layout: str = "",
    ) -> None:
        self.name, self.is_html = name, name == "html"
        self._filters, self._constants, self._urls = filters, constants, urls
        self._values: dict[str, Value] = {}
        self.program = Program(source, part=name, filters=filters, html=self.is_html)
        self.layout = Program(layout, part="layout", filters=filters, html=True) if layout else None
        self.segments = self._segments()
        blocks = [segment for segment in self.segments or () if isinstance(segment, Block)]
        self.logic = tuple(dict.fromkeys(block.logic for block in blocks))
        for logic in self.logic:
            logic.prepare()
        if self.segments is None:
            self.program.prepare()
            if self.layout:
                self.layout.prepare()

    def render(self, variables: Mapping[str, object]) -> str:
        """Run the program, inside the layout where there is one. Raises RenderError."""
        inner = self.program.render(variables)
        return self.layout.render({**variables, "content": Body(inner)}) if self.layout else inner

    @property
    def has_logic(self) -> bool:
        return self.segments is None or bool(self.logic)

    @property
    def fixed(self) -> str | None:
        """The text, where it is the same for everybody."""
        if self.segments is None or len(self.segments) > 1:
            return None
        first = self.segments[0] if self.segments else ""
        return first if isinstance(first, str) else None

    def names(self) -> frozenset[str]:
        """Return the variables that the part and its layout ask for."""
        return names(self.program.tree) | (names(self.layout.tree) if self.layout else frozenset())

    def late_names(self) -> frozenset[str]:
        """Return the variables that are asked for while a message is rendered."""
        if self.segments is None:
            return self.names()
        return frozenset[str]().union(*(logic.names() for logic in self.logic))

    def bytes_of(self, value: Value) -> Write:
        """Return what writes a value into a quoted-printable body."""
        line, is_html, longest = value.line, self.is_html, quoted_printable.LINE

        def write(found: object) -> bytes:
            try:
                if type(found) is str and len(found) <= longest:
                    return _short_value(found, is_html)
                return quoted_printable.encode(shown(found, is_html))
            except RenderError as error:
                raise self._found_at(line, error) from error

        return write

    def texts_of(self) -> Read:
        """Return what gives the whole part as each recipient's text, without a program."""
        pieces = [
            piece if isinstance(piece, str) else self._texts(piece)
            for piece in self.segments or ()
            if not isinstance(piece, Url | Block)
        ]

        def texts(recipients: Sequence[Recipient], extra: Extra) -> list[object]:
            n = len(recipients)
            columns = [
                repeat(each, n) if isinstance(each, str) else each(recipients, extra) for each in pieces
            ]
            return list(map("".join, zip(*columns, strict=True))) if columns else [""] * n

        return texts

    def _texts(self, value: Value) -> Callable[[Sequence[Recipient], Extra], list[str]]:
        read, line, is_html = value.read, value.line, self.is_html

        def texts(recipients: Sequence[Recipient], extra: Extra) -> list[str]:
            try:
                return [shown(each, is_html) for each in read(recipients, extra)]
            except RenderError as error:
                raise self._found_at(line, error) from error

        return texts

    def _tried(self, read: Read, line: int) -> Read:
        """Have it say where in the source it failed: only a filter does."""

        def tried(recipients: Sequence[Recipient], extra: Extra) -> list[object]:
            try:
                return read(recipients, extra)
            except RenderError as error:
                raise self._found_at(line, error) from error

        return tried

    def _found_at(self, line: int, error: RenderError) -> RenderError:
        return RenderError(error.reason, part=self.name, line=line)

    def _segments(self) -> list[Segment] | None:
        logic = Logic(self.program)
        found = [self._segment(each, logic) for each in segments(self.program.tree, self._filters)]
        if self.layout:
            logic, inner, found = Logic(self.layout), found, []
            for each in segments(self.layout.tree, self._filters):
                if _is_content(each):
                    found += inner
                elif asks_for("content", each):
                    return None
                else:
                    found.append(self._segment(each, logic))
        open_ones = sum(isinstance(segment, Value) for segment in found)
        fixed = sum(len(segment) for segment in found if isinstance(segment, str))
        if fixed + open_ones * VALUE_MAX > OUTPUT_MAX:
            return None  # a program counts its output
        if self.name == "subject" and any(isinstance(segment, Url | Block) for segment in found):
            return None
        return _merged(found)

    def _segment(self, node: Node, logic: Logic) -> Segment:
        if isinstance(node, str):
            return node
        if isinstance(node, nodes.Stmt):
            return logic.add(node)
        root = root_of(node)
        if root.name in self._urls:
            return self._urls[root.name] if root is node else logic.add(alone(node))
        value = self._value(node)
        if root.name in self._constants:
            return self._texts(value)((_NOBODY,), {})[0]
        return value

    def _value(self, node: nodes.Expr) -> Value:
        """Return the same value for the same expression: a town that is named ten times is read once."""
        form = repr(node)  # says all but the line
        if form not in self._values:
            read = reader(node, self._constants, self._filters)
            if isinstance(node, nodes.Filter):
                read = self._tried(read, node.lineno)
            self._values[form] = Value(read, node.lineno)
        return self._values[form]


_NOBODY = Recipient(id=0, message_id=0, address="", state="queued")


def shown(value: object, is_html: bool) -> str:
    """Return what `{{ value }}` writes. Raises RenderError."""
    if type(value) is str and len(value) <= quoted_printable.LINE and value.isalnum():
        return value  # says itself, in HTML too
    text = printable(value)
    return str(escape(text)) if is_html else str(text)


@lru_cache(maxsize=4096)
def _short_value(text: str, is_html: bool) -> bytes:
    """Encode a value of at most one line; first names and towns come again and again."""
    return quoted_printable.encode(shown(text, is_html))


def _is_content(node: Node) -> bool:
    if isinstance(node, nodes.Filter) and node.name == "safe" and node.node is not None:
        node = node.node
    return isinstance(node, nodes.Name) and node.name == "content"


def _merged(found: list[Segment]) -> list[Segment]:
    merged: list[Segment] = []
    for segment in found:
        if isinstance(segment, str) and merged and isinstance(merged[-1], str):
            merged[-1] += segment
        else:
            merged.append(segment)
    return merged
