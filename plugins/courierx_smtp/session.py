"""A thread's connections to one relay, driven by a selector.

Connections are opened as load demands, kept between calls, and dropped at the first sign that the two
sides disagree. What was under way on a dropped one gets its receipt from the conversation.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import ssl
from collections import deque
from collections.abc import Callable, Iterator

from courierx_core import failpoints
from courierx_core.ports.transport import Envelope, Receipt, Session, TransportDown
from courierx_smtp.config import SmtpConfig
from courierx_smtp.conversation import Conversation
from courierx_smtp.dialler import Dialled, Dialler

POLL_SECONDS = 0.002
"""How soon to ask again after the engine had nothing just now."""
TICK_SECONDS = 1.0
CROWDED_SECONDS = 30.0
"""How long to make do with the open connections after the server refused one more."""
DIALS_AT_ONCE = 4
REFUSALS_AT_ONCE = 100
_READ = 65_536
_LATER = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class _Connection:
    """A socket, its conversation, what is still to be written, and when anything last moved."""

    __slots__ = ("moved", "out", "sock", "talk")

    def __init__(self, sock: socket.socket, talk: Conversation, now: float) -> None:
        self.sock = sock
        self.talk = talk
        self.out: bytes | memoryview = b""
        self.moved = now


class _Source:
    """The engine's iterator, with room in front for what must be tried again."""

    __slots__ = ("_envelopes", "ended", "waiting")

    def __init__(self, envelopes: Iterator[Envelope | None], waiting: deque[Envelope]) -> None:
        self._envelopes = envelopes
        self.waiting = waiting
        self.ended = False

    def take(self) -> Envelope | None:
        if self.waiting:
            return self.waiting.popleft()
        if self.ended:
            return None
        try:
            return next(self._envelopes)
        except StopIteration:
            self.ended = True
            return None


class SmtpSession(Session):
    """See the module; `connect` opens one connection and raises TransportDown."""

    def __init__(self, config: SmtpConfig, connect: Callable[[], Dialled], now: Callable[[], float]) -> None:
        self._config = config
        self._connect = connect
        self._now = now
        self._dialler = Dialler(connect)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._dialler.bell, selectors.EVENT_READ)
        self._connections: set[_Connection] = set()
        self._roomy: dict[_Connection, None] = {}
        self._crowded_until = 0.0
        self._next_tick = 0.0
        self._closed = False
        self._limits = {
            "mail": config.mail_seconds,
            "rcpt": config.rcpt_seconds,
            "data": config.data_seconds,
            "dot": config.final_seconds,
            "empty": config.final_seconds,
            "rset": config.mail_seconds,
        }
        self._tick = min(TICK_SECONDS, min(self._limits.values()) / 4)

    def send(self, envelope: Envelope) -> Receipt:
        [receipt] = self.send_many(iter((envelope,)))
        return receipt

    def send_many(self, envelopes: Iterator[Envelope | None]) -> Iterator[Receipt]:
        source = _Source(envelopes, deque())
        receipts: list[Receipt] = []
        most = self._config.max_concurrency
        self._drop_stale(source, receipts)
        try:
            while True:
                down, patience = None, self._tick
                if self._roomy or len(self._connections) < most:
                    down = self._fill(source, receipts)
                    patience = self._patience(source)
                if not receipts and down is None:
                    if source.ended and not source.waiting and not self._busy():
                        return
                    self._hear(source, receipts, patience)
                if receipts:
                    ready, receipts = receipts, []
                    yield from ready
                if down is not None:
                    raise down
        finally:
            self._drop_busy()

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        for connection in list(self._connections):
            self._part(connection)
        self._selector.close()
        self._dialler.close()

    # -- work in -----------------------------------------------------------------------------------

    def _fill(self, source: _Source, receipts: list[Receipt]) -> TransportDown | None:
        """Give connections with room something to do, and open more when there is more to do."""
        while True:
            connection = self._choose()
            if connection is None:
                if not self._may_open():
                    return None
                envelope = source.take()
                if envelope is None:
                    return None
                source.waiting.appendleft(envelope)
                if self._connections or self._dialler.under_way:
                    self._dial()
                    return None
                try:
                    self._add(self._connect())
                except TransportDown as down:
                    return down
                continue
            envelope = source.take()
            if envelope is None:
                return None
            commands = connection.talk.begin(envelope, receipts)
            if not commands and len(receipts) >= REFUSALS_AT_ONCE:
                return None
            if commands:
                self._roomy.pop(connection, None)
                connection.moved = self._now()
                self._write(connection, commands, source, receipts)

    def _choose(self) -> _Connection | None:
        """Pick a connection with room, an idle one first."""
        chosen = None
        for connection in self._roomy:
            if not connection.talk.awaits:
                return connection
            chosen = connection
        return chosen

    def _may_open(self) -> bool:
        open_now = len(self._connections) + self._dialler.under_way
        if open_now >= self._config.max_concurrency:
            return False
        return not self._connections or self._now() >= self._crowded_until

    def _dial(self) -> None:
        """Open further connections at most as fast as their number doubles."""
        allowed = min(DIALS_AT_ONCE, max(1, len(self._connections)))
        if self._dialler.under_way < allowed:
            self._dialler.dial()

    def _add(self, dialled: Dialled) -> None:
        sock, offers = dialled
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = _Connection(sock, Conversation(offers, self._config.max_messages), self._now())
        self._selector.register(sock, selectors.EVENT_READ, connection)
        self._connections.add(connection)
        self._roomy[connection] = None
        if failpoints.armed:
            failpoints.hit("after_connect")

    # -- answers out -------------------------------------------------------------------------------

    def _patience(self, source: _Source) -> float:
        """How long to wait for answers before there may be other things to do."""
        if source.ended and not source.waiting:
            return self._tick
        if self._roomy or (not source.waiting and self._may_open()):
            return POLL_SECONDS
        return self._tick

    def _hear(self, source: _Source, receipts: list[Receipt], seconds: float) -> None:
        """Wait for answers, deal with them, and write what they ask for."""
        events = self._selector.select(seconds)
        now = self._now()
        take = source.take
        for key, mask in events:
            connection = key.data
            if connection is None:
                self._take_dialled()
                continue
            talk = connection.talk
            connection.moved = now
            if mask & selectors.EVENT_WRITE:
                self._write(connection, b"", source, receipts)
                if talk.closed or not mask & selectors.EVENT_READ:
                    continue
            try:
                data = connection.sock.recv(_READ)
            except _LATER:
                continue
            except OSError as error:
                self._lose(connection, f"the connection broke: {error}", source, receipts)
                continue
            if not data:
                self._lose(connection, "the server closed the connection", source, receipts)
                continue
            before = len(receipts)
            output = talk.receive(data, take, receipts)
            if failpoints.armed and len(receipts) > before:
                failpoints.hit("after_reply")
            if output:
                self._write(connection, output, source, receipts)
            if talk.closed:
                self._forget(connection, source)
            elif talk.opened is None:
                self._settle(connection)
        if now >= self._next_tick:
            self._next_tick = now + self._tick
            self._time_out(now, source, receipts)

    def _settle(self, connection: _Connection) -> None:
        """Note that a connection has room, or say goodbye when it has carried all it may."""
        if connection.talk.roomy:
            self._roomy[connection] = None
        elif connection.talk.spent:
            self._part(connection)

    def _write(
        self, connection: _Connection, output: bytes, source: _Source, receipts: list[Receipt]
    ) -> None:
        talk = connection.talk
        half = talk.half_of_body(output) if failpoints.armed else 0
        if half:
            output = self._write_slowly(connection, output, half)
        data: bytes | memoryview = output
        if connection.out:
            data = connection.out if not output else bytes(connection.out) + output
        try:
            sent = connection.sock.send(data)
        except _LATER:
            sent = 0
        except OSError as error:
            talk.unsent = len(data)
            self._last_words(connection, source, receipts)
            self._lose(connection, f"the connection broke: {error}", source, receipts)
            return
        if sent == len(data):
            if connection.out:
                connection.out = b""
                talk.unsent = 0
                self._selector.modify(connection.sock, selectors.EVENT_READ, connection)
                self._settle(connection)
        else:
            if not connection.out:
                self._selector.modify(
                    connection.sock, selectors.EVENT_READ | selectors.EVENT_WRITE, connection
                )
            connection.out = memoryview(data)[sent:]
            talk.unsent = len(connection.out)
        if half and not talk.unsent:
            failpoints.hit("after_dot")

    def _write_slowly(self, connection: _Connection, output: bytes, half: int) -> bytes:
        """With a failpoint armed: stop before the body and in the middle of it; return the rest."""
        failpoints.hit("after_rcpt")
        sent = connection.sock.send(output[:half])
        failpoints.hit("mid_data")
        return output[sent:]

    def _last_words(self, connection: _Connection, source: _Source, receipts: list[Receipt]) -> None:
        """Read what the server said before it stopped listening: it may be the answer."""
        try:
            data = connection.sock.recv(_READ)
        except OSError:
            return
        if data:
            connection.talk.receive(data, source.take, receipts)

    def _take_dialled(self) -> None:
        for answer in self._dialler.answers():
            if isinstance(answer, TransportDown):
                self._crowded_until = self._now() + CROWDED_SECONDS
            else:
                self._add(answer)

    # -- ends --------------------------------------------------------------------------------------

    def _time_out(self, now: float, source: _Source, receipts: list[Receipt]) -> None:
        for connection in list(self._connections):
            awaits = connection.talk.awaits
            if awaits and now - connection.moved > self._limits[awaits[0]]:
                self._lose(connection, "the server did not answer in time", source, receipts)

    def _lose(self, connection: _Connection, why: str, source: _Source, receipts: list[Receipt]) -> None:
        connection.talk.lose(why, receipts)
        self._forget(connection, source)

    def _forget(self, connection: _Connection, source: _Source | None = None) -> None:
        """Drop a connection; what it would not begin goes to another."""
        if connection not in self._connections:
            return
        self._connections.discard(connection)
        self._roomy.pop(connection, None)
        self._selector.unregister(connection.sock)
        connection.sock.close()
        returned, connection.talk.returned = connection.talk.returned, None
        if returned is not None and source is not None:
            source.waiting.append(returned)

    def _part(self, connection: _Connection) -> None:
        """Say QUIT where nothing is under way, and drop the connection."""
        if not connection.talk.awaits and not connection.talk.closed:
            with contextlib.suppress(OSError):
                connection.sock.send(b"QUIT\r\n")
        self._forget(connection)

    def _drop_stale(self, source: _Source, receipts: list[Receipt]) -> None:
        """Before new work: part from long unused connections, and notice those that have ended."""
        self._hear(source, receipts, 0.0)
        oldest = self._now() - self._config.idle_seconds
        for connection in list(self._connections):
            if connection.moved < oldest:
                self._part(connection)

    def _drop_busy(self) -> None:
        """After the work, or when it was broken off: keep only connections with nothing under way."""
        for connection in list(self._connections):
            if connection.talk.busy:
                self._forget(connection)

    def _busy(self) -> bool:
        return any(connection.talk.busy for connection in self._connections)
