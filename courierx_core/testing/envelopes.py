"""Envelopes for tests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import count

from courierx_core.ports.transport import Envelope, Fields, Stream


class FakeEnvelope(Envelope):
    """An envelope with plain values; `content` is the whole message when given."""

    __slots__ = (
        "content",
        "id",
        "mail_from",
        "metadata",
        "rcpt_to",
        "send_id",
        "stream",
        "tags",
        "tenant_id",
    )

    def __init__(
        self,
        id: int = 1,
        rcpt_to: str = "",
        *,
        mail_from: str = "sender@example.org",
        send_id: str = "",
        tenant_id: int = 1,
        stream: Stream = "broadcast",
        content: bytes | None = None,
        tags: tuple[str, ...] = (),
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        self.id = id
        self.rcpt_to = rcpt_to or f"person{id}@example.com"
        self.mail_from = mail_from
        self.send_id = send_id or f"send{id}"
        self.tenant_id = tenant_id
        self.stream = stream
        self.content = content
        self.tags = tags
        self.metadata = metadata or {}

    def mime(self) -> bytes:
        if self.content is not None:
            return self.content
        head = (
            f"From: <sender@example.org>\r\nTo: <{self.rcpt_to}>\r\nSubject: Test {self.id}\r\n"
            f"X-CourierX-Send-ID: {self.send_id}\r\nMIME-Version: 1.0\r\n"
            "Content-Type: text/plain; charset=us-ascii\r\n\r\n"
        )
        return head.encode() + b"Hello there, this is one line of a test message.\r\n" * 20

    def fields(self) -> Fields:
        return Fields(
            from_="sender@example.org",
            to=(self.rcpt_to,),
            subject=f"Test {self.id}",
            text="Hello there, this is one line of a test message.\n" * 20,
            headers=(("X-CourierX-Send-ID", self.send_id),),
        )

    @classmethod
    def some(cls, number: int, *, first: int = 1) -> list[FakeEnvelope]:
        """Make `number` envelopes with consecutive ids."""
        return [cls(id) for id in range(first, first + number)]

    @classmethod
    def stream_of(cls, *, first: int = 1) -> Iterator[FakeEnvelope]:
        """Make envelopes without end."""
        return (cls(id) for id in count(first))
