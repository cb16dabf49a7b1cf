"""Transports: hand one envelope over and say, as a value, what became of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import ClassVar, Literal, NamedTuple, TypeAlias

import msgspec

from courierx_core.errors import CourierXError
from courierx_core.mail.wire import on_the_wire
from courierx_core.ports.driver import C, Driver, Secret

Stream: TypeAlias = Literal["transactional", "broadcast"]
Stage: TypeAlias = Literal["connect", "auth", "envelope", "data", "answer"]
Scope: TypeAlias = Literal["recipient", "message", "sender", "transport"]
RecordType: TypeAlias = Literal["CNAME", "MX", "TXT"]
Feature: TypeAlias = Literal["attachments", "inline", "cc", "headers", "tags", "metadata", "smtputf8"]


class Traits(msgspec.Struct, frozen=True, kw_only=True):
    """What the engine must know of a transport before it sends."""

    wants: Literal["mime", "fields"] = "mime"
    """Which form is prepared ahead; both always work."""
    batch: int = 1
    """How many envelopes one request carries."""
    max_concurrency: int = 1
    """Connections or requests in flight at most: what one session may have open, 1 or more."""
    per_second: int = 0
    """Messages per second; 0 is no limit."""
    max_bytes: int = 0
    """The largest message taken, in bytes; 0 is no limit."""
    idempotent_seconds: int = 0
    """How long the provider drops a repeated send_id; 0 is never."""
    signs: bool = False
    """The far side adds DKIM signatures, so we do not."""
    own_return_path: bool = False
    """The far side sets the return path, so VERP does not apply."""
    features: frozenset[Feature] = frozenset({"attachments", "inline", "cc", "headers", "smtputf8"})


class Attachment(msgspec.Struct, frozen=True, kw_only=True):
    """A file of a message. With `content_id` it is shown inline (`cid:`), else attached."""

    filename: str
    content_type: str
    content: bytes
    content_id: str = ""


class Fields(msgspec.Struct, frozen=True, kw_only=True):
    """A message as parts, for HTTP APIs that build the MIME themselves. Addresses are header text."""

    from_: str
    to: tuple[str, ...]
    subject: str
    html: str = ""
    text: str = ""
    cc: tuple[str, ...] = ()
    reply_to: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    attachments: tuple[Attachment, ...] = ()


class Envelope(ABC):
    """One conversation about one recipient (RFC 5321 section 2.3.1)."""

    id: int
    """The delivery's id; every receipt carries it back."""
    send_id: str
    """Our public token for the delivery; also the header X-CourierX-Send-ID."""
    tenant_id: int
    stream: Stream
    mail_from: str
    """The return path: a VERP address where the transport lets us choose it; '' is the null path."""
    rcpt_to: str
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, str] = {}

    @abstractmethod
    def mime(self) -> bytes:
        """Return the whole message: CRLF line ends, signed unless traits.signs, not dot-stuffed."""

    def wire(self) -> bytes:
        """Return the same bytes as SMTP carries them (RFC 5321 sections 2.3.8, 4.5.2): dot-stuffed, ending in
        CRLF, with no CR or LF of its own."""
        return on_the_wire(self.mime())

    @abstractmethod
    def fields(self) -> Fields:
        """Return the same message as parts."""


class Accepted(msgspec.Struct, frozen=True, gc=False):
    """Handed over for good."""

    id: int
    provider_id: str = ""
    reply: str = ""


class Deferred(msgspec.Struct, frozen=True, gc=False):
    """Definitely not taken, may be later. Scope "transport" costs the recipient no attempt."""

    id: int
    reply: str
    scope: Scope = "recipient"
    status: str | None = None
    """Enhanced status code (RFC 3463), e.g. "4.2.2"."""
    retry_after: float | None = None
    """Seconds."""


class Refused(msgspec.Struct, frozen=True, gc=False):
    """Definitely not taken. Scope "recipient" bounces it, "message" rejects it; "sender" and
    "transport" put it back and pause the transport."""

    id: int
    reply: str
    scope: Scope = "recipient"
    status: str | None = None


class Uncertain(msgspec.Struct, frozen=True, gc=False):
    """Handed over, and the answer was lost: nobody knows. `stage` is how far the conversation was."""

    id: int
    stage: Stage
    why: str


Receipt: TypeAlias = Accepted | Deferred | Refused | Uncertain


class TransportDown(CourierXError):
    """Raised only while nothing of any open envelope was handed over: the far side cannot be used now."""

    code = "transport_down"

    def __init__(self, why: str, retry_after: float | None = None) -> None:
        super().__init__(why)
        self.why = why
        self.retry_after = retry_after


class DomainKey(msgspec.Struct, frozen=True, kw_only=True):
    """The DKIM key that signs for a sender domain, or will once it is published."""

    selector: str
    private: Secret
    """An RSA key of 2048 bits: PKCS #8 in base64."""
    published: bool
    """Its record was found in the DNS."""


class RecordWanted(NamedTuple):
    """A record of the DNS; the value of an MX is preference and host."""

    type: RecordType
    name: str
    value: str


class Session(ABC):
    """A thread's open conversation with the far side; it never leaves the thread that opened it."""

    @abstractmethod
    def send(self, envelope: Envelope) -> Receipt:
        """Hand one envelope over and wait for its fate."""

    def send_many(self, envelopes: Iterator[Envelope | None]) -> Iterator[Receipt]:
        """Send a stream of envelopes; override to keep several under way.

        Pull when there is room. `None` means "nothing ready just now": go on reading answers and ask
        again; it is only ever given while an envelope of yours is unanswered, so one-by-one senders
        never see it. Yield receipts in any order, each with its envelope's id. The end of the
        iterator means: answer what is open, then return. TransportDown may be raised while nothing is
        handed over; anything else raised, or an early return, makes the open envelopes Uncertain.
        """
        for envelope in envelopes:
            if envelope is not None:
                yield self.send(envelope)

    @abstractmethod
    def close(self) -> None:
        """Say goodbye and free the connections; never raises."""


class Transport(Driver[C]):
    """Entry-point group `courierx.transports`. See `courierx_core.testing.TransportContract`."""

    traits: ClassVar[Traits] = Traits()

    def limits(self) -> Traits:
        """Return this instance's traits: the class's, tightened by its configuration."""
        return self.traits

    def records(self, domain: str, key: Callable[[], DomainKey]) -> Sequence[RecordWanted]:
        """Return what the far side wants in the DNS of a sender domain, after making the domain known there;
        `key` gives a far side that signs the domain's own key. May do I/O. Raises TransportDown."""
        return ()

    @abstractmethod
    def open(self) -> Session:
        """Open a session for the calling thread. May connect lazily. Raises TransportDown."""
