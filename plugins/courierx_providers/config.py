"""Settings that every provider has."""

from __future__ import annotations

from typing import Annotated, ClassVar, TypeAlias
from urllib.parse import urlsplit

from msgspec import Meta

from courierx_core import Config, Secret

Seconds: TypeAlias = Annotated[float, Meta(gt=0)]


class ProviderConfig(Config, frozen=True, kw_only=True):
    """An account with a provider, and how much is asked of it at once."""

    HEARS_BY: ClassVar[str] = ""
    """The variable without which none of its events is believed."""

    url: str
    per_second: Annotated[int, Meta(ge=0)] = 0
    """Messages per second at most; 0 is no limit of ours."""
    max_concurrency: Annotated[int, Meta(ge=1, le=200)] = 10
    """Requests in flight at most."""
    connect_seconds: Seconds = 10.0
    answer_seconds: Seconds = 60.0
    """How long to wait for an answer. Giving up early makes uncertainty: the message may have been taken."""

    @property
    def hears(self) -> bool:
        """Tell whether there is what its events are believed by."""
        return True

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
            raise ValueError(
                f"url has the host {parts.hostname!r}; it takes an address such as https://api.example.com"
            )


def require_header_text(name: str, secret: Secret) -> None:
    """Raise ValueError, without showing it, where a key is missing or cannot stand in a header."""
    if not secret or not secret.reveal().isascii() or not secret.reveal().isprintable():
        raise ValueError(f"{name} takes a key of printable ASCII, and has none")
