"""An HTTP peer for clients that cannot know whether a request that broke off was read."""

from __future__ import annotations

import threading

from courierx_core.testing.http import HttpMode, HttpPeer, HttpServer


class DeafPeer(HttpPeer):
    """Modes are HttpPeer's; `drop_before` does not even listen."""

    def behave(self, mode: HttpMode) -> None:
        assert self._server is not None
        listening = self.mode != "drop_before"
        super().behave(mode)
        if mode == "drop_before" and listening:
            self._server.shutdown()
            self._server.server_close()
        elif mode != "drop_before" and not listening:
            old = self._server
            self._server = HttpServer(("127.0.0.1", old.server_address[1]), old.RequestHandlerClass)
            self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
            self._thread.start()
