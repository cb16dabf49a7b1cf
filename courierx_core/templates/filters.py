"""Filters: what a template may do to a value. None of them can cost more than its input (S01)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from typing import Any, TypeAlias

from jinja2 import filters as builtin
from jinja2.nodes import EvalContext
from jinja2.runtime import Undefined
from jinja2.utils import pass_eval_context
from markupsafe import Markup

from courierx_core.errors import RenderError

Filter: TypeAlias = Callable[..., object]

VALUE_MAX = 16 * 1024
"""Characters in a single value, and in what a filter makes of one."""
ITEMS_MAX = 1000
"""Items a loop or a join goes through."""


class Body(Markup):
    """The html part on its way into a layout: already counted, so no value's limit holds for it."""

    __slots__ = ()


def safe(value: object) -> object:
    """Let HTML through as it is."""
    return value if isinstance(value, Markup) else Markup(value)  # noqa: S704  that is what it is for


def default(value: object, fallback: object = "", boolean: bool = False) -> object:
    """Give a fallback for what is missing, null or an empty text; with `boolean` for zero and false too.

    Stock Jinja lets an empty text pass, and an empty first name is what "Dear {{ first_name }}" meets.
    """
    missing = isinstance(value, Undefined) or value is None or value == ""
    return fallback if missing or (boolean and not value) else value


def round_(value: float, precision: int = 0) -> float:
    """Round half to even to 0-15 places; stock Jinja would compute 10**precision."""
    return round(float(value), min(max(int(precision), 0), 15))


@pass_eval_context
def replace(eval_ctx: EvalContext, text: object, old: str, new: str, count: int | None = None) -> object:
    """Replace a text, unless the result would pass the limit."""
    before = str(text)
    grown = len(before) + before.count(str(old)) * (len(str(new)) - len(str(old)))
    if grown > VALUE_MAX:
        raise _too_long("replace")
    return builtin.do_replace(eval_ctx, before if not hasattr(text, "__html__") else text, old, new, count)  # type: ignore[arg-type]


@pass_eval_context
def join(eval_ctx: EvalContext, items: Iterable[object], separator: str = "") -> object:
    """Join at most 1,000 items by a separator."""
    known = list(items)
    if len(known) > ITEMS_MAX or sum(len(str(item)) for item in known) > VALUE_MAX:
        raise _too_long("join")
    return builtin.do_join(eval_ctx, known, separator)


_UNGUARDED = ("abs", "d", "default", "e", "escape", "float", "int", "safe")
_NAMES = (
    "abs", "capitalize", "count", "e", "escape", "first", "float", "int", "last", "length", "lower",
    "striptags", "title", "trim", "truncate", "upper", "urlencode", "wordcount",
)  # fmt: skip


def guarded(name: str, function: Filter) -> Filter:
    """Wrap a filter so that a result above the limit fails the delivery it is made for."""

    @wraps(function)
    def limited(*args: Any, **kwargs: Any) -> object:
        result = function(*args, **kwargs)
        if isinstance(result, str) and len(result) > VALUE_MAX:
            raise _too_long(name)
        return result

    return limited


def all_filters(more: Mapping[str, Filter]) -> dict[str, Filter]:
    """Return the allowed filters and a plugin's `more`; a plugin cannot replace a built-in one."""
    known: dict[str, Filter] = {name: builtin.FILTERS[name] for name in _NAMES}
    known |= {
        "default": default,
        "d": default,
        "round": round_,
        "replace": replace,
        "join": join,
        "safe": safe,
    }
    known = {name: known[name] for name in sorted(known)}
    for name, function in more.items():
        known.setdefault(name, function)
    return {
        name: function if name in _UNGUARDED else guarded(name, function) for name, function in known.items()
    }


def _too_long(name: str) -> RenderError:
    return RenderError(f"`{name}` makes a text of more than {VALUE_MAX:,} characters; shorten what goes in")
