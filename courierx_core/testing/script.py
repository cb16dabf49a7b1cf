"""What a test server is told to do: a plain function, or a table of rules that fits on a command line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from typing import Literal, TypeAlias

import msgspec

SmtpStage: TypeAlias = Literal[
    "banner", "ehlo", "starttls", "auth", "mail", "rcpt", "data", "body", "dot", "rset"
]

Script: TypeAlias = Callable[[str, str, str, int], str]
"""`script(stage, sender, recipient, count) -> action`; `count` is how often that stage was reached, from 1.

Actions: "" goes on as usual; a reply ("450 4.2.0 busy"; a 421 also hangs up); "drop" closes; "hang" never
answers; "garbage" answers nonsense; "extra" answers as usual plus a 250 too many; "flood" answers one line
of 1 MB; "delay SECONDS" answers as usual, later. At "dot" only: "taken drop" and "taken hang" store the
message first. At "body", reached with the first bytes of a message, "hang" also stops reading, and a reply
hangs up before the dot has come.
"""


class Rule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of a table: at `stage`, for matching addresses, do `action`.

    `recipient` and `sender` are shell patterns. Of the moments that match, those from the `first` to the
    `last` (0: no end) count, and of them every `every`-th; `each` > 0 ends it after so many for a recipient.
    """

    stage: SmtpStage
    action: str
    recipient: str = "*"
    sender: str = "*"
    first: int = 1
    last: int = 0
    every: int = 1
    each: int = 0


def script_of(rules: Sequence[Rule]) -> Script:
    """Turn a table into a script: every rule that matches counts, the first whose turn it is acts."""
    seen = [0] * len(rules)
    given: list[Counter[str]] = [Counter() for _ in rules]
    by_stage: dict[str, list[tuple[int, Rule]]] = {}
    for place, rule in enumerate(rules):
        by_stage.setdefault(rule.stage, []).append((place, rule))

    def script(stage: str, sender: str, recipient: str, count: int) -> str:
        action = ""
        for place, rule in by_stage.get(stage, ()):
            if not (fnmatchcase(recipient, rule.recipient) and fnmatchcase(sender, rule.sender)):
                continue
            seen[place] += 1
            turn = seen[place] - rule.first
            if action or turn < 0 or turn % rule.every or (rule.last and seen[place] > rule.last):
                continue
            if rule.each and given[place][recipient] >= rule.each:
                continue
            if rule.each:
                given[place][recipient] += 1
            action = rule.action
        return action

    return script


def decode_rules(text: str | bytes) -> list[Rule]:
    """Read a table from JSON. Raises msgspec.ValidationError naming the field."""
    return msgspec.json.decode(text, type=list[Rule])
