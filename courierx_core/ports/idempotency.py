"""What requests with an Idempotency-Key were answered, kept with what they made."""

from __future__ import annotations

from typing import Protocol

import msgspec


class IdempotentAnswer(msgspec.Struct, frozen=True):
    """What a request with this key was answered; `fingerprint` tells which request it was."""

    key: str
    fingerprint: bytes
    status: int
    body: bytes


class Idempotency(Protocol):
    def get(self, key: str) -> IdempotentAnswer | None:
        """Return what the key was used for in the last 24 h."""

    def add(self, answer: IdempotentAnswer) -> None:
        """Keep an answer with what its transaction makes. Raises Conflict where the key has one already;
        waits for another transaction that gives it one."""

    def save(self, answer: IdempotentAnswer) -> None:
        """Replace the key's answer by one that says more."""


class Keeps(Protocol):
    """A transaction that keeps answers: a tenant's, or the platform's."""

    idempotency: Idempotency
