"""The envelope the engine hands to a transport: one recipient of a compiled message."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from courierx_core.mail.wire import on_the_wire
from courierx_core.messages.model import Message, Recipient
from courierx_core.messages.segments import Extra
from courierx_core.messages.skeleton import Tokens
from courierx_core.ports.transport import Envelope, Fields, Stream


class Rendering(Protocol):
    """What an envelope asks of the compiled message that it came from."""

    @property
    def message(self) -> Message: ...

    def send_id_of(self, tokens: Tokens) -> str: ...

    def fill(
        self, recipients: Sequence[Recipient], extra: Extra, tokens: Sequence[Tokens]
    ) -> tuple[list[bytes], bool]: ...

    def fields(self, recipient: Recipient, extra: Extra) -> Fields: ...


class Outgoing(Envelope):
    """Made by `Compiled.envelopes`."""

    __slots__ = (
        "_compiled", "_extra", "_is_wire", "_mime", "_recipient", "_tokens",
        "id", "mail_from", "metadata", "rcpt_to", "stream", "tags", "tenant_id",
    )  # fmt: skip

    def __init__(
        self,
        compiled: Rendering,
        recipient: Recipient,
        extra: Extra,
        tokens: Tokens,
        mail_from: str,
        mime: bytes = b"",
        is_wire: bool = False,
    ) -> None:
        message = compiled.message
        content = message.content
        self.id: int = recipient.id
        self.tenant_id: int = message.tenant_id
        self.stream: Stream = message.stream
        self.mail_from: str = mail_from
        self.rcpt_to: str = recipient.address
        self.tags = content.tags
        self.metadata = content.metadata
        self._compiled = compiled
        self._recipient = recipient
        self._extra = extra
        self._tokens = tokens
        self._mime = mime
        self._is_wire = is_wire

    @property
    def send_id(self) -> str:  # type: ignore[override]  # few transports ask, and it costs a microsecond
        return self._compiled.send_id_of(self._tokens)

    def mime(self) -> bytes:
        """Return the whole message, rendered the first time. Raises RenderError."""
        if not self._mime:
            [self._mime], self._is_wire = self._compiled.fill(
                (self._recipient,), self._extra, (self._tokens,)
            )
        return self._mime

    def wire(self) -> bytes:
        """Return the message as SMTP carries it. Raises RenderError."""
        content = self.mime()
        return content if self._is_wire else on_the_wire(content)

    def fields(self) -> Fields:
        """Return the same message as parts. Raises RenderError."""
        return self._compiled.fields(self._recipient, self._extra)
