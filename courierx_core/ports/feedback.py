"""Feedback sources: what a provider says later about mail it took."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from datetime import datetime

import msgspec

from courierx_core.feedback.model import BounceClass as BounceClass
from courierx_core.feedback.model import FeedbackKind as FeedbackKind
from courierx_core.ports.driver import C, Driver


class HttpRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A provider's request as it came; header names are lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


class HttpReply(msgspec.Struct, frozen=True, kw_only=True):
    status: int = 200
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"


class Feedback(msgspec.Struct, frozen=True, kw_only=True):
    """A provider's word, normalised. Matched by `send_id`, else by transport, `provider_id` and
    `recipient`; applied once by (source, kind, recipient, event_id or the provider's time)."""

    kind: FeedbackKind
    at: datetime
    """The provider's time, aware."""
    event_id: str = ""
    send_id: str = ""
    provider_id: str = ""
    recipient: str = ""
    status: str = ""
    """Enhanced status code (RFC 3463)."""
    reply: str = ""
    bounce: BounceClass | None = None
    url: str = ""
    user_agent: str = ""
    machine: bool = False
    """A scanner or a proxy did it, nobody read anything."""
    raw: str = ""
    """The provider's own account of it, JSON if it has that form; kept with the event."""


class FeedbackSource(Driver[C]):
    """Entry-point group `courierx.feedback`; answers `POST /events/{name}`. A source with the entry-point
    name of a transport answers for each instance of it, and is given its Config. Any other stands alone:
    it is named in COURIERX_FEEDBACK or has a table `[feedback.NAME]`, and may speak of mail that went over
    any transport."""

    @property
    def tenant_id(self) -> int | None:
        """The only tenant of whose mail it may speak; None is any."""
        return None

    def answer(self, request: HttpRequest) -> HttpReply | None:
        """Answer a provider's handshake; None for ordinary events."""
        return None

    @abstractmethod
    def verify(self, request: HttpRequest) -> None:
        """Raise Forbidden unless the request is truly the provider's and fresh; InvalidInput where the body
        has the signature in it and cannot be read."""

    @abstractmethod
    def parse(self, request: HttpRequest) -> Iterable[Feedback]:
        """Turn a verified request into feedback. Pure; raises InvalidInput on junk."""
