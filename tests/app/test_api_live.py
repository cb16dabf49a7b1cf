"""Live progress: events while something changes, and an end to every stream."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import anyio
import msgspec
import pytest
from litestar import Litestar
from litestar.testing import TestClient

from courierx_app.api import live
from courierx_core.campaigns import service
from courierx_core.courier import Courier

Client = TestClient[Litestar]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "LOOK_SECONDS", 0.001)


@pytest.fixture
def campaign_id(client: Client, tenant_id: int) -> int:
    client.post("/subscribers", json={"tenant_id": tenant_id, "email": "a@x.example"})
    draft = {"tenant_id": tenant_id, "name": "n", "subject": "s", "body": "b", "from_email": "a@acme.example"}
    return int(client.post("/campaigns", json=draft).json()["id"])


def events(data: bytes) -> Iterator[tuple[str, Any]]:
    for block in data.decode().split("\n\n")[:-1]:
        if not block.startswith(":"):
            kind, text = block.split("\n")
            yield kind.removeprefix("event: "), msgspec.json.decode(text.removeprefix("data: "))


def test_it_follows_a_campaign_to_its_end(
    client: Client, courier: Courier, tenant_id: int, campaign_id: int
) -> None:
    async def followed() -> bytes:
        data = b""
        async for some in live.follow(courier, tenant_id, campaign_id, threading.Event()):
            data += some
            if b'"sending"' in some:
                service.pause(courier, tenant_id, campaign_id)
            elif b'"paused"' in some:
                service.cancel(courier, tenant_id, campaign_id)
        return data

    service.start(courier, tenant_id, campaign_id)
    told = list(events(anyio.run(followed)))
    assert [each["status"] for kind, each in told if kind == "status"] == ["sending", "paused", "cancelled"]
    assert set(told[0][1]) == set(client.get(f"/campaigns/{campaign_id}/progress").json())


def test_a_campaign_that_is_not_under_way_is_told_once(
    client: Client, courier: Courier, tenant_id: int, campaign_id: int
) -> None:
    answer = client.get(f"/campaigns/{campaign_id}/progress/stream")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert "content-encoding" not in answer.headers
    assert [kind for kind, _ in events(answer.content)] == ["progress", "status"]
    assert client.get("/campaigns/999/progress/stream").status_code == 404


@pytest.mark.parametrize("why", ["time", "ending", "gone"])
def test_every_stream_has_an_end(
    client: Client,
    courier: Courier,
    tenant_id: int,
    campaign_id: int,
    why: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client.post(f"/campaigns/{campaign_id}/schedule", json={"scheduled_at": "2999-01-01T00:00:00Z"})
    ending = threading.Event()
    monkeypatch.setattr(live, "QUIET_SECONDS", 0.0)

    async def quiet_ones() -> int:
        heard = 0
        async for some in live.follow(courier, tenant_id, campaign_id, ending):
            heard += some.startswith(b":")
            if heard == 3 and why == "time":
                monkeypatch.setattr(live, "STREAM_SECONDS", 0.0)
            elif heard == 3 and why == "ending":
                ending.set()
            elif heard == 3:
                with courier.store.begin(tenant_id) as unit:
                    unit.campaigns.remove(campaign_id)
        return heard

    assert anyio.run(quiet_ones) == 3
