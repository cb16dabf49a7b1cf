"""Templates of a tenant, by unique name."""

from __future__ import annotations

from collections.abc import Sequence

from courierx_core.errors import Conflict
from courierx_core.templates.model import Template
from courierx_sql.rows.slice import Slice
from courierx_sql.tables import templates


class TemplateRows(Slice[Template]):
    table = templates
    struct = Template
    noun = "template"

    def add(self, template: Template) -> Template:
        added = self._insert(template)
        if added is None:
            raise Conflict(_taken(template))
        return added

    def list(self, *, before: int | None = None, limit: int = 100) -> Sequence[Template]:
        return self._page(before, limit)

    def save(self, template: Template) -> Template:
        with self._unique(_taken(template)):
            saved = self._update(template.id, self._values(template))
        if saved is None:
            raise self._missing(template.id)
        return saved


def _taken(template: Template) -> str:
    return f"A template named {template.name!r} exists; choose another name."
