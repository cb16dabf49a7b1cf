"""A thread that owns one transport session and keeps it from run to run."""

from __future__ import annotations

import logging
import queue
import threading
from contextvars import Context, copy_context

from courierx_core.delivery.feed import Feed
from courierx_core.ports.transport import Session, Transport, TransportDown
from courierx_core.tracing import Tracing

log = logging.getLogger("courierx.delivery")


class Sender:
    """Sessions stay on the thread that opened them; so the thread, not the run, owns the session."""

    def __init__(self, transport: Transport, tracing: Tracing) -> None:  # type: ignore[type-arg]
        self.transport, self._tracing = transport, tracing
        self._feeds: queue.SimpleQueue[tuple[Context, Feed] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(
            target=self._loop, name=f"courierx-send-{transport.name}", daemon=True
        )
        self._thread.start()

    def start(self, feed: Feed) -> None:
        """Send what comes along `feed`, after the feeds started before it."""
        self._feeds.put((copy_context(), feed))  # what it is part of, for logs and traces

    def close(self, timeout: float = 5.0) -> None:
        """Close the session (QUIT) and end the thread."""
        self._feeds.put(None)
        self._thread.join(timeout)

    def _loop(self) -> None:
        session: Session | None = None
        while (given := self._feeds.get()) is not None:
            context, feed = given
            session = context.run(self._serve, feed, session)
        if session is not None:
            session.close()

    def _serve(self, feed: Feed, session: Session | None) -> Session | None:
        """Run one feed to its end; return the session if it is still good."""
        try:
            if session is None:
                session = self.transport.open()
            answer = feed.answer
            name = self.transport.name
            with self._tracing.span(f"transport {name}", transport=name):
                for receipt in session.send_many(feed):
                    answer(receipt)
        except TransportDown as down:
            feed.close(down)
        except Exception as error:  # a plugin may raise anything; its open envelopes are uncertain
            log.exception("transport %s failed while sending", self.transport.name)
            feed.close(error)
        else:
            feed.close(None)
            return session
        if session is not None:
            session.close()
        return None
