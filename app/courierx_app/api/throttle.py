"""RATE_LIMIT_PER_MINUTE: what a key may ask of a route that costs somebody a mail."""

from __future__ import annotations

from typing import Any

from litestar import Request

from courierx_app.api.caller import Caller
from courierx_core.courier import Courier
from courierx_core.errors import TooManyRequests
from courierx_core.ports.limiter import Rate


def limited(request: Request[Any, Any, Any], courier: Courier, caller: Caller, route: str) -> None:
    """Take one of the key's permits of a route; in `--dev` everybody shares one key's.

    Raises TooManyRequests when this minute's are used up.
    """
    per_minute: int = request.app.state.settings.rate_limit_per_minute
    grant = courier.limiter.take(f"{route}:{caller.actor}", 1, Rate(per_minute, 60, burst=per_minute))
    if not grant.granted:
        raise TooManyRequests(
            f"This key may ask for {per_minute} of these a minute (RATE_LIMIT_PER_MINUTE).", grant.retry_after
        )
