"""/templates: the content that a tenant keeps."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from litestar import Controller, Request, Response, delete, get, patch, post
from litestar.params import FromPath, FromQuery, JSONBody

from courierx_app.api.body import Body
from courierx_app.api.etag import TheMatch, tagged
from courierx_app.api.given import TheCaller, TheCourier
from courierx_app.api.idempotency import Answering, TheOnce
from courierx_app.api.paging import Cursor, Limit, page
from courierx_app.api.scopes import needs
from courierx_core.audience.model import Subscriber
from courierx_core.templates import keeping
from courierx_core.templates.keeping import TemplatePreview
from courierx_core.templates.model import Template


class NewTemplate(msgspec.Struct, frozen=True, kw_only=True):
    """Jinja sources; html or text, or both. `layout` is HTML with `{{ content }}` where the html goes."""

    name: str
    subject: str
    html: str = ""
    text: str = ""
    layout: str = ""
    tenant_id: int | None = None


class TemplateChanges(msgspec.Struct, frozen=True, kw_only=True):
    name: str | None = None
    subject: str | None = None
    html: str | None = None
    text: str | None = None
    layout: str | None = None


class TemplateAnswer(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    tenant_id: int
    name: str
    subject: str
    html: str
    text: str
    layout: str
    created_at: datetime | None
    updated_at: datetime | None


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """Whom to render it for, else an example person; `variables` stand before what they have: names,
    attributes, what the message would bring."""

    subscriber_id: int | None = None
    variables: dict[str, Any] = {}


class TemplateController(Controller):
    path = "/templates"
    tags = ("Templates",)

    @post("/", dto=Body[NewTemplate], return_dto=None, opt=needs("templates:write"), sync_to_thread=True)
    def create(
        self,
        once: TheOnce,
        courier: TheCourier,
        caller: TheCaller,
        data: JSONBody[NewTemplate],
    ) -> Response[TemplateAnswer]:
        """Keep a template; 409 where the name is taken, 422 with part, line and reason of an error in it."""
        tenant_id = caller.tenant(data.tenant_id)

        def make(answer: Answering) -> None:
            new = msgspec.structs.asdict(data)
            template = Template(**{**new, "tenant_id": tenant_id, "name": data.name.strip()})
            keeping.examine(courier, template)
            with courier.store.begin(tenant_id) as unit:
                caller.require_tenant(unit)
                answer(unit, shown(unit.templates.add(template)))

        return once(tenant_id, data, make, 201)

    @get("/", opt=needs("templates:read"), sync_to_thread=True)
    def list_(
        self,
        request: Request[Any, Any, Any],
        courier: TheCourier,
        caller: TheCaller,
        tenant_id: FromQuery[int | None] = None,
        limit: Limit = 100,
        cursor: Cursor = None,
    ) -> Response[Sequence[TemplateAnswer]]:
        """List templates, newest first."""
        with courier.store.begin(caller.tenant(tenant_id), write=False) as unit:
            found = unit.templates.list(before=cursor, limit=limit)
        return page(request, [shown(each) for each in found], limit)

    @get("/{template_id:int}", opt=needs("templates:read"), sync_to_thread=True)
    def get_(
        self, courier: TheCourier, caller: TheCaller, template_id: FromPath[int]
    ) -> Response[TemplateAnswer]:
        """Show a template."""
        found = _found(courier, caller, template_id)
        return tagged(shown(found), found)

    @patch(
        "/{template_id:int}",
        dto=Body[TemplateChanges],
        return_dto=None,
        opt=needs("templates:write"),
        sync_to_thread=True,
    )
    def edit(
        self,
        match: TheMatch,
        courier: TheCourier,
        caller: TheCaller,
        template_id: FromPath[int],
        data: JSONBody[TemplateChanges],
    ) -> Response[TemplateAnswer]:
        """Change what is given. Drafts made of it change with it; what has started is frozen and does not."""
        changes = {name: value for name, value in msgspec.structs.asdict(data).items() if value is not None}
        if data.name is not None:
            changes["name"] = data.name.strip()
        template = msgspec.structs.replace(_found(courier, caller, template_id), **changes)
        keeping.examine(courier, template)
        with match.unit(courier, template.tenant_id) as unit:
            present = unit.templates.get(template_id)
            match.check(present)
            saved = unit.templates.save(msgspec.structs.replace(present, **changes))
        return tagged(shown(saved), saved)

    @delete("/{template_id:int}", opt=needs("templates:write"), sync_to_thread=True)
    def remove(
        self, match: TheMatch, courier: TheCourier, caller: TheCaller, template_id: FromPath[int]
    ) -> None:
        """Delete a template; 409 while a campaign that has not started is made of it."""
        with match.unit(courier, caller.owner(courier, "templates", template_id)) as unit:
            match.check(unit.templates.get(template_id))
            keeping.remove(unit, template_id)

    @post(
        "/{template_id:int}/preview",
        dto=Body[Given],
        return_dto=None,
        status_code=200,
        opt=needs("templates:read"),
        sync_to_thread=True,
    )
    def preview(
        self, courier: TheCourier, caller: TheCaller, template_id: FromPath[int], data: JSONBody[Given]
    ) -> TemplatePreview:
        """Render it for a subscriber, or for an example person, with these variables; `warnings` name what
        is empty then."""
        template = _found(courier, caller, template_id)
        person: Subscriber | None = None
        if data.subscriber_id is not None:
            with courier.store.begin(template.tenant_id, write=False) as unit:
                person = unit.subscribers.get(data.subscriber_id)
        return keeping.preview(courier, template, data.variables, person)


def _found(courier: TheCourier, caller: TheCaller, template_id: int) -> Template:
    with courier.store.begin(caller.owner(courier, "templates", template_id), write=False) as unit:
        return unit.templates.get(template_id)


def shown(template: Template) -> TemplateAnswer:
    return TemplateAnswer(**msgspec.structs.asdict(template))
