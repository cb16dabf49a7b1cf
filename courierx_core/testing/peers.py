"""The far side of a transport under test, as the contract sees it."""

from __future__ import annotations

from typing import Literal, Protocol, TypeAlias

from courierx_core.testing.dialogue import ServerOptions
from courierx_core.testing.smtp import SmtpServer

PeerMode: TypeAlias = Literal["accept", "drop_before", "drop_after"]


class Peer(Protocol):
    """`drop_before` breaks each connection before anything of a message is handed over, `drop_after` once
    a message has arrived and before it is answered. HttpPeer and SmtpPeer are two."""

    def behave(self, mode: PeerMode) -> None: ...
    def attempts(self) -> int:
        """Count the messages or requests that arrived whole, answered or not."""


class SmtpPeer(SmtpServer):
    """The test SMTP server as a Peer."""

    def __init__(self, options: ServerOptions | None = None) -> None:
        super().__init__(options, script=self._act)
        self._mode: PeerMode = "accept"

    def behave(self, mode: PeerMode) -> None:
        self._mode = mode

    def attempts(self) -> int:
        return len(self.received())

    def _act(self, stage: str, sender: str, recipient: str, count: int) -> str:
        if stage == "mail" and self._mode == "drop_before":
            return "drop"
        return "taken drop" if stage == "dot" and self._mode == "drop_after" else ""
