"""/segments: people by a saved condition."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, TypeAlias

import msgspec
from litestar import Controller, Request, Response, delete, get, patch, post
from litestar.params import FromPath, FromQuery, JSONBody

from courierx_app.api.body import Body
from courierx_app.api.etag import TheMatch, tagged
from courierx_app.api.given import TheCaller, TheCourier
from courierx_app.api.idempotency import Answering, TheOnce
from courierx_app.api.paging import Cursor, Limit, page
from courierx_app.api.scopes import needs
from courierx_core.audience import segments
from courierx_core.audience.model import Segment

Definition: TypeAlias = Annotated[
    dict[str, Any],
    msgspec.Meta(
        description="A tree. `type` is and, or (`of`: a list), not (`of`: one), field, attribute (`name`, "
        "`op`, `value`), created, list (`list_id`) or event (`kind`, `campaign_id`, `within_days`).",
        examples=[{"type": "attribute", "name": "plan", "op": "in", "value": ["pro", "plus"]}],
    ),
]


class NewSegment(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    definition: Definition
    tenant_id: int | None = None


class SegmentChanges(msgspec.Struct, frozen=True, kw_only=True):
    name: str | None = None
    definition: Definition | None = None


class Unsaved(msgspec.Struct, frozen=True, kw_only=True):
    definition: Definition
    tenant_id: int | None = None


class SegmentAnswer(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    tenant_id: int
    name: str
    definition: Definition
    created_at: datetime | None
    updated_at: datetime | None


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """Everyone in the segment, whatever their status."""

    count: int


class SegmentController(Controller):
    path = "/segments"
    tags = ("Segments",)

    @post("/", dto=Body[NewSegment], return_dto=None, sync_to_thread=True, opt=needs("segments:write"))
    def create(
        self, once: TheOnce, courier: TheCourier, caller: TheCaller, data: JSONBody[NewSegment]
    ) -> Response[SegmentAnswer]:
        """Save a segment; 422 names every bad node of the tree by its path."""
        tenant_id = caller.tenant(data.tenant_id)

        def make(answer: Answering) -> None:
            with courier.store.begin(tenant_id) as unit:
                caller.require_tenant(unit)
                answer(unit, shown(segments.create(unit, data.name, data.definition)))

        return once(tenant_id, data, make, 201)

    @get("/", sync_to_thread=True, opt=needs("segments:read"))
    def list_(
        self,
        request: Request[Any, Any, Any],
        courier: TheCourier,
        caller: TheCaller,
        tenant_id: FromQuery[int | None] = None,
        limit: Limit = 100,
        cursor: Cursor = None,
    ) -> Response[Sequence[SegmentAnswer]]:
        """List segments, newest first."""
        with courier.store.begin(caller.tenant(tenant_id), write=False) as unit:
            found = unit.segments.list(before=cursor, limit=limit)
        return page(request, [shown(each) for each in found], limit)

    @post(
        "/count",
        dto=Body[Unsaved],
        return_dto=None,
        status_code=200,
        sync_to_thread=True,
        opt=needs("segments:read"),
    )
    def count_unsaved(self, courier: TheCourier, caller: TheCaller, data: JSONBody[Unsaved]) -> Counted:
        """Count who a tree finds, before it is saved."""
        with courier.store.begin(caller.tenant(data.tenant_id), write=False) as unit:
            caller.require_tenant(unit)
            tree = segments.understood(unit, data.definition)
            return Counted(count=segments.count(unit, tree, courier.runtime.now()))

    @get("/{segment_id:int}", sync_to_thread=True, opt=needs("segments:read"))
    def get_(
        self, courier: TheCourier, caller: TheCaller, segment_id: FromPath[int]
    ) -> Response[SegmentAnswer]:
        """Show a segment."""
        with courier.store.begin(caller.owner(courier, "segments", segment_id), write=False) as unit:
            found = unit.segments.get(segment_id)
        return tagged(shown(found), found)

    @get("/{segment_id:int}/count", sync_to_thread=True, opt=needs("segments:read"))
    def count(self, courier: TheCourier, caller: TheCaller, segment_id: FromPath[int]) -> Counted:
        """Count who is in it now."""
        with courier.store.begin(caller.owner(courier, "segments", segment_id), write=False) as unit:
            tree = unit.segments.get(segment_id).definition
            return Counted(count=segments.count(unit, tree, courier.runtime.now()))

    @patch(
        "/{segment_id:int}",
        dto=Body[SegmentChanges],
        return_dto=None,
        sync_to_thread=True,
        opt=needs("segments:write"),
    )
    def edit(
        self,
        match: TheMatch,
        courier: TheCourier,
        caller: TheCaller,
        segment_id: FromPath[int],
        data: JSONBody[SegmentChanges],
    ) -> Response[SegmentAnswer]:
        """Rename it, or replace its tree; a campaign that has started keeps the one it began with."""
        with match.unit(courier, caller.owner(courier, "segments", segment_id)) as unit:
            match.check(unit.segments.get(segment_id))
            edited = segments.edit(unit, segment_id, data.name, data.definition)
        return tagged(shown(edited), edited)

    @delete("/{segment_id:int}", sync_to_thread=True, opt=needs("segments:write"))
    def remove(
        self, match: TheMatch, courier: TheCourier, caller: TheCaller, segment_id: FromPath[int]
    ) -> None:
        """Delete a segment, not its people; 409 while a campaign that is not over names it."""
        with match.unit(courier, caller.owner(courier, "segments", segment_id)) as unit:
            match.check(unit.segments.get(segment_id))
            segments.remove(unit, segment_id)


def shown(segment: Segment) -> SegmentAnswer:
    values = msgspec.structs.asdict(segment)
    return SegmentAnswer(**{**values, "definition": msgspec.to_builtins(segment.definition)})
