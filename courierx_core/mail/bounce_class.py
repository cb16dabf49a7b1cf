"""The class of a bounce, from its status code and its text: what is to be done about the address.

hard: it does not exist; suppress. soft: perhaps later. policy: the mail was refused, not the address;
tell the tenant, never suppress. sender: we are at fault; pause the transport.

Text overrides code, because "5xx means hard" is right half of the time: on 562 labelled bounces, half.
"""

from __future__ import annotations

import re
from typing import Literal, TypeAlias

BounceClass: TypeAlias = Literal["hard", "soft", "policy", "sender"]

_USER = r"(?:user|recipient|mail ?box|account|address|addressee|alias)"

TEXTS: tuple[tuple[BounceClass, tuple[str, ...]], ...] = (
    # the first row that is found in the text decides: what says more stands before what says less
    ("hard", (
        r"the user\(s\) account is disabled",  # au's words for an unknown address
        r"5\.4\.1 recipient address rejected: access denied",  # Exchange Online's
        r"account or domain may not exist", r"null ?mx", r"does not accept mail\b",
    )),
    ("policy", (
        r"resolver\.rst\.(?!recipsizelimit)", r"transport\.rules", r"tenantattribution",
        r"client host rejected", r"reverse (?:dns|lookup|host)", r"\bptr\b", r"\b(?:helo|ehlo) ",
    )),
    ("sender", (
        r"sender (?:address )?(?:rejected|verif|denied)", r"(?:bad|invalid|unknown) sender", r"sender domain",
        r"domain of sender", r"mail from\b.{0,40}(?:invalid|not (?:exist|found))",
        r"must issue a starttls", r"authentication (?:failed|failure|required|credentials)",
    )),
    ("soft", (
        r"(?:mail ?box|inbox|mail ?folder|maildir)\b.{0,40}\b(?:full|exceed|over)", r"full mailbox",
        r"over\s?quota", r"(?:over|exceed\w*).{0,30}\b(?:quota|storage)", r"quota\b.{0,30}\bexceed",
        r"quotaexceeded", r"quota violation", r"disk (?:full|quota)", r"too much mail data",
        r"out of storage",
        r"(?:insufficient|enough) (?:system |disk |storage )*(?:storage|space)", r"space has been used up",
        r"容量", r"いっぱい", r"está lleno", r"casella piena", r"bo[iî]te.{0,20} (?:pleine|archiv)",
        r"postfach .{0,30}voll", r"переполнен",
    )),
    ("soft", (
        r"(?:message|mail)\b.{0,20}\b(?:too (?:large|big)|exceeds)", r"size limit", r"recipsizelimit",
        r"(?:deactivated|frozen) mailbox", r"mailbox (?:is )?frozen", r"extended inactivity", r"not active\b",
    )),
    ("hard", (
        rf"unknown (?:or illegal )?(?:virtual |e-?mail )?{_USER}", rf"{_USER}.{{0,60}}unknown",
        r"unknown local.?part", r"user ?unknown", r"invalid.recipient",
        r"no such (?:user|person|mail ?box|recipient|address|account|domain|local|alias)",
        r"no (?:mail ?box|account|one|valid recipients?)(?: (?:found|here|available|at this|by that)|, bye)",
        rf"{_USER}\b.{{0,60}}\b(?:not (?:be )?found|couldn.t be found)",
        rf"{_USER}\b.{{0,60}}\b(?:do(?:es)? ?n.t|does not|not) exist",
        rf"{_USER}\b.{{0,60}}\bnot (?:listed|recogni[sz]ed|known|valid|present|local|available)",
        rf"{_USER}\b.{{0,60}}\bnot in (?:our|my|dir)", r"in name directory",
        rf"not an? (?:known|valid|local|active) {_USER}", rf"{_USER} (?:is )?(?:invalid|no longer)",
        rf"(?:invalid|bad|illegal)[ -](?:destination )?{_USER}", r"no longer (?:exists|valid|with|works)",
        r"can.t accept user", r"(?:recip|recipient)notfound", r"recipient name is not recogni[sz]ed",
        r"have an? \S+ account", r"(?:\b55\d\D.{0,80}|not taken: )mailbox unavailable", r"has moved",
        r"possibly incorrect", r"missing home", r"5\.1\.0 address rejected", r"allowed rcpthosts",
        r">:? (?:not found|does not exist)",
    )),
    ("hard", (
        r"unknown (?:host|domain)", r"(?:host|domain)\b.{0,60}\b(?:unknown|not found|not exist|must exist)",
        r"un(?:route?able|deliverable) (?:mail )?(?:address|domain)", r"nxdomain", r"no mx (?:record )?found",
        r"couldn.t find any host", r"non-?existent", r"(?:name service|dns) error", r"service not known",
        r"bad address syntax",
    )),
    ("hard", (
        r"(?:宛先|アドレス).{0,20}(?:見つかりません|存在しません)", r"不存在", r"inconnue?\b",
        r"n.existe pas", r"inexistente", r"no existe\b", r"non esiste", r"sconosciut", r"desconocid",
        r"não existe", r"не существует", r"не найден", r"existiert nicht", r"nessun utente",
        r"(?:empfänger|adresse|benutzer)\b.{0,40}(?:unbekannt|nicht gefunden)",
    )),
    ("policy", (
        r"\bspam", r"unsolicited", r"bulk e-?mail", r"virus", r"malware", r"phish", r"suspicio", r"banned",
        r"content re(?:ject|stri)", r"block(?:ed|ing|list| list)", r"black ?list", r"dnsbl", r"\brbl\b",
        r"reputation", r"listed (?:at|in|by|on)", r"dmarc", r"\bspf\b", r"dkim", r"unauthenticated",
        r"not authori[sz]ed", r"access denied", r"relay(?:ing)? denied", r"relay (?:access|not)",
        r"unable to relay", r"polic(?:y|ies)", r"prohibited", r"restricted", r"invalid header",
        r"message (?:was )?re(?:jected|fused)",
    )),
    ("soft", (
        r"disabled", r"inactive", r"suspended", r"locked", r"temporar", r"later", r"gr[ea]ylist", r"throttl",
        r"too many", r"rate limit", r"time[sd]?.?out", r"expired", r"refused", r"loop", r"too long",
        r"long time", r"hops", r"no route", r"not respond", r"undelivered", r"unreachable",
        r"unable to connect",
    )),
)  # fmt: skip
"""Class and expressions, searched in the text in lower case with runs of blanks as one."""

CODES: dict[str, BounceClass] = {
    "5.1.1": "hard", "5.1.2": "hard", "5.1.3": "hard", "5.1.6": "hard", "5.1.10": "hard", "5.4.4": "hard",
    "5.1.7": "sender", "5.1.8": "sender", "5.7.8": "sender", "5.7.9": "sender",
    "530": "sender", "535": "sender",
    "5.5": "policy", "5.6": "policy", "5.7": "policy",
}  # fmt: skip
"""Status code, its first two numbers, or reply code -> class where the text says nothing; soft otherwise."""

TEXT_MAX = 4000
"""Characters of a text that are searched."""

_PATTERNS = tuple((cls, re.compile("|".join(row))) for cls, row in TEXTS)
_STATUS = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.]*\d)")
_REPLY = re.compile(r"(?<![\d.])([45]\d\d)(?=[ :#-]|$)")


def classify(status: str, text: str) -> BounceClass:
    """Return the class of a bounce. `status` is an enhanced status code (RFC 3463) or ''; `text` is the
    far side's reply or its words to a person, or ''."""
    found = status_in(text) or status
    reply = reply_in(text)
    if found.startswith("4") or (reply.startswith("4") and not found.startswith("5")):
        return "soft"
    said = by_text(text)
    return said or CODES.get(reply) or CODES.get(found) or CODES.get(".".join(found.split(".")[:2])) or "soft"


def by_text(text: str) -> BounceClass | None:
    """Return the class that the text alone tells; None when it tells nothing."""
    words = " ".join(text[:TEXT_MAX].lower().split())
    return next((cls for cls, pattern in _PATTERNS if pattern.search(words)), None)


def status_in(text: str) -> str:
    """Return the first enhanced status code in a text, '' when there is none."""
    found = _STATUS.search(text[:TEXT_MAX])
    return found[1] if found else ""


def reply_in(text: str) -> str:
    """Return the first SMTP reply code in a text that is a refusal, '' when there is none."""
    found = _REPLY.search(text[:TEXT_MAX])
    return found[1] if found else ""
