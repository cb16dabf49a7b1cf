"""The names a template may count on, and those it only hopes for."""

from __future__ import annotations

from collections.abc import Collection

from jinja2 import nodes

RECIPIENT = frozenset({"email", "first_name", "last_name", "attributes"})
URLS = frozenset({"unsubscribe_url", "preferences_url", "view_url"})
KNOWN = RECIPIENT | URLS | {"campaign", "tenant"}
"""Always there; everything else is an attribute, a variable of the message, or a plugin's namespace."""


def names(tree: nodes.Template) -> frozenset[str]:
    """Return the variables a template asks for, its own loop variables left out."""
    asked: set[str] = set()
    own = {"loop"}
    for name in tree.find_all(nodes.Name):
        (asked if name.ctx == "load" else own).add(name.name)
    return frozenset(asked - own)


def unknown(asked: Collection[str], known: Collection[str]) -> list[str]:
    """Say, a sentence each, which of the variables asked for are none of `known`."""
    return [
        f"`{name}` is not a known variable; it renders empty for everyone without an attribute of that name"
        for name in sorted(set(asked).difference(known))
    ]
