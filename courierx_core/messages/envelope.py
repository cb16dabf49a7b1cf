"""The envelope the engine hands to a transport: one recipient of a compiled message."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from courierx_core.mail.wire import on_the_wire
from courierx_core.messages.model import Message, Recipient
from courierx_core.ports.transport import Envelope, Fields, Stream


class Rendering(Protocol):
    """What an envelope asks of the compiled message that it came from."""

    @property
    def message(self) -> Message: ...

    def fill(
        self, recipient: Recipient, extra: Mapping[str, object], tokens: Sequence[bytes]
    ) -> tuple[bytes, bool]: ...

    def fields(self, recipient: Recipient, extra: Mapping[str, object]) -> Fields: ...


class Outgoing(Envelope):
    """Made by `Compiled.envelope`."""

    __slots__ = (
        "_compiled", "_extra", "_is_wire", "_mime", "_recipient", "_tokens",
        "id", "mail_from", "metadata", "rcpt_to", "send_id", "stream", "tags", "tenant_id",
    )  # fmt: skip

    def __init__(
        self,
        compiled: Rendering,
        recipient: Recipient,
        extra: Mapping[str, object],
        tokens: Sequence[bytes],
        *,
        send_id: str,
        mail_from: str,
    ) -> None:
        message = compiled.message
        self.id: int = recipient.id
        self.send_id: str = send_id
        self.tenant_id: int = message.tenant_id
        self.stream: Stream = message.stream
        self.mail_from: str = mail_from
        self.rcpt_to: str = recipient.address
        self.tags = message.content.tags
        self.metadata = message.content.metadata
        self._compiled = compiled
        self._recipient = recipient
        self._extra = extra
        self._tokens = tokens
        self._mime: bytes | None = None
        self._is_wire = False

    def mime(self) -> bytes:
        """Return the whole message, rendered the first time. Raises RenderError."""
        if self._mime is None:
            self._mime, self._is_wire = self._compiled.fill(self._recipient, self._extra, self._tokens)
        return self._mime

    def wire(self) -> bytes:
        """Return the message as SMTP carries it. Raises RenderError."""
        content = self.mime()
        return content if self._is_wire else on_the_wire(content)

    def fields(self) -> Fields:
        """Return the same message as parts. Raises RenderError."""
        return self._compiled.fields(self._recipient, self._extra)
