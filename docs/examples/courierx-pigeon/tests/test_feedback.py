"""The feedback source keeps the contract: recorded webhooks, and every altered one is refused."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from courierx_pigeon.config import PigeonConfig
from courierx_pigeon.feedback import PigeonFeedback

from courierx_core import Forbidden, HttpRequest, Runtime, Secret
from courierx_core.plugins import FEEDBACK
from courierx_core.testing import FeedbackContract

SECRET = "coo-coo"


def make(runtime: Runtime, secret: str = SECRET) -> PigeonFeedback:
    config = PigeonConfig(token=Secret("unused"), webhook_secret=Secret(secret))
    return PigeonFeedback("pigeon", config, runtime)


class TestPigeonFeedback(FeedbackContract):
    recordings = Path(__file__).parent / "recordings"
    stale_after = timedelta(minutes=6)

    def source(self, runtime: Runtime) -> PigeonFeedback:
        return make(runtime)


def test_the_entry_point_is_found_by_its_name() -> None:
    assert FEEDBACK.load("pigeon") is PigeonFeedback


@pytest.mark.parametrize(
    "header", ["", "t=,v1=", "v1=ab", "t=x,v1=ab", "t=1,v1=é", "t=" + "9" * 40 + ",v1=a"]
)
def test_a_header_of_another_form_is_forbidden(header: str) -> None:
    request = HttpRequest(method="POST", path="/", query={}, headers={"pigeon-signature": header}, body=b"{}")
    with pytest.raises(Forbidden):
        make(Runtime()).verify(request)


def test_without_a_secret_nothing_is_believed() -> None:
    request = HttpRequest(
        method="POST", path="/", query={}, headers={"pigeon-signature": "t=1,v1=ab"}, body=b"{}"
    )
    with pytest.raises(Forbidden, match="PIGEON_WEBHOOK_SECRET is not set"):
        make(Runtime(), secret="").verify(request)
