"""POST /send/send-test: one mail to one address, and what became of it."""

from __future__ import annotations

from typing import Any

import msgspec
from anyio import move_on_after, sleep
from anyio.to_thread import run_sync
from litestar import Request, Response, post
from litestar.params import JSONBody

from courierx_app.api.addresses import GivenAddress, address_of
from courierx_app.api.body import Body
from courierx_app.api.caller import Caller
from courierx_app.api.given import TheCaller, TheCourier
from courierx_app.api.idempotency import Answering, TheOnce
from courierx_app.api.scopes import needs
from courierx_app.api.throttle import limited
from courierx_core.courier import Courier
from courierx_core.delivery.model import OPEN, Delivery, DeliveryState
from courierx_core.errors import FieldProblem, InvalidInput, RenderError
from courierx_core.messages import transactional
from courierx_core.messages.new import NewMessage
from courierx_core.ports.idempotency import Keeps
from courierx_core.templates.service import parts_of
from courierx_core.tenants import service as tenants

WAIT_SECONDS = 30.0
"""How long the answer waits for the far side's; the message goes out after that too."""
LOOK_EVERY_SECONDS = 0.05
TENANT = "send-test"
"""The tenant of a test that names none, as the reference's clients do."""
_FIELDS = {"html": "body", "text": "body"}


class TrialMail(msgspec.Struct, frozen=True, kw_only=True):
    """`body` is HTML if it holds a tag, else text. With `enqueue` the answer waits for nothing."""

    recipient: GivenAddress
    subject: str
    body: str
    enqueue: bool = False
    tenant_id: int | None = None


class TrialAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """`message_id` is the provider's once it has the mail; of a `queued` one it is the queue's id; null
    where there is none, and `state` and `reply` say why."""

    message_id: str | None
    queued: bool
    delivery_id: int
    state: DeliveryState
    reply: str


@post(
    "/send/send-test",
    dto=Body[TrialMail],
    return_dto=None,
    status_code=200,
    opt=needs("messages:send"),
    tags=["Messages"],
)
async def send_test(
    request: Request[Any, Any, Any],
    once: TheOnce,
    courier: TheCourier,
    caller: TheCaller,
    data: JSONBody[TrialMail],
) -> Response[TrialAnswer]:
    """Send one mail and wait at most 30 s for its answer; 429 past RATE_LIMIT_PER_MINUTE."""
    await run_sync(limited, request, courier, caller, "send-test")

    tenant_id = await run_sync(_tenant, courier, caller, data.tenant_id)

    def send(answer: Answering) -> None:
        to, (html, text) = address_of(data.recipient, "recipient"), parts_of(data.body, "", "")
        new = NewMessage(to=(to,), subject=data.subject, html=html, text=text)

        def keep(unit: Keeps, sent: transactional.Sent) -> None:
            answer(unit, _answer(sent.deliveries[0], ""))

        try:
            sent.append(transactional.send(courier, tenant_id, new, keep=keep))
        except InvalidInput as error:
            raise InvalidInput(*map(_as_given, error.problems)) from None
        except RenderError as error:
            raise RenderError(
                error.reason, part=_FIELDS.get(error.part, error.part), line=error.line
            ) from None

    sent: list[transactional.Sent] = []
    first: Response[TrialAnswer] = await run_sync(once, tenant_id, data, send)
    if not sent:
        return first
    (delivery,) = sent[0].deliveries
    if not data.enqueue:
        delivery = await _answered(courier, delivery)
    answer = _answer(delivery, sent[0].notification)
    await run_sync(once.amend, tenant_id, data, answer)
    return Response(answer)


def _tenant(courier: Courier, caller: Caller, given: int | None) -> int:
    if given is None and caller.tenant_id is None:
        return tenants.ensure(courier.store, TENANT).id
    return caller.tenant(given)


def _answer(delivery: Delivery, notification: str) -> TrialAnswer:
    queued = delivery.state in OPEN
    return TrialAnswer(
        message_id=(notification if queued else delivery.provider_id) or None,
        queued=queued,
        delivery_id=delivery.id,
        state=delivery.state,
        reply=delivery.reply or delivery.reason,
    )


def _as_given(problem: FieldProblem) -> FieldProblem:
    return FieldProblem(_FIELDS.get(problem.field, problem.field), problem.code, problem.message)


async def _answered(courier: Courier, delivery: Delivery) -> Delivery:
    """Wait until the delivery is closed, without a thread of its own."""

    def look() -> Delivery:
        with courier.store.begin(delivery.tenant_id, write=False) as unit:
            return unit.deliveries.get(delivery.id)

    with move_on_after(WAIT_SECONDS):
        while delivery.state == "queued":
            await sleep(LOOK_EVERY_SECONDS)
            delivery = await run_sync(look)
    return delivery
