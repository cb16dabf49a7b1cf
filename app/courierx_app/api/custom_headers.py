"""Headers of a mail as callers give them: `{"X-Order": "4711"}`."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import msgspec

from courierx_app.api.body import READS
from courierx_core.messages.headers import check_headers


def _read(given: dict[str, str | None], field: str) -> None:
    # None stands where a value was no text, which is told already
    check_headers([(name, value or "") for name, value in given.items()], field)


GivenHeaders: TypeAlias = Annotated[dict[str, str], msgspec.Meta(extra={READS: _read})]
