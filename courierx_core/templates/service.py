"""Use cases of templates."""

from __future__ import annotations

import re

from courierx_core.ports.store import UnitOfWork
from courierx_core.templates.model import Template

_TAG = re.compile(r"<[a-zA-Z!/][^<>]*>")


def parts_of(body: str, html: str, text: str) -> tuple[str, str]:
    """Return (html, text) of a content that may be given in the one-field form: HTML if it holds a tag."""
    if html or text or not body:
        return html, text
    return (body, "") if _TAG.search(body) else ("", body)


def sources(
    unit: UnitOfWork, template_id: int | None, *, subject: str, html: str, text: str, name: str = ""
) -> Template:
    """Gather what is sent: its own parts first, then those of its template. Raises NotFound."""
    base = Template(tenant_id=unit.tenant_id, name=name, subject=subject)
    if template_id is not None:
        base = unit.templates.get(template_id)
    return Template(
        tenant_id=unit.tenant_id,
        name=base.name,
        subject=subject or base.subject,
        html=html or (base.html if not text else ""),
        text=text or (base.text if not html else ""),
        layout=base.layout,
    )
