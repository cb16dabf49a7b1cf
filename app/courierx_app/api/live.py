"""Live progress: server-sent events (WHATWG HTML, section 9.2) while a campaign runs."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from typing import Any

import anyio
import msgspec
from anyio.to_thread import run_sync
from litestar import Request, get
from litestar.params import FromPath
from litestar.response import Stream

from courierx_app.api.given import TheCaller, TheCourier
from courierx_app.api.scopes import needs
from courierx_core.campaigns.model import PublicStatus, public_status
from courierx_core.campaigns.progress import Progress, progress
from courierx_core.courier import Courier
from courierx_core.errors import NotFound, StoreError

LOOK_SECONDS = 1.0
QUIET_SECONDS = 15.0
"""When a comment is sent though nothing has changed, so that proxies keep the connection."""
STREAM_SECONDS = 600.0
"""After which the client has to ask again, with a key that still works."""
UNDER_WAY: tuple[PublicStatus, ...] = ("scheduled", "sending", "paused")


@get(
    "/campaigns/{campaign_id:int}/progress/stream",
    tags=("Campaigns",),
    sync_to_thread=True,
    media_type="text/event-stream",
    opt={**needs("campaigns:read"), "uncompressed": True},
)
def progress_stream(
    request: Request[Any, Any, Any], courier: TheCourier, caller: TheCaller, campaign_id: FromPath[int]
) -> Stream:
    """Follow a campaign: an event `progress`, as `/progress` answers it, and an event `status` whenever one
    has changed. It ends with the campaign, which must have been scheduled or started; after ten
    minutes ask again."""
    tenant_id = caller.owner(courier, "campaigns", campaign_id)
    with courier.store.begin(tenant_id, write=False) as unit:
        unit.campaigns.get(campaign_id)
    return Stream(
        follow(courier, tenant_id, campaign_id, request.app.state.ending),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"},
    )


async def follow(
    courier: Courier, tenant_id: int, campaign_id: int, ending: threading.Event
) -> AsyncIterator[bytes]:
    """Give events until the campaign is not under way, the time is up, or the process is `ending`."""
    said: dict[str, object] = {}
    began = quiet_since = anyio.current_time()
    while not ending.is_set() and anyio.current_time() - began < STREAM_SECONDS:
        try:
            status, found = await run_sync(_look, courier, tenant_id, campaign_id)
        except (NotFound, StoreError):
            return  # the client asks again, and is told
        for event, now in (("progress", found), ("status", {"status": status})):
            if said.get(event) != now:
                said[event] = now
                quiet_since = anyio.current_time()
                yield b"event: %s\ndata: %s\n\n" % (event.encode(), msgspec.json.encode(now))
        if status not in UNDER_WAY:
            return
        if anyio.current_time() - quiet_since > QUIET_SECONDS:
            quiet_since = anyio.current_time()
            yield b": nothing new\n\n"
        await anyio.sleep(LOOK_SECONDS)


def _look(courier: Courier, tenant_id: int, campaign_id: int) -> tuple[PublicStatus, Progress]:
    # the status first: what is over when it is read has its last counts after it
    with courier.store.begin(tenant_id, write=False) as unit:
        status = public_status(unit.campaigns.get(campaign_id).status)
    return status, progress(courier, tenant_id, campaign_id)
