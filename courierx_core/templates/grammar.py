"""What a template may say: an allow-list of syntax, so that its cost is bounded by its data (S01).

The sandbox of Jinja forbids secrets, not waste: `{{ '%1000000000s'|format('a') }}` ran for 26 s.
"""

from __future__ import annotations

from collections.abc import Collection

from jinja2 import nodes

from courierx_core.errors import RenderError

LOOPS_DEEP = 2
CONCAT_MAX = 8

TESTS = frozenset(
    {
        "defined", "undefined", "none", "true", "false", "boolean", "integer", "float", "number", "string",
        "mapping", "sequence", "even", "odd", "divisibleby", "lower", "upper", "in",
        "eq", "ne", "lt", "le", "gt", "ge", "==", "!=", "<", "<=", ">", ">=",
    }
)  # fmt: skip

_ALLOWED = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.If, nodes.For,
    nodes.Name, nodes.Const, nodes.Getattr, nodes.Getitem, nodes.Filter, nodes.Test, nodes.Keyword,
    nodes.CondExpr, nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not,
    nodes.Add, nodes.Sub, nodes.Div, nodes.FloorDiv, nodes.Neg, nodes.Pos, nodes.Concat,
    nodes.List, nodes.Tuple,
)  # fmt: skip
_WORDS = {
    nodes.Mul: "`*`", nodes.Pow: "`**`", nodes.Mod: "`%`", nodes.Call: "calling a function",
    nodes.Macro: "macro", nodes.CallBlock: "call", nodes.FilterBlock: "a filter block", nodes.Assign: "set",
    nodes.AssignBlock: "set", nodes.Include: "include", nodes.Import: "import",
    nodes.FromImport: "import", nodes.Extends: "extends", nodes.Block: "block", nodes.With: "with",
    nodes.Slice: "a slice `[a:b]`", nodes.Dict: "a dict `{...}`",
    nodes.ScopedEvalContextModifier: "autoescape",
}  # fmt: skip


def inspect(template: nodes.Template, filters: Collection[str], *, part: str = "") -> None:
    """Raise RenderError at the first thing that is not allowed, naming it and its line."""
    pending: list[tuple[nodes.Node, int, bool]] = [(template, 0, False)]
    while pending:
        node, loops, in_concat = pending.pop()
        reason = _objection(node, loops, in_concat, filters)
        if reason:
            raise RenderError(reason, part=part, line=node.lineno)
        inside = loops + isinstance(node, nodes.For)
        joined = in_concat or isinstance(node, nodes.Concat)
        children = [(child, inside, joined) for child in node.iter_child_nodes()]
        pending += reversed(children)


def is_path(node: nodes.Node) -> bool:
    """Tell whether an expression only looks data up: `name`, `name.key`, `name["key"]`, `name[0]`."""
    while isinstance(node, nodes.Getattr | nodes.Getitem):
        if isinstance(node, nodes.Getitem) and not isinstance(node.arg, nodes.Const):
            return False
        node = node.node
    return isinstance(node, nodes.Name)


def _objection(node: nodes.Node, loops: int, in_concat: bool, filters: Collection[str]) -> str:
    if type(node) not in _ALLOWED:
        word = _WORDS.get(type(node), f"`{type(node).__name__.lower()}`")
        return f"{word} is not available in templates; they take variables, filters, if and for"
    if isinstance(node, nodes.Filter):
        return _filter_objection(node, filters)
    if isinstance(node, nodes.Test) and node.name not in TESTS:
        return f"there is no test `{node.name}`; there are: {', '.join(sorted(TESTS))}"
    if isinstance(node, nodes.For):
        return _loop_objection(node, loops)
    if isinstance(node, nodes.Concat) and (in_concat or len(node.nodes) > CONCAT_MAX):
        return f"`~` joins at most {CONCAT_MAX} values; write them one after the other instead"
    return ""


def _filter_objection(node: nodes.Filter, filters: Collection[str]) -> str:
    if node.node is None or node.dyn_args is not None or node.dyn_kwargs is not None:
        return f"filter `{node.name}` takes a value and plain arguments, no `*`"
    if node.name not in filters:
        return f"there is no filter `{node.name}`; there are: {', '.join(sorted(filters))}"
    return ""


def _loop_objection(node: nodes.For, loops: int) -> str:
    if node.recursive:
        return "a loop cannot be recursive"
    if loops >= LOOPS_DEEP:
        return f"loops go at most {LOOPS_DEEP} deep"
    if not is_path(node.iter):
        return "a loop goes over data, such as `{% for item in attributes.items %}`, not over an expression"
    return ""
