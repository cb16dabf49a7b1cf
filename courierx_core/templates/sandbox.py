"""The environment templates run in: plain data, allowed syntax, counted output (S01)."""

from __future__ import annotations

import builtins
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from types import GeneratorType, TracebackType
from typing import Any

from jinja2 import Template, TemplateSyntaxError, Undefined, nodes
from jinja2.runtime import ChainableUndefined, Context, LoopContext
from jinja2.sandbox import SandboxedEnvironment
from jinja2.utils import pass_context

from courierx_core.errors import RenderError
from courierx_core.templates.filters import ITEMS_MAX, VALUE_MAX, Body, Filter, all_filters
from courierx_core.templates.grammar import TESTS, inspect

OUTPUT_MAX = 2 * 1024 * 1024
"""Characters one program may come to."""
ROUNDS_MAX = 100_000
"""Rounds of all loops of one part together."""

_FILE = "<template>"
_ITEMS = "items of a loop"  # a filter's name that no source can spell
_ROUNDS = "rounds left"
_LOOP = frozenset({"index", "index0", "revindex", "revindex0", "first", "last", "length"})


class Missing(ChainableUndefined):
    """What nobody knows: it renders empty, is false, and compares with nothing."""

    __slots__ = ()

    def _never(self, other: object) -> bool:
        return False

    __lt__ = __le__ = __gt__ = __ge__ = _never  # type: ignore[assignment]


class Sandbox(SandboxedEnvironment):
    """Jinja that sees mappings, lists and plain values, and no attribute of any object."""

    intercepted_binops = frozenset({"+", "-", "/", "//"})

    def __init__(self, *, html: bool, filters: Mapping[str, Filter]) -> None:
        super().__init__(
            autoescape=html, undefined=Missing, finalize=printable, keep_trailing_newline=True, cache_size=0
        )
        self.globals.clear()
        self.filters = dict(filters)
        self.tests = {name: test for name, test in self.tests.items() if name in TESTS}

    def getattr(self, obj: Any, attribute: str) -> Any:
        return self.getitem(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        found = look_up(obj, argument)
        return self.undefined(obj=obj, name=argument) if found is ABSENT else found

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if not isinstance(left, int | float) or not isinstance(right, int | float):
            raise RenderError(f"`{operator}` takes two numbers; join texts with `~`")
        return super().call_binop(context, operator, left, right)


ABSENT = object()


def look_up(obj: object, key: object) -> object:
    """Return `obj[key]` of a mapping or list (or a loop's counters), ABSENT where there is none."""
    if isinstance(obj, dict | Mapping):
        try:
            return obj.get(key, ABSENT)
        except TypeError:
            return ABSENT
    if isinstance(obj, list | tuple):
        return obj[key] if isinstance(key, int) and -len(obj) <= key < len(obj) else ABSENT
    if isinstance(obj, LoopContext) and key in _LOOP:
        return builtins.getattr(obj, str(key))
    return ABSENT


def printable(value: object) -> object:
    """Return what `{{ value }}` writes, before escaping: line ends as LF, nothing for null.

    Raises RenderError for a text over 16 KB.
    """
    if isinstance(value, str):
        if len(value) > VALUE_MAX and not isinstance(value, Body):
            raise RenderError(
                f"a value has {len(value):,} characters; {VALUE_MAX:,} are allowed in a single value"
            )
        return value if "\r" not in value else value.replace("\r\n", "\n").replace("\r", "\n")
    if value is None:
        return ""
    if isinstance(value, list | tuple | Mapping) and len(text := str(value)) > VALUE_MAX:
        return printable(text)
    return value


@pass_context
def _items(context: Context, value: object) -> object:
    if isinstance(value, Undefined) or value is None:
        return ()
    if not isinstance(value, list | tuple | Mapping):
        raise RenderError(f"a loop goes over a list, and this is {type(value).__name__}")
    if len(value) > ITEMS_MAX:
        raise RenderError(f"a loop has {len(value):,} items; {ITEMS_MAX:,} are allowed")
    rounds = context.parent[_ROUNDS]
    rounds[0] -= len(value)
    if rounds[0] < 0:
        raise RenderError(f"the loops together go round more than {ROUNDS_MAX:,} times")
    return value


class Program:
    """One source, checked; once prepared it renders any number of times, in any thread."""

    def __init__(self, source: str, *, part: str, filters: Mapping[str, Filter], html: bool = False) -> None:
        self.part = part
        self.tree = parse(source, part=part, filters=filters, html=html)
        self._filters, self._html = filters, html
        self._template: Template | None = None
        for loop in self.tree.find_all(nodes.For):
            loop.iter = nodes.Filter(loop.iter, _ITEMS, [], [], None, None, lineno=loop.lineno)

    def only(self, statements: Sequence[nodes.Node]) -> Program:
        """Return a program of some of the statements, prepared. Raises RenderError."""
        some = copy(self)
        some.tree, some._template = nodes.Template([*statements], lineno=1), None
        some.prepare()
        return some

    def render(self, variables: Mapping[str, object]) -> str:
        """Return the output. Raises RenderError with the line, whatever the data did."""
        return "".join(self.output(variables))

    def output(self, variables: Mapping[str, object]) -> list[str]:
        """Return the output in pieces: each value is one, and each text as it stands in the source.

        Raises RenderError with the line, whatever the data did.
        """
        template = self.prepare()
        chunks = template.root_render_func(template.new_context({**variables, _ROUNDS: [ROUNDS_MAX]}))
        try:
            return _counted(chunks)
        except RenderError as error:
            line = _line(template, error.__traceback__) or _line_of(template, chunks)
            raise RenderError(error.reason, part=self.part, line=line) from error
        except Exception as error:  # a plugin's filter may raise anything; it fails this delivery alone
            what = "needs more memory than there is" if isinstance(error, MemoryError) else str(error)
            reason = f"{type(error).__name__}: {what}"
            raise RenderError(reason, part=self.part, line=_line(template, error.__traceback__)) from error

    def prepare(self) -> Template:
        """Compile it now; `render` does so the first time otherwise. Raises RenderError."""
        if self._template is None:
            self._template = self._compiled()
        return self._template

    def _compiled(self) -> Template:
        environment = Sandbox(html=self._html, filters=self._filters)
        environment.filters[_ITEMS] = _items
        self.tree.set_environment(environment)
        try:
            code = environment.compile(self.tree, filename=_FILE)
        except (TemplateSyntaxError, RecursionError, MemoryError, SyntaxError) as error:
            raise _broken(error, self.part) from error
        return Template.from_code(environment, code, {})


def parse(source: str, *, part: str, filters: Mapping[str, Filter], html: bool) -> nodes.Template:
    """Return the syntax tree of an allowed template. Raises RenderError with part and line."""
    try:
        tree = Sandbox(html=html, filters=filters).parse(source)
    except (TemplateSyntaxError, RecursionError, MemoryError) as error:
        raise _broken(error, part) from error
    inspect(tree, filters, part=part)
    return tree


def allowed_filters(more: Mapping[str, Filter] | None = None) -> dict[str, Filter]:
    """Return every filter a template may use: the built-in ones and a plugin's."""
    return all_filters(more or {})


def _counted(chunks: Iterator[str]) -> list[str]:
    known, size = [], 0
    for chunk in chunks:
        size += len(chunk)
        if size > OUTPUT_MAX:
            raise RenderError(f"the output is larger than {OUTPUT_MAX:,} characters")
        known.append(chunk)
    return known


def _broken(error: Exception, part: str) -> RenderError:
    if isinstance(error, TemplateSyntaxError):
        return RenderError(error.message or "syntax error", part=part, line=error.lineno)
    return RenderError("the template is nested too deeply", part=part)


def _line(template: Template, trace: TracebackType | None) -> int:
    line = 0
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == _FILE:
            line = template.get_corresponding_lineno(trace.tb_lineno)
        trace = trace.tb_next
    return line


def _line_of(template: Template, chunks: Iterator[str]) -> int:
    frame = chunks.gi_frame if isinstance(chunks, GeneratorType) else None
    return template.get_corresponding_lineno(frame.f_lineno) if frame else 0
