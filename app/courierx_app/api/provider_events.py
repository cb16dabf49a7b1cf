"""POST /events/{transport}: what a provider says later about mail it took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from litestar import Request, Response, post
from litestar.params import FromPath, RawBody

from courierx_app.api.body import MalformedBody
from courierx_app.api.given import TheCourier
from courierx_app.api.scopes import PUBLIC
from courierx_core.errors import InvalidInput, NotFound
from courierx_core.feedback.service import receive
from courierx_core.ports.feedback import Feedback, FeedbackKind, HttpRequest

BODY_MAX_BYTES = 1 << 20

WORDS: Mapping[FeedbackKind, str] = {
    "bounced": "bounced", "complained": "complaint", "delivered": "delivered", "other": "unknown",
}  # fmt: skip
"""What a provider's word is called in the answer, as clients of the reference know it; else `ok`."""


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    status: str
    new: int = 0
    known: int = 0
    unmatched: int = 0


@post(
    "/events/{transport:str}",
    status_code=200,
    opt=PUBLIC,
    tags=["Events"],
    request_max_body_size=BODY_MAX_BYTES,
    sync_to_thread=True,
    security=[],
)
def provider_events(
    request: Request[Any, Any, Any], courier: TheCourier, body: RawBody, transport: FromPath[str]
) -> Response[Any]:
    """Take a provider's word about mail. 403 where it is not the provider's, 400 where it is junk."""
    source = courier.feedback.get(transport)
    if source is None:
        raise NotFound(f"Nothing listens for the events of {transport[:64]!r}.")
    asked = HttpRequest(
        method=request.method,
        path=request.url.path,
        query=dict(request.query_params.items()),
        headers={name.lower(): value for name, value in request.headers.items()},
        body=body,
    )
    try:
        source.verify(asked)
        answer = source.answer(asked)
        told = list(source.parse(asked)) if answer is None else []
    except InvalidInput as junk:
        raise MalformedBody(*junk.problems) from junk
    if answer is not None:
        # the framework adds a charset of its own to a text's type
        kind = answer.content_type.removesuffix("; charset=utf-8")
        return Response(answer.body, status_code=answer.status, media_type=kind)
    got = receive(courier, transport, told, tenant_id=source.tenant_id)
    return Response(Heard(status=_word(told), new=len(got.events), known=got.known, unmatched=got.unmatched))


def _word(told: Sequence[Feedback]) -> str:
    kinds = {each.kind for each in told}
    return WORDS.get(kinds.pop(), "ok") if len(kinds) == 1 else "ok"
