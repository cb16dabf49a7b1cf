"""Quotas over HTTP and from the command line: the platform sets them, a tenant sees its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from courierx_core.courier import Courier
from tests.app.test_api_tenants import Client, new
from tests.app.test_cli import Cx, cx

__all__ = ["cx"]


def shown(answer: Any) -> list[tuple[str, int, int]]:
    assert answer.status_code == 200, answer.text
    return [(each["period"], each["allowed"], each["used"]) for each in answer.json()]


def test_quotas_are_set_lifted_and_shown(client: Client, courier: Courier) -> None:
    tenant_id = new(client, "acme")["id"]
    path = f"/tenants/{tenant_id}/quotas"
    assert shown(client.get(path)) == []
    assert shown(client.patch(path, json={"month": 100, "hour": 10})) == [("hour", 10, 0), ("month", 100, 0)]
    with courier.store.begin(tenant_id) as unit:
        assert unit.quotas.take(4).granted == 4
    assert shown(client.patch(path, json={"hour": None})) == [("month", 100, 4)]
    assert shown(client.patch(path, json={})) == [("month", 100, 4)]
    assert shown(client.get(path)) == [("month", 100, 4)]


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"hour": -1, "month": 10**13}, ["hour", "month"]),
        ({"hour": "many"}, ["hour"]),
        ({"week": 5}, ["week"]),
    ],
)
def test_what_is_wrong_is_named(client: Client, body: dict[str, Any], fields: list[str]) -> None:
    path = f"/tenants/{new(client, 'acme')['id']}/quotas"
    answer = client.patch(path, json=body)
    assert answer.status_code == 422, answer.text
    assert [each["field"] for each in answer.json()["errors"]] == fields
    assert shown(client.get(path)) == []


def test_a_tenant_sees_its_own_and_sets_none(client: Client, api: Callable[..., Client]) -> None:
    ours, theirs = new(client, "ours")["id"], new(client, "theirs")["id"]
    made = client.post("/keys", json={"tenant_id": ours, "name": "key"})
    tenant = api(made.json()["key"])
    assert shown(tenant.get(f"/tenants/{ours}/quotas")) == []
    assert tenant.get(f"/tenants/{theirs}/quotas").status_code == 404
    assert tenant.patch(f"/tenants/{ours}/quotas", json={"hour": 9}).status_code == 403
    for method in ("GET", "PATCH"):
        assert client.request(method, "/tenants/999/quotas", json={}).status_code == 404


def test_the_command_line_sets_them_too(cx: Cx) -> None:
    cx("tenants", "add", "Acme", "--email", "post@acme.example")
    assert "Acme has no quota" in cx("tenants", "quota", "Acme")
    (quota,) = json.loads(cx("tenants", "quota", "Acme", "--day", "5000", "--json"))
    assert (quota["period"], quota["allowed"], quota["used"]) == ("day", 5000, 0)
    assert "5,000" in cx("tenants", "quota", "1")
    assert "has no quota" in cx("tenants", "quota", "1", "--day", "none")
    cx("tenants", "quota", "1", "--day", "many", status=1, err="--day")
