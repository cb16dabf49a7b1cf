"""/webhooks: the receivers that a tenant's events are told to, and how each telling went."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any, NoReturn, TypeAlias

import msgspec
from litestar import Controller, Request, Response, delete, get, patch, post
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from courierx_app.api.body import Body
from courierx_app.api.etag import TheMatch, tagged
from courierx_app.api.given import TheCaller, TheCourier
from courierx_app.api.idempotency import Answering, TheOnce
from courierx_app.api.paging import Cursor, Limit, moment, page
from courierx_app.api.scopes import needs
from courierx_core.courier import Courier
from courierx_core.errors import InvalidInput
from courierx_core.notify import notify
from courierx_core.ports.store import UnitOfWork
from courierx_core.webhooks import service
from courierx_core.webhooks.model import Attempt, Call, CallState, Webhook, WebhookStatus

WantedState: TypeAlias = Annotated[
    CallState | None, QueryParameter(name="state", description="Only calls in this state.")
]


class NewWebhook(msgspec.Struct, frozen=True, kw_only=True):
    url: str
    types: tuple[str, ...] = ()
    description: str = ""
    tenant_id: int | None = None


class WebhookChanges(msgspec.Struct, frozen=True, kw_only=True):
    url: str | None = None
    types: tuple[str, ...] | None = None
    description: str | None = None
    status: WebhookStatus | None = None


class Replay(msgspec.Struct, frozen=True, kw_only=True):
    """One event, or every one from `since` to before `until` (now, if it is not given)."""

    event_id: int | None = None
    since: str | None = None
    until: str | None = None


class WebhookAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """`types` are the types of event it is told of; none are all. `failing_since` is when it began to take
    nothing; `disabled_reason` says why it is no longer called."""

    id: int
    tenant_id: int
    url: str
    types: Sequence[str]
    description: str
    status: WebhookStatus
    disabled_reason: str
    failing_since: datetime | None
    created_at: datetime | None
    updated_at: datetime | None


class WebhookSecret(WebhookAnswer, frozen=True, kw_only=True):
    """`secret` is shown this once."""

    secret: str


class CallAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """`due_at` is when one that waits is tried next. An attempt with status 0 had no answer."""

    id: int
    webhook_id: int
    type: str
    event_id: int | None
    state: CallState
    due_at: datetime | None
    attempts: Sequence[Attempt]
    created_at: datetime | None


class Queued(msgspec.Struct, frozen=True, kw_only=True):
    """How many calls will be made."""

    calls: int


class WebhookController(Controller):
    path = "/webhooks"
    tags = ("Webhooks",)

    @post("/", dto=Body[NewWebhook], return_dto=None, sync_to_thread=True, opt=needs("webhooks:write"))
    def create(
        self, once: TheOnce, courier: TheCourier, caller: TheCaller, data: JSONBody[NewWebhook]
    ) -> Response[WebhookSecret]:
        """Add a receiver; it is told of what happens from now on. Its signing secret is shown this once."""
        tenant_id = caller.tenant(data.tenant_id)

        def add(answer: Answering) -> None:
            with courier.store.begin(tenant_id) as unit:
                caller.require_tenant(unit)
                made = service.create(courier, unit, data.url, types=data.types, description=data.description)
                answer(unit, _with_secret(made))

        return once(tenant_id, data, add, 201, secret=True)

    @get("/", sync_to_thread=True, opt=needs("webhooks:read"))
    def list_(
        self,
        request: Request[Any, Any, Any],
        courier: TheCourier,
        caller: TheCaller,
        tenant_id: FromQuery[int | None] = None,
        limit: Limit = 100,
        cursor: Cursor = None,
    ) -> Response[Sequence[WebhookAnswer]]:
        """List receivers, newest first."""
        with courier.store.begin(caller.tenant(tenant_id), write=False) as unit:
            found = unit.webhooks.list(before=cursor, limit=limit)
        return page(request, [shown(each) for each in found], limit)

    @get("/{webhook_id:int}", sync_to_thread=True, opt=needs("webhooks:read"))
    def get_(
        self, courier: TheCourier, caller: TheCaller, webhook_id: FromPath[int]
    ) -> Response[WebhookAnswer]:
        """Show a receiver, without its secret."""
        with courier.store.begin(caller.owner(courier, "webhooks", webhook_id), write=False) as unit:
            found = unit.webhooks.get(webhook_id)
        return tagged(shown(found), _chosen(found))

    @patch(
        "/{webhook_id:int}",
        dto=Body[WebhookChanges],
        return_dto=None,
        sync_to_thread=True,
        opt=needs("webhooks:write"),
    )
    def edit(
        self,
        match: TheMatch,
        courier: TheCourier,
        caller: TheCaller,
        webhook_id: FromPath[int],
        data: JSONBody[WebhookChanges],
    ) -> Response[WebhookAnswer]:
        """Change what is given. What waits for one that is disabled is told once it is enabled."""
        with match.unit(courier, caller.owner(courier, "webhooks", webhook_id)) as unit:
            match.check(_chosen(unit.webhooks.get(webhook_id)))
            saved = service.edit(
                courier,
                unit,
                webhook_id,
                url=data.url,
                types=data.types,
                description=data.description,
                status=data.status,
            )
        notify(courier, "webhooks")
        return tagged(shown(saved), _chosen(saved))

    @delete("/{webhook_id:int}", sync_to_thread=True, opt=needs("webhooks:write"))
    def remove(
        self, match: TheMatch, courier: TheCourier, caller: TheCaller, webhook_id: FromPath[int]
    ) -> None:
        """Remove a receiver with its log; what waits for it is not told."""
        with match.unit(courier, caller.owner(courier, "webhooks", webhook_id)) as unit:
            match.check(_chosen(unit.webhooks.get(webhook_id)))
            service.remove(unit, webhook_id)

    @post("/{webhook_id:int}/rotate", status_code=200, sync_to_thread=True, opt=needs("webhooks:write"))
    def rotate(
        self, once: TheOnce, courier: TheCourier, caller: TheCaller, webhook_id: FromPath[int]
    ) -> Response[WebhookSecret]:
        """Make a new secret, shown this once; for a day calls carry the signatures of both."""
        tenant_id = caller.owner(courier, "webhooks", webhook_id)

        def rotate(answer: Answering) -> None:
            with courier.store.begin(tenant_id) as unit:
                answer(unit, _with_secret(service.rotate(courier, unit, webhook_id)))

        return once(tenant_id, None, rotate, secret=True)

    @post("/{webhook_id:int}/test", status_code=202, sync_to_thread=True, opt=needs("webhooks:write"))
    def test(
        self, once: TheOnce, courier: TheCourier, caller: TheCaller, webhook_id: FromPath[int]
    ) -> Response[Queued]:
        """Call it with `webhook.test`; the log shows what it answered. 409 where it is disabled."""
        tenant_id = caller.owner(courier, "webhooks", webhook_id)

        def call(unit: UnitOfWork) -> int:
            return service.test(unit, webhook_id)

        return _queued(once, courier, tenant_id, None, call)

    @post(
        "/{webhook_id:int}/replay",
        dto=Body[Replay],
        return_dto=None,
        status_code=202,
        sync_to_thread=True,
        opt=needs("webhooks:write"),
    )
    def replay(
        self,
        once: TheOnce,
        courier: TheCourier,
        caller: TheCaller,
        webhook_id: FromPath[int],
        data: JSONBody[Replay],
    ) -> Response[Queued]:
        """Tell it of one event, or of a span of them, again; each under the id that it had."""
        tenant_id = caller.owner(courier, "webhooks", webhook_id)
        since, until = moment("since", data.since), moment("until", data.until)

        def call(unit: UnitOfWork) -> int:
            match data.event_id, since:
                case int(event_id), None:
                    return service.replay(unit, webhook_id, event_id)
                case None, datetime():
                    return service.replay_span(unit, webhook_id, since, until or courier.runtime.now())
            _either()

        return _queued(once, courier, tenant_id, data, call)

    @get("/{webhook_id:int}/log", sync_to_thread=True, opt=needs("webhooks:read"))
    def log(
        self,
        request: Request[Any, Any, Any],
        courier: TheCourier,
        caller: TheCaller,
        webhook_id: FromPath[int],
        wanted: WantedState = None,
        limit: Limit = 100,
        cursor: Cursor = None,
    ) -> Response[Sequence[CallAnswer]]:
        """List the calls of the last 30 days with every attempt, newest first."""
        with courier.store.begin(caller.owner(courier, "webhooks", webhook_id), write=False) as unit:
            unit.webhooks.get(webhook_id)
            found = unit.webhook_calls.list(webhook_id, state=wanted, before=cursor, limit=limit)
        return page(request, [call_shown(each) for each in found], limit)


def shown(webhook: Webhook) -> WebhookAnswer:
    return msgspec.convert(webhook, WebhookAnswer, from_attributes=True)


def call_shown(call: Call) -> CallAnswer:
    return msgspec.convert(call, CallAnswer, from_attributes=True)


def _with_secret(made: service.NewWebhook) -> WebhookSecret:
    return WebhookSecret(**msgspec.structs.asdict(shown(made.webhook)), secret=made.secret.reveal())


def _chosen(webhook: Webhook) -> Webhook:
    """Return it without what its calls change, for an entity tag that lasts until a person changes it."""
    return msgspec.structs.replace(webhook, failures=0, failing_since=None, updated_at=None)


def _queued(
    once: TheOnce, courier: Courier, tenant_id: int, body: object, call: Callable[[UnitOfWork], int]
) -> Response[Queued]:
    def act(answer: Answering) -> None:
        with courier.store.begin(tenant_id) as unit:
            answer(unit, Queued(calls=call(unit)))

    answered = once(tenant_id, body, act, 202)
    notify(courier, "webhooks")
    return answered


def _either() -> NoReturn:
    raise InvalidInput.of("event_id", "required", "give an event_id, or since and maybe until; not both")
