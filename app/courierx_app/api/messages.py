"""/messages: transactional mail, one content to a few people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from litestar import Controller, Request, Response, get, post
from litestar.params import FromPath, FromQuery, JSONBody

from courierx_app.api.body import Body, read_object
from courierx_app.api.given import TheCaller, TheCourier
from courierx_app.api.idempotency import Answering, TheOnce
from courierx_app.api.message_bodies import (
    BatchBody,
    MessageAnswer,
    MessageBody,
    SentAnswer,
    WholeMessageAnswer,
    listed,
    message_of,
    sent_answer,
    whole,
)
from courierx_app.api.paging import Cursor, Limit, page
from courierx_app.api.problems import fields_of
from courierx_app.api.scopes import needs
from courierx_core.courier import Courier
from courierx_core.errors import FieldProblem, InvalidInput, RenderError
from courierx_core.messages import transactional
from courierx_core.messages.transactional import Prepared
from courierx_core.ports.store import UnitOfWork

BATCH_MAX = 500
BODY_MAX_BYTES = 48 << 20
"""25 MB of files in base64, and the rest."""
_DELIVERIES_SHOWN = 100


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    code: str
    detail: str
    errors: Sequence[FieldProblem] = ()


class BatchResult(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one message of a batch: `status` 202 with `message`, or 422 with `error`."""

    status: int
    message: SentAnswer | None = None
    error: Refusal | None = None


class BatchAnswer(msgspec.Struct, frozen=True, kw_only=True):
    accepted: int
    results: Sequence[BatchResult]


class MessageController(Controller):
    path = "/messages"
    tags = ("Messages",)

    @post(
        "/",
        dto=Body[MessageBody],
        return_dto=None,
        status_code=202,
        opt=needs("messages:send"),
        request_max_body_size=BODY_MAX_BYTES,
        sync_to_thread=True,
    )
    def create(
        self,
        once: TheOnce,
        courier: TheCourier,
        caller: TheCaller,
        data: JSONBody[MessageBody],
    ) -> Response[SentAnswer]:
        """Send a message, now or at `scheduled_at`. It is stored when this answers.

        Everybody of to, cc and bcc gets a delivery; a suppressed address is one in that state.
        """
        tenant_id = caller.tenant(data.tenant_id)

        def send(answer: Answering) -> None:
            transactional.send(
                courier,
                tenant_id,
                message_of(data),
                keep=lambda unit, sent: answer(unit, sent_answer(sent, courier.runtime.now())),
            )

        return once(tenant_id, data, send, 202)

    @post(
        "/batch",
        dto=Body[BatchBody],
        return_dto=None,
        status_code=200,
        opt=needs("messages:send"),
        request_max_body_size=BODY_MAX_BYTES,
        sync_to_thread=True,
    )
    def batch(
        self,
        once: TheOnce,
        courier: TheCourier,
        caller: TheCaller,
        data: JSONBody[BatchBody],
    ) -> Response[BatchAnswer]:
        """Send up to 500 messages. Each is accepted or refused by itself, in the order given."""
        tenant_id = caller.tenant(data.tenant_id)
        if not 1 <= len(data.messages) <= BATCH_MAX:
            raise InvalidInput.of("messages", "length", f"takes 1 to {BATCH_MAX} messages")

        def send(answer: Answering) -> None:
            with courier.store.begin(tenant_id, write=False) as unit:
                caller.require_tenant(unit)
                ready = [_prepared(courier, unit, each) for each in data.messages]
            with courier.store.begin(tenant_id) as unit:
                results = [_stored(courier, unit, each) for each in ready]
                accepted = sum(each.status == 202 for each in results)
                answer(unit, BatchAnswer(accepted=accepted, results=results))
            transactional.announce(courier)

        return once(tenant_id, data, send)

    @get("/", opt=needs("messages:read"), sync_to_thread=True)
    def list_(
        self,
        request: Request[Any, Any, Any],
        courier: TheCourier,
        caller: TheCaller,
        tenant_id: FromQuery[int | None] = None,
        limit: Limit = 100,
        cursor: Cursor = None,
    ) -> Response[Sequence[MessageAnswer]]:
        """List messages, newest first; a campaign that has started is one of them."""
        with courier.store.begin(caller.tenant(tenant_id), write=False) as unit:
            found = unit.messages.list(before=cursor, limit=limit)
        now = courier.runtime.now()
        return page(request, [listed(each, now) for each in found], limit)

    @get("/{message_id:int}", opt=needs("messages:read"), sync_to_thread=True)
    def get_(self, courier: TheCourier, caller: TheCaller, message_id: FromPath[int]) -> WholeMessageAnswer:
        """Show a message, what it says, and what became of its deliveries."""
        return _whole(courier, caller.owner(courier, "messages", message_id), message_id)

    @post("/{message_id:int}/cancel", status_code=200, opt=needs("messages:send"), sync_to_thread=True)
    def cancel(self, courier: TheCourier, caller: TheCaller, message_id: FromPath[int]) -> WholeMessageAnswer:
        """Send nothing more of it; 409 where nothing is left to cancel."""
        tenant_id = caller.owner(courier, "messages", message_id)
        transactional.cancel(courier, tenant_id, message_id)
        return _whole(courier, tenant_id, message_id)


def _whole(courier: Courier, tenant_id: int, message_id: int) -> WholeMessageAnswer:
    with courier.store.begin(tenant_id, write=False) as unit:
        message = unit.messages.get(message_id)
        states = unit.deliveries.totals(message_id)
        deliveries = unit.deliveries.list(message_id=message_id, limit=_DELIVERIES_SHOWN)
    return whole(message, states, deliveries, courier.runtime.now())


def _prepared(courier: Courier, unit: UnitOfWork, given: Mapping[str, Any]) -> Prepared | Refusal:
    try:
        body = read_object(MessageBody, given)
        if body.tenant_id not in (None, unit.tenant_id):
            raise InvalidInput.of("tenant_id", "other_tenant", "a batch is one tenant's; leave it out here")
        return transactional.prepare(courier, unit, message_of(body))
    except (InvalidInput, RenderError) as error:
        return Refusal(code=error.code, detail=str(error), errors=fields_of(error))


def _stored(courier: Courier, unit: UnitOfWork, ready: Prepared | Refusal) -> BatchResult:
    if isinstance(ready, Refusal):
        return BatchResult(status=422, error=ready)
    sent = transactional.store(unit, ready)
    return BatchResult(status=202, message=sent_answer(sent, courier.runtime.now()))
