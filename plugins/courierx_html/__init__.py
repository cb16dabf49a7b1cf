"""A mail's other half: a text part made from its HTML, or HTML from its text, when a template is saved."""

from __future__ import annotations

import msgspec

from courierx_core.hooks import hookimpl
from courierx_core.templates.model import Template
from courierx_html.html import html_of
from courierx_html.text import text_of

__all__ = ["courierx_transform_template", "html_of", "text_of"]


@hookimpl(trylast=True)
def courierx_transform_template(template: Template) -> Template | None:
    if template.html and not template.text:
        return msgspec.structs.replace(template, text=text_of(template.html))
    if template.text and not template.html:
        return msgspec.structs.replace(template, html=html_of(template.text))
    return None
