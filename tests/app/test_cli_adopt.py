"""`courierx adopt`, and everything that says that it is needed. What a worker does: tests/faults, R23."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from courierx_core import adoption
from courierx_core.audience.model import NewSubscriber
from courierx_core.campaigns import service as campaigns
from courierx_core.campaigns.model import Campaign
from courierx_core.courier import Courier
from courierx_core.ports.platform import Installation
from courierx_core.tenants.model import Tenant
from courierx_core.work import NEEDS_ADOPTION
from tests.app.test_cli import Cx, cx

__all__ = ["cx"]

ELSEWHERE = "this database belongs to the environment production, not to development"


@pytest.fixture
def started(courier: Courier) -> int:
    """A campaign that has just been started in a database of production."""
    with courier.store.platform() as platform:
        tenant_id = platform.tenants.add(Tenant(name="Acme", contact_email="a@acme.example")).id
        platform.save_installation(Installation(environment="production", public_url="https://x.example"))
    with courier.store.begin(tenant_id) as unit:
        unit.subscribers.import_rows([NewSubscriber("ann@x.example")])
        draft = Campaign(
            tenant_id=tenant_id, name="News", subject="Hi", text="Hi", from_email="a@acme.example"
        )
        campaign_id = unit.campaigns.add(draft).id
    campaigns.start(courier, tenant_id, campaign_id)
    return campaign_id


def test_everything_says_that_it_is_needed(
    cx: Cx, courier: Courier, started: int, api: Callable[..., Any], tmp_path: Path
) -> None:
    assert json.loads(cx("status", "--json"))["needs_adoption"] == ELSEWHERE
    problems = json.loads(cx("doctor", "--json", status=1))["problems"]
    assert [each["remedy"] for each in problems if each["code"] == "needs_adoption"] == [adoption.WAY_ON]
    ready = api().get("/health/ready")
    assert (ready.status_code, ready.json()["status"], ready.json()["adoption"]) == (
        200,
        "degraded",
        "needed",
    )
    (tmp_path / "people.csv").write_text("email\nbob@x.example\n")
    (tmp_path / "mail.html").write_text("<p>Hi</p>")
    files = [
        "--csv",
        "people.csv",
        "--html",
        "mail.html",
        "--subject",
        "Hi",
        "--from",
        "a@acme.example",
        "--yes",
    ]
    cx("send", *files, status=1, err=f"courierx: {ELSEWHERE}.")
    assert NEEDS_ADOPTION in cx("status", err="courierx adopt")
    cx("campaigns", "resume", str(started), status=1, err="courierx adopt")


def test_adopting_lets_go_and_a_second_time_changes_nothing(cx: Cx, courier: Courier, started: int) -> None:
    assert adoption.check(courier) == ELSEWHERE
    assert "1 campaigns and messages were let go on" in cx("adopt")
    assert json.loads(cx("campaigns", "show", str(started), "--json"))["campaign"]["status"] == "sending"
    assert adoption.check(courier) == ""
    assert json.loads(cx("adopt", "--json")) == {"released": 0}


def test_adopting_may_cancel(cx: Cx, courier: Courier, started: int) -> None:
    assert json.loads(cx("adopt", "--cancel-open", "--json")) == {"cancelled": 1}
    shown = json.loads(cx("campaigns", "show", str(started), "--json"))["campaign"]
    assert (shown["status"], shown["pause_reason"]) == ("cancelled", "")


@pytest.mark.parametrize(
    ("environment", "url", "theirs", "why"),
    [
        ("development", "http://127.0.0.1:8000", "", ""),
        ("development", "http://localhost:9000", "https://x.example", ""),
        (
            "development",
            "https://y.example",
            "https://x.example",
            "this database sends for https://x.example",
        ),
        ("production", "https://x.example/", "https://x.example", ""),
        ("production", "", "https://x.example", "this database sends for https://x.example"),
    ],
)
def test_the_address_tells_installs_apart_but_for_a_developers_machine(
    courier: Courier, started: int, environment: Any, url: str, theirs: str, why: str
) -> None:
    with courier.store.platform() as platform:
        platform.save_installation(Installation(environment=environment, public_url=theirs))
    runtime = msgspec.structs.replace(courier.runtime, environment=environment, public_url=url)
    said = adoption.needed(courier.store, runtime, courier.policy)
    assert bool(said) == bool(why)
    assert said.startswith(why)
