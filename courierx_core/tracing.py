"""Spans around what takes time, for a plugin that traces; without one they cost a look and no more."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import MappingProxyType
from typing import Protocol, TypeAlias

log = logging.getLogger("courierx.tracing")

Note: TypeAlias = Callable[[str, str | int], None]
"""Says something more about a span that is open."""
Ids: TypeAlias = Mapping[str, str | int]
NONE: Mapping[str, str] = MappingProxyType({})


class Tracer(Protocol):
    """What a tracing plugin offers."""

    def span(self, name: str, ids: Ids, headers: Mapping[str, str]) -> AbstractContextManager[Note]:
        """Open a span below the one that is open here; `headers` are those of a request that came in, and
        may name its parent (W3C Trace Context). `ids` are as in `log_ids`. An exception ends the span as
        failed; its text may name people, its type does not."""


def _nothing(name: str, value: str | int) -> None:
    """Note what nobody hears."""


_OFF: AbstractContextManager[Note] = nullcontext(_nothing)


class Tracing:
    """The tracer of this process, if it has one. It fails open: one that raises is not asked again."""

    def __init__(self) -> None:
        self.tracer: Tracer | None = None

    def span(
        self, name: str, headers: Mapping[str, str] = NONE, **ids: str | int
    ) -> AbstractContextManager[Note]:
        """Trace what is done inside; the value says more about it."""
        return _OFF if self.tracer is None else self._open(self.tracer, name, ids, headers)

    @contextmanager
    def _open(self, tracer: Tracer, name: str, ids: Ids, headers: Mapping[str, str]) -> Iterator[Note]:
        try:
            span = tracer.span(name, ids, headers)
            note = span.__enter__()
        except Exception:
            self._failed()
            yield _nothing
            return
        try:
            yield note
        finally:
            try:
                span.__exit__(*sys.exc_info())
            except Exception:
                self._failed()

    def _failed(self) -> None:
        self.tracer = None
        log.exception("tracing failed and is off")
