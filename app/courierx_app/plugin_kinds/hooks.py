"""A hook that counts what was sent."""

from __future__ import annotations

from collections.abc import Mapping

WORDS: Mapping[str, str] = {
    "does": "Hooks into CourierX for",
    "group": "courierx.hooks",
    "object": "Hooks",
    "method": "courierx_after_send",
    "use": """It takes part as soon as it is installed, in every process that is started from then on;
`COURIERX_DISABLE_PLUGINS=$name` leaves it out.""",
}

_CODE = '''\
"""Hooks of `$name`: any method that is named as in `courierx_core.hookspecs` and marked is asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from courierx_core import Outcome, hookimpl


class ${title}Hooks:
    """Made once per process."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()

    @hookimpl
    def courierx_after_send(self, results: Sequence[Outcome]) -> None:
        self.seen += Counter(outcome.state for outcome in results)
'''

_TEST = '''\
"""The hooks fit their specifications, and are asked."""

from __future__ import annotations

from $package.hooks import ${title}Hooks

from courierx_core import Outcome
from courierx_core.plugins import load_hooks, register


def test_it_counts_what_was_sent() -> None:
    plugin = ${title}Hooks()
    hooks = register([("$name", plugin)])
    hooks.after_send([Outcome(1, 1, 1, "accepted", attempt=1), Outcome(2, 1, 1, "uncertain", attempt=1)])
    assert plugin.seen == {"accepted": 1, "uncertain": 1}


def test_it_is_installed_and_asked() -> None:
    assert "$name" in load_hooks().order()["courierx_after_send"]
'''

FILES: Mapping[str, str] = {"src/$package/hooks.py": _CODE, "tests/test_hooks.py": _TEST}
