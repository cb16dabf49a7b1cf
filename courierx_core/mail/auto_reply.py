"""Automatic answers (RFC 3834): out of office, vacation, tickets, challenges. They are no bounces."""

from __future__ import annotations

import re

from courierx_core.mail.entity import Entity

_OWN_FIELDS = (
    "x-autoreply", "x-autorespond", "x-autoresponder", "x-autoreply-from", "x-auto-response-suppress",
    "x-mail-autoreply", "x-vacation", "x-ms-exchange-inbox-rules-loop",
)  # fmt: skip
_SUBJECT = re.compile(
    r"^(?:auto(?:matic|mated|matische|matisch)?[ -]?(?:reply|response|antwort|:)|auto:|out of (?:the )?office"
    r"|vacation|away from|on holiday|abwesenheit|ich bin .{0,20}nicht im|réponse automatique|absence"
    r"|absent du bureau|respuesta autom|fuera de la oficina|risposta automatica|fuori sede|resposta autom"
    r"|automatisch antwoord|automatiskt svar|autosvar|automaattinen|automatyczna odpowied|автоответ"
    r"|自動応答|自動返信|不在|自动回复|自動回覆)|\bout of (?:the )?office\b",
    re.IGNORECASE,
)


def is_auto_reply(message: Entity) -> bool:
    """Tell whether a machine answered for a person. Bounces carry the same fields: rule them out first."""
    submitted = message.get("auto-submitted").lower()
    return (
        submitted.startswith(("auto-replied", "auto-generated"))
        or any(message.get(name) for name in _OWN_FIELDS)
        or _SUBJECT.search(message.get("subject")) is not None
    )
