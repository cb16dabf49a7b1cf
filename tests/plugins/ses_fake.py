"""A small SES v2 for tests: it speaks the REST JSON of SendEmail, GetAccount and what `doctor` asks."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable
from http.server import ThreadingHTTPServer
from typing import Any, TypeAlias
from urllib.parse import unquote

from courierx_core.testing.http import HttpAnswer, HttpCall, HttpMode, HttpPeer

Fault: TypeAlias = Callable[[dict[str, Any]], HttpAnswer | None]
"""Decides one SendEmail by its body; None lets it through."""
SENDS = "/v2/email/outbound-emails"


class SesFake(HttpPeer):
    """Every SendEmail is in `sends`. Modes are HttpPeer's; `drop_before` does not even listen."""

    def __init__(self, fault: Fault | None = None) -> None:
        super().__init__(self._respond_as_ses)
        self.fault = fault
        self.account: dict[str, Any] = {
            "DedicatedIpAutoWarmupEnabled": False,
            "EnforcementStatus": "HEALTHY",
            "ProductionAccessEnabled": True,
            "SendQuota": {"Max24HourSend": 50_000.0, "MaxSendRate": 2000.0, "SentLast24Hours": 0.0},
            "SendingEnabled": True,
        }
        self.identities: dict[str, dict[str, Any]] = {}
        self.sets: dict[str, list[dict[str, Any]]] = {}
        self.accepted: list[dict[str, Any]] = []

    @property
    def sends(self) -> list[dict[str, Any]]:
        return [json.loads(call.body) for call in self.calls if call.path == SENDS]

    def attempts(self) -> int:
        return len(self.sends)

    def raw(self, number: int = -1) -> bytes:
        """Return the message of an accepted SendEmail."""
        return base64.b64decode(self.accepted[number]["Content"]["Raw"]["Data"])

    def behave(self, mode: HttpMode) -> None:
        assert self._server is not None
        listening = self.mode != "drop_before"
        super().behave(mode)
        if mode == "drop_before" and listening:
            self._server.shutdown()
            self._server.server_close()
        elif mode != "drop_before" and not listening:
            old = self._server
            self._server = ThreadingHTTPServer(("127.0.0.1", old.server_address[1]), old.RequestHandlerClass)
            self._server.daemon_threads = True
            self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
            self._thread.start()

    def answer(self, call: HttpCall) -> HttpAnswer | None:
        if call.path != SENDS:
            return self._respond_as_ses(call)
        return super().answer(call)

    def _respond_as_ses(self, call: HttpCall) -> HttpAnswer:
        path = unquote(call.path)
        if call.path == SENDS:
            return self._send(json.loads(call.body))
        if path == "/v2/email/account":
            return ok(self.account)
        kind, _, name = path.removeprefix("/v2/email/").partition("/")
        if kind == "identities" and name in self.identities:
            return ok(self.identities[name])
        name = name.removesuffix("/event-destinations")
        if kind == "configuration-sets" and name in self.sets:
            return ok({"EventDestinations": self.sets[name]})
        return error(404, "NotFoundException", f"{name} does not exist.")

    def _send(self, body: dict[str, Any]) -> HttpAnswer:
        if self.fault is not None and (said := self.fault(body)) is not None:
            return said
        self.accepted.append(body)
        return ok({"MessageId": f"0102018{len(self.accepted):09x}-fake-000000"})


def ok(body: dict[str, Any]) -> HttpAnswer:
    return HttpAnswer(200, json.dumps(body).encode(), (("Content-Type", "application/json"),))


def error(status: int, code: str, message: str) -> HttpAnswer:
    """Answer as SES does when it refuses: the code is in a header, the words in the body."""
    headers = (("x-amzn-ErrorType", code), ("Content-Type", "application/json"))
    return HttpAnswer(status, json.dumps({"message": message}).encode(), headers)
