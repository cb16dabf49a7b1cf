"""Templates taken apart: literal text, values read without running a template, and what has logic.

Most mail is text, `{{ first_name }}`, `{{ attributes.city|default("there") }}`. Only what stands between,
an `{% if %}` say, is a program for Jinja (`templates.sandbox`). No statement of the grammar sets a name,
so each can be run without the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias, cast

from jinja2 import nodes

from courierx_core.errors import RenderError
from courierx_core.messages.model import Recipient
from courierx_core.templates.filters import Filter
from courierx_core.templates.grammar import is_path
from courierx_core.templates.sandbox import ABSENT, Missing, look_up
from courierx_core.templates.variables import names

Extra: TypeAlias = Mapping[str, object]
"""What plugins give for one recipient, by namespace."""
Node: TypeAlias = str | nodes.Expr | nodes.Stmt
"""A text, a value, or a statement that has logic."""
Read: TypeAlias = Callable[[Sequence[Recipient], Extra], list[object]]
"""Read one value of each recipient: many at once cost a fraction of as many by themselves."""


def segments(tree: nodes.Template, filters: Mapping[str, Filter]) -> list[Node]:
    """Return a template as texts, values and statements in order."""
    known: list[Node] = []
    for statement in tree.body:
        if not isinstance(statement, nodes.Output):
            known.append(cast(nodes.Stmt, statement))
            continue
        for node in statement.nodes:
            if isinstance(node, nodes.TemplateData):
                known.append(node.data)
            elif is_value(node, filters):
                known.append(node)
            else:
                known.append(alone(node))
    return known


def alone(node: nodes.Expr) -> nodes.Stmt:
    """Return the statement that writes an expression."""
    return nodes.Output([node], lineno=node.lineno)


def root_of(value: nodes.Expr) -> nodes.Name:
    """Return the variable that a value is read from."""
    node: nodes.Node = value
    while not isinstance(node, nodes.Name):
        node = node.node  # type: ignore[attr-defined]
    return node


def asks_for(name: str, node: Node) -> bool:
    """Tell whether a segment reads a variable of that name."""
    if isinstance(node, str):
        return False
    return name in names(nodes.Template([node if isinstance(node, nodes.Stmt) else alone(node)], lineno=1))


def is_value(node: nodes.Expr, filters: Mapping[str, Filter]) -> bool:
    """Tell whether an expression is data, perhaps through filters with constant arguments."""
    while isinstance(node, nodes.Filter):
        arguments = [*node.args, *(keyword.value for keyword in node.kwargs)]
        if not all(isinstance(argument, nodes.Const) for argument in arguments) or node.node is None:
            return False
        if hasattr(filters[node.name], "jinja_pass_arg"):  # it wants Jinja's context
            return False
        node = node.node
    return is_path(node)


def reader(node: nodes.Expr, constants: Mapping[str, object], filters: Mapping[str, Filter]) -> Read:
    """Return a function that reads a value of each recipient, as Jinja would."""
    if isinstance(node, nodes.Filter) and node.node is not None:
        return _filtered(node, reader(node.node, constants, filters), filters[node.name])
    if isinstance(node, nodes.Getattr):
        return _member(reader(node.node, constants, filters), node.attr)
    if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const):
        return _member(reader(node.node, constants, filters), node.arg.value)
    if isinstance(node, nodes.Name):
        return _named(node.name, constants)
    raise TypeError(f"not a value: {node!r}")


def _named(name: str, constants: Mapping[str, object]) -> Read:
    fixed: dict[str, Read] = {
        "email": lambda recipients, extra: [each.address for each in recipients],
        "first_name": lambda recipients, extra: [each.first_name for each in recipients],
        "last_name": lambda recipients, extra: [each.last_name for each in recipients],
        "attributes": lambda recipients, extra: [each.attributes for each in recipients],
    }
    if name in constants:
        value = constants[name]
        return lambda recipients, extra: [value] * len(recipients)
    if name in fixed:
        return fixed[name]
    missing = Missing(name=name)

    def read(recipients: Sequence[Recipient], extra: Extra) -> list[object]:
        if name in extra:
            return [extra[name]] * len(recipients)
        return [each.attributes.get(name, missing) for each in recipients]

    return read


def _member(base: Read, key: object) -> Read:
    missing = Missing(name=str(key))

    def read(recipients: Sequence[Recipient], extra: Extra) -> list[object]:
        found = [look_up(each, key) for each in base(recipients, extra)]
        return [missing if each is ABSENT else each for each in found]

    return read


def _filtered(node: nodes.Filter, base: Read, function: Filter) -> Read:
    args = tuple(argument.as_const() for argument in node.args)
    kwargs = {str(keyword.key): keyword.value.as_const() for keyword in node.kwargs}
    name = node.name

    def read(recipients: Sequence[Recipient], extra: Extra) -> list[object]:
        try:
            return [function(each, *args, **kwargs) for each in base(recipients, extra)]
        except RenderError:
            raise
        except Exception as error:  # a plugin's filter may raise anything; it fails this delivery alone
            raise RenderError(f"filter `{name}`: {type(error).__name__}: {error}") from error

    return read
