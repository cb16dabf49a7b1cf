"""`courierx demo`: the books agree with the mail server, with the bounces and with the readers."""

from __future__ import annotations

from pathlib import Path

import msgspec

from courierx_app.demo import REFUSED, run_demo
from courierx_app.demo_bounces import WHY


def test_everything_that_comes_back_is_in_the_report(tmp_path: Path) -> None:
    result = run_demo(tmp_path, 600)
    assert result.adds_up
    assert result.audience == 600
    assert result.states["bounced"] == 2 * result.returned == 2 * result.refused == 12
    assert {reason.example for reason in result.report.reasons} >= {REFUSED, WHY}
    events = result.report.events
    assert events["bounced"].people == events["bounced"].all == 12
    assert events["opened"].people > events["clicked"].people > events["unsubscribed"].people > 0
    assert not msgspec.structs.replace(result, returned=result.returned - 1).adds_up
    assert not msgspec.structs.replace(result, refused=result.refused - 1).adds_up
    assert not msgspec.structs.replace(result, readings=type(result.readings)()).adds_up
