"""Use cases of the templates that a tenant keeps: checked when they are saved, tried, removed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from courierx_core.audience.model import Subscriber
from courierx_core.checking import Checks
from courierx_core.courier import Courier
from courierx_core.errors import Conflict, RenderError
from courierx_core.messages.limits import SUBJECT_MAX
from courierx_core.messages.service import complete_parts
from courierx_core.ports.store import UnitOfWork
from courierx_core.templates.check import Verdict, check
from courierx_core.templates.model import Template
from courierx_core.templates.sandbox import OUTPUT_MAX

NAME_MAX = 200


class TemplatePreview(msgspec.Struct, frozen=True, kw_only=True):
    """What a template renders to. `body` is the html, or the text where there is none; `warnings` name
    variables that are neither given nor always there."""

    subject: str
    body: str
    html: str
    text: str
    warnings: Sequence[str]


def examine(courier: Courier, template: Template) -> None:
    """Raise InvalidInput with every bad field, RenderError with part, line and reason. It takes 0.2 s, for
    a trial in a child process: done outside of a transaction that writes."""
    checks = Checks()
    checks.text("name", template.name, longest=NAME_MAX)
    checks.text("subject", template.subject, longest=SUBJECT_MAX)
    for field in ("html", "text", "layout"):
        if len(getattr(template, field)) > OUTPUT_MAX:
            checks.add(field, "too_long", f"takes at most {OUTPUT_MAX:,} characters")
    checks.done()
    _tried(courier, template, None)


def preview(
    courier: Courier, template: Template, variables: Mapping[str, object], person: Subscriber | None = None
) -> TemplatePreview:
    """Render a template for a person, else for an example, whom `variables` may change. Raises
    RenderError."""
    own = ("email", "first_name", "last_name", "attributes")
    about = {name: getattr(person, name) for name in own} if person is not None else {}
    verdict = _tried(courier, complete_parts(courier, template), {**about, **variables})
    html, text = verdict.output.get("html", ""), verdict.output.get("text", "")
    return TemplatePreview(
        subject=verdict.output["subject"], body=html or text, html=html, text=text, warnings=verdict.warnings
    )


def remove(unit: UnitOfWork, template_id: int) -> None:
    """Remove a template. Raises Conflict while a campaign that has not started is made of it; what has
    started is frozen and needs it no more."""
    unit.templates.get(template_id)
    if needed := unit.campaigns.made_of(template_id):
        shown = ", ".join(map(str, needed[:5]))
        raise Conflict(f"Template {template_id} is used by campaign {shown}; change or delete it first.")
    unit.templates.remove(template_id)


def _tried(courier: Courier, template: Template, variables: Mapping[str, object] | None) -> Verdict:
    verdict = check(template, variables, filters=courier.hooks.template_filters())
    if not verdict.valid:
        raise RenderError(verdict.reason, part=verdict.part, line=verdict.line)
    return verdict
