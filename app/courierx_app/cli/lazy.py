"""Groups whose commands are imported when they are called; plugins are asked only for what is not ours."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click


class LazyGroup(click.Group):
    """`table` is name -> (module:attribute, short help). With `asks_plugins` installed plugins add to it."""

    def __init__(
        self,
        *args: Any,
        table: Mapping[str, tuple[str, str]] | None = None,
        asks_plugins: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(*args, **options)
        self._table = dict(table or {})
        self._asks_plugins = asks_plugins

    def list_commands(self, ctx: click.Context) -> list[str]:
        self._ask_plugins()
        return [*self._table, *sorted(name for name in self.commands if name not in self._table)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in self._table:
            module, _, attribute = self._table[cmd_name][0].partition(":")
            command: click.Command = getattr(import_module(module), attribute)
            return command
        self._ask_plugins()
        return self.commands.get(cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        names = self.list_commands(ctx)
        width = formatter.width - 6 - max(map(len, names), default=0)
        rows = []
        for name in names:
            known = self._table.get(name)
            rows.append((name, known[1] if known else self.commands[name].get_short_help_str(width)))
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def _ask_plugins(self) -> None:
        if not self._asks_plugins:
            return
        self._asks_plugins = False
        from courierx_app.cli.from_plugins import register

        register(self)
