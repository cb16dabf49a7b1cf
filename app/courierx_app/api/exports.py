"""/exports: files of what a tenant has, streamed."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from litestar import Controller, get
from litestar.params import FromQuery, QueryParameter
from litestar.response import Stream

from courierx_app.api.email_logs import Recipient, asked_of_log
from courierx_app.api.given import TheCaller, TheCourier
from courierx_app.api.paging import Since, searchable
from courierx_app.api.scopes import needs
from courierx_app.api.subscribers import OnList, Searched
from courierx_core.audience.model import SubscriberStatus
from courierx_core.courier import Courier
from courierx_core.delivery.log import LogStatus
from courierx_core.exports import service
from courierx_core.exports.service import Export, Form

InForm: TypeAlias = Annotated[
    Form, QueryParameter(name="format", description="CSV with a line of names, or an object a line.")
]
MEDIA: dict[Form, str] = {"csv": "text/csv; charset=utf-8", "jsonl": "application/jsonl"}


class ExportController(Controller):
    path = "/exports"
    tags = ("Exports",)
    opt = needs("exports:read")

    @get("/subscribers", sync_to_thread=True, media_type="text/csv")
    def subscribers(
        self,
        courier: TheCourier,
        caller: TheCaller,
        tenant_id: FromQuery[int | None] = None,
        form: InForm = "csv",
        status: FromQuery[SubscriberStatus | None] = None,
        on_list: OnList = None,
        q: Searched = "",
    ) -> Stream:
        """Take people out, newest first; in CSV every attribute has a column."""
        owner = caller.tenant(tenant_id)
        with courier.store.begin(owner, write=False) as unit:
            caller.require_tenant(unit)
            if on_list is not None:
                unit.lists.get(on_list)
        asked = service.subscribers(status=status, list_id=on_list, q=searchable(q))
        return _file(courier, owner, asked, form)

    @get("/email-logs", sync_to_thread=True, media_type="text/csv")
    def email_logs(
        self,
        courier: TheCourier,
        caller: TheCaller,
        tenant_id: FromQuery[int | None] = None,
        form: InForm = "csv",
        campaign_id: FromQuery[int | None] = None,
        status: FromQuery[LogStatus | None] = None,
        recipient: Recipient = None,
        since: Since = None,
    ) -> Stream:
        """Take the log out, newest first; of one campaign, if it is given."""
        owner = caller.tenant(tenant_id)
        with courier.store.begin(owner, write=False) as unit:
            caller.require_tenant(unit)
            # no message has the id 0: a campaign that has not started has no log
            message_id = None if campaign_id is None else unit.campaigns.get(campaign_id).message_id or 0
        asked = service.email_logs(message_id=message_id, **asked_of_log(status, recipient, since))
        return _file(courier, owner, asked, form)

    @get("/suppression", sync_to_thread=True, media_type="text/csv")
    def suppression(
        self,
        courier: TheCourier,
        caller: TheCaller,
        tenant_id: FromQuery[int | None] = None,
        form: InForm = "csv",
    ) -> Stream:
        """Take out who gets no mail, newest first."""
        owner = caller.tenant(tenant_id)
        with courier.store.begin(owner, write=False) as unit:
            caller.require_tenant(unit)
        return _file(courier, owner, service.suppressions(), form)


def _file(courier: Courier, tenant_id: int, export: Export[Any], form: Form) -> Stream:
    lines = service.write(courier.store, tenant_id, export, form)
    name = f'attachment; filename="{export.name}.{form}"'
    return Stream(lines, media_type=MEDIA[form], headers={"Content-Disposition": name})
