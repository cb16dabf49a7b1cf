"""The transport named `smtp`."""

from __future__ import annotations

import contextlib
import ssl
import threading
from typing import Any, ClassVar

import msgspec

from courierx_core.ports.driver import Problem, Runtime
from courierx_core.ports.transport import Session, Traits, Transport, TransportDown
from courierx_smtp.config import SmtpConfig, is_loopback
from courierx_smtp.connect import connect, make_context
from courierx_smtp.dialler import Dialled
from courierx_smtp.session import SmtpSession


class SmtpTransport(Transport[SmtpConfig]):
    """Hands mail to a relay over SMTP."""

    Config: ClassVar[type[Any]] = SmtpConfig
    traits = Traits(max_concurrency=20)

    def __init__(self, name: str, config: SmtpConfig, runtime: Runtime) -> None:
        super().__init__(name, config, runtime)
        self._server = config.server()
        self._context: ssl.SSLContext | None = None
        self._lock = threading.Lock()

    def limits(self) -> Traits:
        return msgspec.structs.replace(
            self.traits, max_concurrency=self.config.max_concurrency, per_second=self.config.per_second
        )

    def open(self) -> Session:
        return SmtpSession(self.config, self._dial, self.runtime.monotonic)

    def check(self) -> list[Problem]:
        """Connect, encrypt and log in once, without sending mail."""
        server = self._server
        found = []
        if server.tls in ("never", "opportunistic") and not is_loopback(server.host):
            secret = " and its password" if server.user else ""
            found.append(
                Problem(
                    "warning",
                    "smtp_plain_text",
                    f"{self.name}: mail{secret} for {server.host} may go unencrypted",
                    "Use smtps://, or ?starttls=required in SMTP_URL.",
                )
            )
        try:
            sock, offers = self._dial()
        except TransportDown as down:
            remedy = "Check SMTP_URL, and that this machine may reach the relay."
            return [*found, Problem("error", "smtp_unusable", f"{self.name}: {down.why}", remedy)]
        with contextlib.suppress(OSError):
            sock.send(b"QUIT\r\n")
        sock.close()
        if not offers.pipelining:
            text = f"{self.name}: {server.host} offers no PIPELINING, so each message takes four round trips"
            found.append(Problem("info", "smtp_lock_step", text))
        return found

    def _dial(self) -> Dialled:
        return connect(self._server, self.config, self._tls())

    def _tls(self) -> ssl.SSLContext | None:
        """Load the authorities once; it takes milliseconds and is shared by all connections."""
        if self._server.tls == "never":
            return None
        with self._lock:
            if self._context is None:
                self._context = make_context(self.config)
            return self._context
