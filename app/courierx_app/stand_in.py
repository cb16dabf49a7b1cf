"""What takes the place of a transport or a feedback source whose code raises where it is loaded or made: what
goes over it waits, its provider is asked to tell again later, and everything else goes on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from courierx_core.errors import PluginBroken
from courierx_core.plugins import FEEDBACK, TRANSPORTS
from courierx_core.ports.driver import Config, Driver, Problem
from courierx_core.ports.feedback import Feedback, FeedbackSource, HttpRequest
from courierx_core.ports.transport import Session, Transport, TransportDown


class Broken(Config, frozen=True, kw_only=True):
    """The settings of a stand-in: why there is one."""

    why: str

    @property
    def problem(self) -> Problem:
        return Problem("error", PluginBroken.code, self.why, "Mend, upgrade or replace the plugin.")


class StandInTransport(Transport[Broken]):
    Config: ClassVar[type[Any]] = Broken

    def check(self) -> list[Problem]:
        return [self.config.problem]

    def open(self) -> Session:
        raise TransportDown(self.config.why)


class StandInFeedback(FeedbackSource[Broken]):
    Config: ClassVar[type[Any]] = Broken

    def check(self) -> list[Problem]:
        return [self.config.problem]

    def verify(self, request: HttpRequest) -> None:
        raise PluginBroken(self.config.why)

    def parse(self, request: HttpRequest) -> Iterable[Feedback]:
        raise PluginBroken(self.config.why)


STAND_INS: Mapping[str, type[Driver[Any]]] = {
    TRANSPORTS.group: StandInTransport, FEEDBACK.group: StandInFeedback,
}  # fmt: skip
"""By entry-point group. A broken store, queue, limiter or resolver has none: nothing starts without it."""
