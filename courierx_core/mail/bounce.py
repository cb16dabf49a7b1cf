"""Bounces that are not RFC 3464: words for a person, in the manner of each mail server."""

from __future__ import annotations

import re
from collections.abc import Sequence

from courierx_core.mail.bounce_class import by_text, classify, reply_in, status_in
from courierx_core.mail.dsn import DIAGNOSTIC_MAX
from courierx_core.mail.entity import Entity
from courierx_core.mail.report import Reported, address_of

RECIPIENTS_MAX = 50

_DAEMONS = re.compile(
    r"mailer.?daemon|postmaster|post_master|mdaemon|mail(?:er)? ?(?:delivery|router|administrator)"
    r"|delivery (?:sub)?system|system administrator|courier mail server|content-filter",
    re.IGNORECASE,
)
_SUBJECT = re.compile(
    r"undeliver|not? (?:be )?deliver|returned mail|failure notice"
    r"|delivery (?:status|failure|fail|report|problem)|mail (?:system error|failure|failed|delivery)"
    r"|message (?:status|delivery failure)|unzustellbar|nicht zugestellt|non consegnat"
    r"|échec de la remise|no se puede entregar|не доставлен|недоставлен|配信不能|退信",
    re.IGNORECASE,
)
_FAILED = re.compile(
    r"(?:could|can|was|were|is|has|have)(?: ?n.t|not| not) (?:be |been |yet )*(?:deliver|reach|sent)"
    r"|undeliver|unable to deliver|delivery (?:has |to the following \w+ )?(?:failed|error)|failed"
    r"|permanent (?:fatal )?error|returned|rejected|did not reach|delayed|not been delivered"
    r"|non può essere consegnato|no se pudo entregar|n'a pas pu être remis"
    r"|无法投递|退回|送信できません|配信できません",
    re.IGNORECASE,
)
_COPY = re.compile(
    r"^.{0,60}(?:below this line is a copy|(?:this|below) is a copy of (?:the|your)"
    r"|original message (?:follows|-)|header of the original|headers? follows?|unsent message follows"
    r"|truncated original|top 20 lines|message text follows|original message:?[ -]*$)",
    re.IGNORECASE | re.MULTILINE,
)
_ADDRESS = r"[\w.!#$%&'*+/=?^`{|}~-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}"
_ANY = re.compile(_ADDRESS)
_NAMED = (
    # what says whose bounce it is, the surest first; the address is the first group
    re.compile(
        rf"^[ \t]*\"?<?({_ADDRESS})>?\"?(?:[ \t]*:|[ \t]+on \w|[ \t]*\.\.\.|[ \t]*\(|[ \t]*$|[ \t]+\d\d\d)",
        re.MULTILINE,
    ),
    re.compile(
        rf"(?:recipient|to|for|address(?:ed to)?|reached|user)\b[^\n@]{{0,40}}?[<\[( ](?:SMTP:)?({_ADDRESS})",
        re.IGNORECASE,
    ),
)
_NOT_A_RECIPIENT = re.compile(r"\b(?:from|sender|reply-to|postmaster|contact)\b[^\n@]{0,30}$", re.IGNORECASE)


def from_machine(message: Entity) -> bool:
    """Tell whether a mail system wrote this, by who it is from and what it calls itself."""
    return bool(
        _DAEMONS.search(message.get("from"))
        or message.get("x-failed-recipients")
        or (_SUBJECT.search(message.get("subject")) and message.get("return-path") in ("<>", ""))
    )


def cut(text: str) -> tuple[str, str]:
    """Part what the server says from the copy of our message that it appends."""
    found = _COPY.search(text)
    return (text, "") if found is None else (text[: found.start()], text[found.end() :])


def recipients_of(message: Entity, text: str, returned: Entity) -> list[Reported]:
    """Return whose mail bounced according to a text; empty when it does not read like a bounce."""
    said = f"{message.get('subject')}\n{text}"
    if not (_FAILED.search(said) or by_text(said)):
        return []
    subject = message.get("subject").lower()
    delayed = bool(re.search(r"^warning|delayed|\(delay\)", subject)) or "has not yet been delivered" in text
    addresses = _failed_addresses(message, text, returned)
    several = len(addresses) > 1
    return [_reported(each, said, text, several=several, delayed=delayed) for each in addresses or [""]]


def _reported(address: str, said: str, text: str, *, several: bool, delayed: bool) -> Reported:
    words = _paragraph(text, address) if several else text
    status = status_in(words)
    cls = classify(status, words)
    if not several and by_text(words) is None and reply_in(words) == "":
        cls = classify(status, said)
    return Reported(
        address=address,
        action="delayed" if delayed else "failed",
        status=status,
        bounce="soft" if delayed else cls,
        diagnostic=" ".join(words.split())[:DIAGNOSTIC_MAX],
    )


def _failed_addresses(message: Entity, text: str, returned: Entity) -> list[str]:
    listed = message.get("x-failed-recipients")
    if listed:
        return _distinct(_ANY.findall(listed))
    ours = _addresses(message, "to", "from", "sender", "return-path")
    ours |= _addresses(returned, "from", "return-path", "reply-to")
    for pattern in _NAMED:
        found = [match[1] for match in pattern.finditer(text) if _may_have_failed(match, ours)]
        if found:
            return _distinct(found)
    loose = [each for each in _ANY.findall(text) if each.lower() not in ours]
    return _distinct(loose)[:1] or _distinct(sorted(_addresses(returned, "to") - ours))[:1]


def _addresses(entity: Entity, *names: str) -> set[str]:
    return {each.lower() for name in names for each in _ANY.findall(entity.get(name))}


def _may_have_failed(match: re.Match[str], ours: set[str]) -> bool:
    before = match.string[max(0, match.start(1) - 60) : match.start(1)]
    return match[1].lower() not in ours and not _NOT_A_RECIPIENT.search(before)


def _distinct(found: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(filter(None, map(address_of, found))))[:RECIPIENTS_MAX]


def _paragraph(text: str, address: str) -> str:
    """Return what is said about one address: from it to the next blank line after some words."""
    start = text.lower().find(address)
    rest = text[max(0, start) :]
    end = re.search(r"\S[^\n]*\n[^\n]*\S[^\n]*\n\s*\n", rest)
    return rest[: end.end()] if end else rest
