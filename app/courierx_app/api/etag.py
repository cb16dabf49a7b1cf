"""ETag and If-Match: a change of what somebody else has changed since it was read is refused with 412."""

from __future__ import annotations

import hashlib
from contextlib import AbstractContextManager
from typing import Annotated, TypeAlias, TypeVar

import msgspec
from litestar import Response
from litestar.di import NamedDependency
from litestar.params import HeaderParameter, SkipValidation

from courierx_core.courier import Courier
from courierx_core.errors import Changed
from courierx_core.ports.platform import PlatformUnit
from courierx_core.ports.store import UnitOfWork

A = TypeVar("A", bound=msgspec.Struct)

GivenTags: TypeAlias = Annotated[
    str | None,
    HeaderParameter(
        name="If-Match",
        description="The ETag that a GET of it answered: 412 where it has changed since.",
        required=False,
    ),
]


def tag_of(kept: msgspec.Struct) -> str:
    """Return the entity tag of something that is stored, as it is now."""
    # the order of a JSON column's keys is the database's own affair
    text = msgspec.json.encode(kept, order="deterministic")
    return f'"{hashlib.blake2b(text, digest_size=12).hexdigest()}"'


def tagged(answer: A, kept: msgspec.Struct) -> Response[A]:
    """Answer with the entity tag of what the answer shows."""
    return Response(answer, headers={"ETag": tag_of(kept)})


class Match:
    """What a change asks of the thing it changes (RFC 9110, section 13.1.1)."""

    def __init__(self, given: str) -> None:
        self._tags = {tag.strip() for tag in given.split(",")} if given.strip() not in ("", "*") else None

    def unit(self, courier: Courier, tenant_id: int) -> AbstractContextManager[UnitOfWork]:
        """Open the unit of the change; who asks for a tag must not overwrite what comes after the look."""
        return courier.store.begin(tenant_id, steady=self._tags is not None)

    def platform(self, courier: Courier) -> AbstractContextManager[PlatformUnit]:
        return courier.store.platform(steady=self._tags is not None)

    def check(self, kept: msgspec.Struct) -> None:
        """Raise Changed where the thing is not what the caller has read."""
        if self._tags is not None and tag_of(kept) not in self._tags:
            raise Changed("It has changed since it was read: GET it again, and change what it is now.")


def provide_match(if_match: GivenTags = None) -> Match:
    return Match(if_match or "")


TheMatch: TypeAlias = NamedDependency[SkipValidation[Match]]
