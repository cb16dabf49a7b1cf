"""/transports: everybody with the scope sees them, the platform pauses and resumes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.app.test_api_tenants import Client, new

RUNNING = {
    "name": "mock",
    "state": "running",
    "reason": "",
    "since": None,
    "recovered": None,
    "warm_day": None,
}


def test_one_is_listed_paused_checked_and_resumed(client: Client) -> None:
    assert client.get("/transports").json() == [RUNNING]
    paused = client.post("/transports/mock/pause")
    assert (paused.status_code, paused.json()["state"], paused.json()["reason"]) == (
        200,
        "paused",
        "paused by hand",
    )
    assert client.post("/transports/mock/pause").json() == paused.json()
    assert client.get("/transports").json() == [paused.json()]
    assert paused.json()["recovered"] is True
    assert client.post("/transports/mock/check").json() == []
    for _ in range(2):
        assert client.post("/transports/mock/resume").json() == RUNNING


@pytest.mark.parametrize("verb", ["pause", "resume", "check"])
def test_one_that_there_is_not_is_a_404_that_names_those_there_are(client: Client, verb: str) -> None:
    answer = client.post(f"/transports/nosuch/{verb}")
    assert answer.status_code == 404
    assert "there is: mock" in answer.json()["detail"]


def test_a_tenant_sees_them_and_pauses_none(client: Client, api: Callable[..., Client]) -> None:
    ours = new(client, "ours")["id"]
    tenant = api(client.post("/keys", json={"tenant_id": ours, "name": "key"}).json()["key"])
    assert tenant.get("/transports").json() == [RUNNING]
    for verb in ("pause", "resume", "check"):
        assert tenant.post(f"/transports/mock/{verb}").status_code == 403
    assert client.get("/transports").json() == [RUNNING]
