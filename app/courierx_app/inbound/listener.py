"""Listens for SMTP: a thread for each connection, so many in all and so many from one place."""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import socket
import ssl
import threading
import time
from collections import Counter

import msgspec

from courierx_app.inbound.conversation import Conversation, Limits
from courierx_app.inbound.intake import Intake
from courierx_app.inbound.wire import Gone, Wire
from courierx_app.settings import Settings
from courierx_core.errors import ConfigError
from courierx_core.ports.queue import Stop

log = logging.getLogger("courierx_app.inbound")

LOOK_SECONDS = 0.1
"""How soon `serve` sees that it is to stop."""
COUNT_SECONDS = 60.0
"""How often the counts are logged, where they have changed."""


class Room(msgspec.Struct, frozen=True, kw_only=True):
    """How many connections there may be, in all and from one network (IPv4 address, IPv6 /64)."""

    connections: int = 200
    from_one: int = 20
    grace: float = 20.0
    """Seconds that mails under way get to be taken when the listener stops."""


class Listener:
    """Serves a listening socket until told to stop; closes it then."""

    def __init__(
        self,
        listener: socket.socket,
        intake: Intake,
        *,
        name: str,
        limits: Limits | None = None,
        room: Room | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._listener, self._intake, self._name, self._tls = listener, intake, name, tls
        self._limits, self._room = limits or Limits(), room or Room()
        self._open: dict[Wire, tuple[threading.Thread, str]] = {}
        self._lock = threading.Lock()
        self._told: dict[str, int] = {}

    def serve(self, stop: Stop) -> None:
        """Block until `stop` is set, and what is under way is taken or its time is over."""
        self._listener.settimeout(LOOK_SECONDS)
        told_at = time.monotonic()
        try:
            while not stop.is_set():
                self._accept()
                if time.monotonic() - told_at >= COUNT_SECONDS:
                    told_at = time.monotonic()
                    self._tell()
        finally:
            self._listener.close()
            self._finish()
            self._tell()

    def _accept(self) -> None:
        try:
            sock, (host, *_) = self._listener.accept()
        except TimeoutError:
            return
        except OSError as problem:  # out of handles, or gone before it was taken
            log.warning("a connection could not be accepted: %s", problem)
            time.sleep(LOOK_SECONDS)
            return
        network, wire = _network(host), Wire(sock, idle=self._limits.idle, life=self._limits.life)
        with self._lock:
            here = Counter(where for _, where in self._open.values())
            full = len(self._open) >= self._room.connections or here[network] >= self._room.from_one
            if not full:
                thread = threading.Thread(target=self._serve, args=(wire,), daemon=True)
                self._open[wire] = (thread, network)
        if full:
            self._intake.count("too_many_connections")
            self._turn_away(sock)
        else:
            thread.start()

    def _turn_away(self, sock: socket.socket) -> None:
        wire = Wire(sock, idle=1.0, life=1.0)
        wire.say("421 4.3.2 Too many connections, please try again")
        with contextlib.suppress(Gone):
            wire.flush()
        wire.close()

    def _serve(self, wire: Wire) -> None:
        try:
            Conversation(wire, self._intake, name=self._name, limits=self._limits, tls=self._tls).run()
        except Exception:  # one client must not end the others'
            log.exception("a conversation failed")
        finally:
            with self._lock:
                self._open.pop(wire, None)
            wire.close()

    def _finish(self) -> None:
        """Let mails under way be answered; who is silent is hung up on."""
        with self._lock:
            left = list(self._open.items())
        for wire, _ in left:
            wire.hang_up()
        deadline = time.monotonic() + self._room.grace
        for _, (thread, _) in left:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _tell(self) -> None:
        counts = dict(self._intake.counts())
        if counts != self._told:
            log.info("came in: %s", ", ".join(f"{what} {count}" for what, count in sorted(counts.items())))
            self._told = counts


def _network(host: str) -> str:
    """Name where a connection is from: one IPv6 customer has a whole /64."""
    address = ipaddress.ip_address(host.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


def host_name(settings: Settings) -> str:
    """Return what the listener calls itself: the domain whose MX it is, else the machine's name."""
    return settings.return_path or socket.gethostname()


def tls_of(settings: Settings) -> ssl.SSLContext | None:
    """Load the certificate that the settings name; None without one. Raises ConfigError."""
    chain, key = settings.inbound_tls_chain, settings.inbound_tls_key
    if not chain and not key:
        return None
    if not chain or not key:
        missing = "COURIERX_INBOUND_TLS_KEY" if chain else "COURIERX_INBOUND_TLS_CHAIN"
        raise ConfigError(f"{missing} is not set; STARTTLS takes a certificate's chain and its key")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(chain, key)
    except (OSError, ssl.SSLError) as problem:
        why = problem.strerror or problem
        raise ConfigError(f"COURIERX_INBOUND_TLS_CHAIN and _KEY: got {chain!r} and {key!r}: {why}") from None
    return context
