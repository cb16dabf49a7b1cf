"""Write docs/reference from the code; `--check` only says which pages are stale.

What the code says once is not said again by hand: settings come from the Structs and the strings below
their fields, hooks and ports from their signatures and docstrings, commands from the command line itself.
"""

from __future__ import annotations

import ast
import importlib.util
import inspect
import sys
import textwrap
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import click
import msgspec

from courierx_core import config, hookspecs, plugins
from courierx_core.entry_points import entry_points, origin
from courierx_core.ports.driver import Secret

FOLDER = Path(__file__).parent / "reference"
PORTS = (
    "driver",
    "transport",
    "feedback",
    "queue",
    "limiter",
    "resolver",
    "store",
    "people",
    "platform",
    "reports",
    "pruning",
    "metrics",
    "ledger",
)
HOOK_SPECS = ("courierx_core.hookspecs", "courierx_app.hookspecs")


def settings() -> str:
    """Describe the application's settings, then those of every driver that ships."""
    from courierx_app.settings import Settings

    page = [
        "# Settings",
        "Defaults are overridden by `courierx.toml`, that by `.env`, that by the environment. A blank value "
        "means unset, and quotes around a value are stripped. A wrong value stops the start with its name, "
        "what it got and what it takes. A list takes its parts separated by commas. `courierx config show` "
        "prints what is in force, without the secrets.",
        *_settings_table(Settings),
        "## Transports",
        "A named transport is a driver with its settings: a table `[transports.NAME]` of `courierx.toml`, "
        "with `driver` where that is not the name itself. `COURIERX_TRANSPORT=smtp` alone makes one that is "
        "called smtp.",
    ]
    for slot in plugins.SLOTS:
        for name in _shipped(slot.group):
            page.append(f"## The {slot.word} `{name}`")
            driver = slot.load(name)
            page.append(_first_line(driver.Config.__doc__ or driver.__doc__))
            page += _settings_table(driver.Config)
    return _page(page)


def _settings_table(struct: type[msgspec.Struct]) -> list[str]:
    fields = msgspec.structs.fields(struct)
    if not fields:
        return ["It has no settings."]
    said = _field_docs(struct)
    lines = ["| variable | in courierx.toml | takes | default |", "| --- | --- | --- | --- |"]
    notes = []
    for field in fields:
        variable = f"`{config.env_name(field.type)}`" if config.env_name(field.type) else ""
        takes = _cell(config.takes(field.type))
        lines.append(f"| {variable} | `{field.name}` | {takes} | {_default(field)} |")
        if field.name in said:
            notes.append(f"- `{config.env_name(field.type) or field.name}`: {said[field.name]}")
    return ["\n".join(lines), "\n".join(notes)]


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "required"
    value = field.default_factory() if field.default is msgspec.NODEFAULT else field.default
    if isinstance(value, Secret):
        value = value.reveal()
    elif isinstance(value, bool):
        value = str(value).lower()
    elif isinstance(value, (tuple, list)):
        value = ",".join(map(str, value))
    return f"`{value}`" if value not in ("", None) else ""


def hooks() -> str:
    """Describe every hook: its signature, its line, and who implements it here."""
    page = ["# Hooks", _prose(hookspecs.__doc__)]
    asked = plugins.load_hooks(specs=[module for module in map(_module, HOOK_SPECS[1:]) if module]).order()
    for name in HOOK_SPECS:
        module = _module(name)
        for function in _functions(module) if module else ():
            shipped = ", ".join(f"`{plugin}`" for plugin in asked.get(function.name, ()))
            page += [
                f"## {function.name}",
                _code(_signature(function)),
                _prose(ast.get_docstring(function)),
                f"Implemented here by: {shipped}." if shipped else "",
            ]
    return _page(page)


def ports() -> str:
    """Show every port as its author wrote it: signatures and docstrings."""
    page = [
        "# Ports",
        "A driver subclasses one of these and is named in its entry-point group. Outcomes are values; "
        "exceptions are for outages. New fields of a Struct always have defaults; `courierx_core.API` is the "
        "version of it all.",
    ]
    for name in PORTS:
        module = importlib.import_module(f"courierx_core.ports.{name}")
        page += [f"## {name}", _prose(module.__doc__)]
        source = inspect.getsource(module).splitlines()
        aliases = [_text(source, node) for node in _tree(module) if _is_alias(node)]
        page.append(_code("\n".join(aliases)) if aliases else "")
        page += [_code(_outline(source, node)) for node in _public_classes(module)]
    return _page(page)


def cli() -> str:
    """Describe every command with its arguments and options."""
    page = ["# Command line", "`courierx COMMAND --help` says the same."]
    for path, command in commands():
        context = click.Context(command, info_name=" ".join(path))
        usage = f"{' '.join(path)} {' '.join(command.collect_usage_pieces(context))}".strip()
        page += [f"{'#' * min(len(path), 3)} {' '.join(path)}" if len(path) > 1 else "", _code(usage, "text")]
        page.append(_prose(command.help))
        records = [record for parameter in command.params if (record := parameter.get_help_record(context))]
        page.append("\n".join(f"- `{option}`: {_sentence(text)}" for option, text in records))
    return _page(page)


def scopes() -> str:
    """List what a key may do."""
    from courierx_core.scopes import SCOPES

    rows = "\n".join(f"| `{scope}` | {_cell(says)} |" for scope, says in SCOPES.items())
    return _page(
        [
            "# Scopes",
            "What a key may do. A key made without scopes may do everything that its kind can: a tenant's "
            "key all but `metrics:read` and `platform`, a platform key all. A key cannot make one that may "
            "do more than itself.",
            f"| scope | allows to |\n| --- | --- |\n{rows}",
        ]
    )


def metrics() -> str:
    """List what /metrics tells."""
    from courierx_core.metrics.model import FAMILIES

    rows = "\n".join(
        f"| `{each.name}` | {each.kind} | {', '.join(each.labels)} | {_cell(each.help)} |"
        for each in FAMILIES
    )
    return _page(
        [
            "# Metrics",
            "`GET /metrics` of the API tells them in Prometheus's text format, for the whole install: "
            "whichever API process answers, the workers' counts are in it. It takes a platform key; make one "
            "for it with `courierx keys create --scopes metrics:read`.",
            "`tenant` is a tenant's id. The oldest `COURIERX_METRICS_TENANTS` tenants are told apart (100 "
            "unless said otherwise), the others summed as `other`. Workers and API write their counts down "
            "every few seconds and when they end; a `kill -9` loses those since, and the reports of "
            "campaigns, which count in the ledger, lose none.",
            "A histogram is of the API process that answers alone, since it started, and in its memory: sum "
            "it over `instance`. `route` is a route's template and `method` one of ours; what fits none is "
            "`other`, so no client makes a label.",
            f"| metric | kind | labels | tells |\n| --- | --- | --- | --- |\n{rows}",
        ]
    )


def waiting() -> str:
    """List what a campaign may wait for."""
    from courierx_core.campaigns.progress import WAITING

    rows = "\n".join(f"| `{code}` | {_cell(says)} |" for code, says in WAITING.items())
    return _page(
        [
            "# What a campaign waits for",
            "The codes of `waiting_for`, in `GET /campaigns/{id}/progress` and `courierx campaigns why ID`. "
            "A paused campaign waits for a person; its `pause_reason` says why.",
            f"| code | means |\n| --- | --- |\n{rows}",
        ]
    )


def commands() -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Walk the command line: each command with its words, groups before what they hold."""
    from courierx_app.cli import cli as root

    yield from _walk(("courierx",), root)


def _walk(path: tuple[str, ...], command: click.Command) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            if found and not found.hidden:
                yield from _walk((*path, name), found)


def _shipped(group: str) -> list[str]:
    """List the names of a group that our own distribution brings."""
    return [point.name for point in entry_points(group) if origin(point).startswith("courierx ")]


def _module(name: str) -> ModuleType | None:
    return importlib.import_module(name) if importlib.util.find_spec(name) else None


def _tree(module: ModuleType) -> list[ast.stmt]:
    return ast.parse(inspect.getsource(module)).body


def _functions(module: ModuleType) -> list[ast.FunctionDef]:
    return [node for node in _tree(module) if isinstance(node, ast.FunctionDef) and node.name[0] != "_"]


def _public_classes(module: ModuleType) -> list[ast.ClassDef]:
    return [node for node in _tree(module) if isinstance(node, ast.ClassDef) and node.name[0] != "_"]


def _signature(function: ast.FunctionDef) -> str:
    returns = f" -> {ast.unparse(function.returns)}" if function.returns else ""
    return f"def {function.name}({ast.unparse(function.args)}){returns}: ..."


def _outline(source: list[str], node: ast.ClassDef) -> str:
    """Return a class as it is written, without what is private and without the bodies of its methods."""
    lines = source[_first_line_of(node) - 1 : node.body[0].lineno - 1]
    for statement in node.body:
        if _is_private(statement):
            continue
        last = statement.end_lineno or statement.lineno
        if isinstance(statement, ast.FunctionDef):
            lines.append("")
            first = statement.body[0]
            said = ast.get_docstring(statement) or source[first.lineno - 1][: first.col_offset].strip()
            last = (first.end_lineno or last) if said else first.lineno - 1
        lines += source[_first_line_of(statement) - 1 : last]
        if isinstance(statement, ast.FunctionDef) and not said:
            lines[-1] += " ..."
    return "\n".join(lines)


def _is_alias(node: ast.stmt) -> bool:
    """Tell whether a statement names a public type."""
    return (
        isinstance(node, ast.AnnAssign)
        and ast.unparse(node.annotation) == "TypeAlias"
        and not ast.unparse(node.target).startswith("_")
    )


def _text(source: list[str], node: ast.stmt) -> str:
    return "\n".join(source[node.lineno - 1 : node.end_lineno])


def _first_line_of(node: ast.stmt) -> int:
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(decorator.lineno for decorator in decorators)])


def _is_private(statement: ast.stmt) -> bool:
    named = statement.targets[0] if isinstance(statement, ast.Assign) else getattr(statement, "target", None)
    name = getattr(statement, "name", "") or (ast.unparse(named) if named else "")
    return name.startswith("_") and name != "__init__"


def _field_docs(struct: type[msgspec.Struct]) -> dict[str, str]:
    """Return the strings written below a Struct's fields, its bases' included."""
    said: dict[str, str] = {}
    for base in reversed(struct.__mro__):
        if base in (object, msgspec.Struct) or not issubclass(base, msgspec.Struct):
            continue
        (tree,) = ast.parse(textwrap.dedent(inspect.getsource(base))).body
        assert isinstance(tree, ast.ClassDef)
        for field, text in pairwise(tree.body):
            if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr):
                value = text.value
                if isinstance(value, ast.Constant) and isinstance(value.value, str):
                    said[ast.unparse(field.target)] = " ".join(value.value.split())
    return said


def _prose(text: str | None) -> str:
    return inspect.cleandoc(text or "")


def _first_line(text: str | None) -> str:
    return _prose(text).split("\n\n")[0]


def _sentence(text: str) -> str:
    return " ".join(text.split())


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _code(text: str, language: str = "python") -> str:
    return f"```{language}\n{text}\n```"


def _page(parts: list[str]) -> str:
    parts.insert(1, "<!-- Made by docs/generate.py from the code: change it there. -->")
    return "\n\n".join(part for part in parts if part) + "\n"


PAGES: dict[str, Callable[[], str]] = {
    "settings.md": settings, "hooks.md": hooks, "ports.md": ports, "cli.md": cli, "scopes.md": scopes,
    "waiting.md": waiting, "metrics.md": metrics,
}  # fmt: skip


def main(arguments: list[str]) -> int:
    stale = []
    for name, make in PAGES.items():
        path, page = FOLDER / name, make()
        if not path.exists() or path.read_text("utf-8") != page:
            stale.append(name)
            if "--check" not in arguments:
                path.write_text(page, "utf-8")
    if stale and "--check" in arguments:
        print(f"docs/reference is stale ({', '.join(stale)}): run `python docs/generate.py`", file=sys.stderr)
        return 1
    print(f"docs/reference: {', '.join(stale) + ' written' if stale else 'all pages are as the code has it'}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
