"""Settings of Pigeon Post, for its transport and its feedback alike."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from msgspec import Meta

from courierx_core import Config, Secret


class PigeonConfig(Config, frozen=True, kw_only=True):
    """An account with Pigeon Post."""

    token: Annotated[Secret, Meta(extra={"env": "PIGEON_TOKEN"})]
    url: Annotated[str, Meta(extra={"env": "PIGEON_URL"}, examples=["https://api.pigeon.example"])] = (
        "https://api.pigeon.example"
    )
    webhook_secret: Annotated[Secret, Meta(extra={"env": "PIGEON_WEBHOOK_SECRET"})] = Secret("")
    """What Pigeon Post signs its webhooks with; '' believes none of them."""
    seconds: Annotated[float, Meta(gt=0)] = 30.0
    """How long to wait for the far side. Giving up early makes uncertainty: it may have taken the letter."""

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"url is {self.url!r}; it takes an address such as https://api.pigeon.example")
        if not self.token.reveal().isprintable() or not self.token.reveal().isascii():
            raise ValueError("token holds what no token of Pigeon Post does; it takes printable ASCII")
