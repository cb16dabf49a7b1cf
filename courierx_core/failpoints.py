"""Named points where a test may kill, break or stall a process (LEDGER R02).

Armed by `COURIERX_FAILPOINT=name:action[:nth]` with action `kill` (SIGKILL to ourselves), `raise` or
`sleep`, at the nth hit of that name (default 1). Off, a point costs one look at `failpoints.armed`:

    if failpoints.armed:
        failpoints.hit("after_intent")
"""

from __future__ import annotations

import os
import signal
import threading
import time

from courierx_core.errors import ConfigError

NAMES = frozenset(
    {
        "after_claim",
        "after_intent",
        "after_connect",
        "after_rcpt",
        "mid_data",
        "after_dot",
        "after_reply",
        "after_record",
    }
)
ACTIONS = frozenset({"kill", "raise", "sleep"})
SLEEP_SECONDS = 3600.0

armed = False
_name = ""
_action = ""
_left = 0
_lock = threading.Lock()


class FailpointHit(Exception):
    """What the action `raise` raises: no CourierXError, so that nothing handles it on purpose."""


def arm(text: str) -> None:
    """Arm `name:action[:nth]`, or disarm with ''. Raises ConfigError on an unknown name or action."""
    global armed, _name, _action, _left
    if not text:
        armed = False
        return
    name, _, rest = text.partition(":")
    action, _, nth = rest.partition(":")
    if name not in NAMES or action not in ACTIONS or not (nth or "1").isdigit():
        raise ConfigError(
            f"COURIERX_FAILPOINT is {text!r}; it takes name:action[:nth] with a name of"
            f" {', '.join(sorted(NAMES))} and an action of {', '.join(sorted(ACTIONS))}"
        )
    _name, _action, _left = name, action, int(nth or "1")
    armed = True


def hit(name: str) -> None:
    """Act when this is the armed point and its turn; call only while `armed`."""
    global armed, _left
    if name != _name:
        return
    with _lock:
        _left -= 1
        if _left != 0:
            return
        armed = False
    if _action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif _action == "raise":
        raise FailpointHit(name)
    else:
        time.sleep(SLEEP_SECONDS)


arm(os.environ.get("COURIERX_FAILPOINT", ""))
