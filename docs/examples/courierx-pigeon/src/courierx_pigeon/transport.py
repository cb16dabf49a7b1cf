"""The transport: one POST for each envelope, and an outcome for everything that can become of it.

| what happens                                      | what we know               | outcome                   |
| ------------------------------------------------- | -------------------------- | ------------------------- |
| no connection, or it breaks before `100 Continue` | the letter never left us   | TransportDown             |
| 200, 202                                          | taken                      | Accepted                  |
| 429, 503                                          | not taken, may be later    | Deferred, the transport   |
| 404, 410                                          | nobody lives there         | Refused, the recipient    |
| 401, 403                                          | our account is the trouble | Refused, the transport    |
| any other 4xx                                     | the letter is the trouble  | Refused, the message      |
| it breaks later, or any other answer              | nothing                    | Uncertain                 |
"""

from __future__ import annotations

import json
from http.client import HTTPException
from typing import Any, ClassVar

from courierx_core import (
    Accepted,
    Deferred,
    Envelope,
    Problem,
    Receipt,
    Refused,
    Session,
    Traits,
    Transport,
    TransportDown,
    Uncertain,
)
from courierx_pigeon.config import PigeonConfig
from courierx_pigeon.post import Answer, Post

REPLY_MAX = 500
"""Characters of the far side's words that are kept."""


class PigeonTransport(Transport[PigeonConfig]):
    Config: ClassVar[type[Any]] = PigeonConfig
    traits = Traits(
        wants="fields",
        # Pigeon Post drops a repeated reference for a day, so an uncertain letter may be asked again.
        idempotent_seconds=24 * 3600,
        signs=True,
        own_return_path=True,
        features=frozenset({"headers", "tags", "metadata"}),
    )

    def open(self) -> Session:
        return PigeonSession(self.config)

    def check(self) -> list[Problem]:
        if self.config.webhook_secret:
            return []
        remedy = "Set PIGEON_WEBHOOK_SECRET."
        return [Problem("warning", "pigeon_no_webhook", "Bounces and complaints go unheard.", remedy)]


class PigeonSession(Session):
    """One letter at a time over one kept connection."""

    def __init__(self, config: PigeonConfig) -> None:
        self._config = config
        self._post = Post(config.url, config.seconds)

    def send(self, envelope: Envelope) -> Receipt:
        letter = letter_of(envelope)
        headers = {
            "Authorization": f"Bearer {self._config.token.reveal()}",
            "Content-Type": "application/json",
        }
        try:
            self._post.announce("/letters", headers, len(letter))
        except (OSError, HTTPException) as problem:
            raise TransportDown(f"{self._config.url}: {type(problem).__name__}") from problem
        try:
            return receipt(envelope.id, self._post.deliver(letter))
        except (OSError, HTTPException, ValueError) as problem:
            self._post.close()
            return Uncertain(envelope.id, "answer", type(problem).__name__)

    def close(self) -> None:
        self._post.close()


def letter_of(envelope: Envelope) -> bytes:
    """Write an envelope as Pigeon Post takes it."""
    fields = envelope.fields()
    letter = {
        "reference": envelope.send_id,
        "to": envelope.rcpt_to,
        "from": fields.from_,
        "reply_to": fields.reply_to,
        "subject": fields.subject,
        "html": fields.html,
        "text": fields.text,
        "headers": [list(pair) for pair in fields.headers],
        "tags": list(envelope.tags),
        "metadata": dict(envelope.metadata),
    }
    return json.dumps(letter).encode()


def receipt(envelope_id: int, answer: Answer) -> Receipt:
    """Say what an answer means for the envelope."""
    status, words = answer.status, f"{answer.status} {answer.body.decode('utf-8', 'replace')[:REPLY_MAX]}"
    if status in (200, 202):
        return Accepted(envelope_id, provider_id=_letter_id(answer.body), reply=words)
    if status in (429, 503):
        return Deferred(envelope_id, words, "transport", retry_after=_seconds(answer))
    if status in (404, 410):
        return Refused(envelope_id, words, "recipient", status="5.1.1")
    if status in (401, 403):
        return Refused(envelope_id, words, "transport")
    if 400 <= status < 500:
        return Refused(envelope_id, words, "message")
    return Uncertain(envelope_id, "answer", words)


def _letter_id(body: bytes) -> str:
    """Read the provider's id; an answer without one still says that the letter was taken."""
    try:
        found = json.loads(body)
    except ValueError:
        return ""
    return str(found.get("id", "")) if isinstance(found, dict) else ""


def _seconds(answer: Answer) -> float | None:
    given = answer.headers.get("Retry-After", "")
    return float(given) if given.isascii() and given.isdigit() else None
