"""Segments over HTTP: saved, counted, sent to, frozen at the start, and not deleted under what names them."""

from __future__ import annotations

from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from courierx_core.campaigns import service
from courierx_core.courier import Courier

Client = TestClient[Litestar]

PRO = {"type": "attribute", "name": "plan", "op": "equals", "value": "pro"}


@pytest.fixture
def people(client: Client, tenant_id: int) -> list[int]:
    made = []
    for name, plan in (("a", "pro"), ("b", "pro"), ("c", "free"), ("d", "free")):
        body = {"tenant_id": tenant_id, "email": f"{name}@x.example", "attributes": {"plan": plan}}
        made.append(int(client.post("/subscribers", json=body).json()["id"]))
    return made


def new(client: Client, tenant_id: int, definition: Any) -> int:
    answer = client.post("/segments", json={"tenant_id": tenant_id, "name": "fans", "definition": definition})
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])


def new_list(client: Client, tenant_id: int, name: str, *people: int) -> int:
    made = int(client.post("/lists", json={"tenant_id": tenant_id, "name": name}).json()["id"])
    client.post(f"/lists/{made}/subscribers", json={"subscriber_ids": people})
    return made


def new_campaign(client: Client, tenant_id: int, **fields: Any) -> int:
    body = {"tenant_id": tenant_id, "name": "n", "subject": "s", "body": "b", "from_email": "a@acme.example"}
    answer = client.post("/campaigns", json=body | fields)
    assert answer.status_code == 200, answer.text
    return int(answer.json()["id"])


def test_a_segment_is_made_counted_changed_and_deleted(
    client: Client, tenant_id: int, people: list[int]
) -> None:
    unsaved = client.post("/segments/count", json={"tenant_id": tenant_id, "definition": PRO})
    assert (unsaved.status_code, unsaved.json()) == (200, {"count": 2})
    body = {"tenant_id": tenant_id, "name": " Pros ", "definition": PRO}
    made = client.post("/segments/", json=body).json()
    path = f"/segments/{made['id']}"
    assert (made["name"], made["tenant_id"]) == ("Pros", tenant_id)
    assert client.get(path).json() == made
    assert client.get(f"/segments?tenant_id={tenant_id}").json() == [made]
    assert client.get(f"{path}/count").json() == {"count": 2}
    assert client.post("/segments", json={**body, "name": "Pros"}).status_code == 409
    changed = client.patch(path, json={"definition": {"type": "not", "of": PRO}}).json()
    assert changed["name"] == "Pros"
    assert client.patch(path, json={"name": "Others"}).json()["definition"] == changed["definition"]
    client.delete(f"/subscribers/{people[3]}")
    assert client.get(f"{path}/count").json() == {"count": 1}
    assert client.delete(path).status_code == 204
    for method, tail in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("GET", "/count")):
        assert client.request(method, path + tail, json={}).status_code == 404


def test_lists_and_a_segment_are_an_audience_each_person_once(
    client: Client, tenant_id: int, people: list[int]
) -> None:
    _, b, c, d = people
    client.post("/suppression", json={"tenant_id": tenant_id, "email": "a@x.example"})
    campaign = new_campaign(
        client,
        tenant_id,
        list_ids=[new_list(client, tenant_id, "one", b, c)],
        exclude_list_ids=[new_list(client, tenant_id, "no", c, d)],
        segment_id=new(client, tenant_id, PRO),
    )
    expected = {"campaign_id": campaign, "audience": 2, "states": {"queued": 1, "suppressed": 1}}
    assert client.get(f"/campaigns/{campaign}/audience").json() == expected
    assert client.post(f"/campaigns/{campaign}/send-now").json()["enqueued"] == 2


def test_a_started_campaign_keeps_the_segment_it_began_with(
    client: Client, courier: Courier, tenant_id: int, people: list[int]
) -> None:
    segment = new(client, tenant_id, PRO)
    campaign = new_campaign(client, tenant_id, segment_id=segment)
    assert client.post(f"/campaigns/{campaign}/send-now").json()["enqueued"] == 2
    client.patch(f"/segments/{segment}", json={"definition": {"type": "not", "of": PRO}})
    ledger = courier.store.ledger()
    (item,) = ledger.claim("test", limit=1, lease_seconds=60, topics=("snapshot",))
    service.snapshot(courier, item)
    ledger.close()
    assert client.get(f"/campaigns/{campaign}/audience").json()["states"] == {"queued": 2}
    with courier.store.begin(tenant_id, write=False) as unit:
        message_id = unit.campaigns.get(campaign).message_id
        sent = {each.subscriber_id for each in unit.deliveries.list(message_id=message_id)}
    assert sent == set(people[:2])


def test_a_draft_may_lose_its_segment(client: Client, tenant_id: int, people: list[int]) -> None:
    path = f"/campaigns/{new_campaign(client, tenant_id, segment_id=new(client, tenant_id, PRO))}"
    assert client.patch(path, json={"name": "m"}).json()["segment_id"] is not None
    assert client.patch(path, json={"segment_id": None}).json()["segment_id"] is None
    assert client.get(f"{path}/audience").json()["audience"] == 4


def test_what_is_in_use_is_not_deleted(client: Client, tenant_id: int, people: list[int]) -> None:
    news = new_list(client, tenant_id, "news", people[0])
    asked = new_campaign(client, tenant_id)
    condition = {"type": "or", "of": [{"type": "list", "list_id": news}, PRO]}
    event = {"type": "not", "of": {"type": "event", "kind": "opened", "campaign_id": asked}}
    segment = new(client, tenant_id, {"type": "and", "of": [condition, event]})
    campaign = new_campaign(client, tenant_id, segment_id=segment)
    for path, user in (
        (f"/lists/{news}", f"segment {segment}"),
        (f"/campaigns/{asked}", f"segment {segment}"),
        (f"/segments/{segment}", f"campaign {campaign}"),
    ):
        refused = client.delete(path)
        assert refused.status_code == 409, path
        assert f"in use by {user}" in refused.json()["detail"]
    # a list of the tree that a started campaign began with stays needed when the segment changes
    assert client.post(f"/campaigns/{campaign}/send-now").status_code == 200
    client.patch(f"/segments/{segment}", json={"definition": PRO})
    assert f"campaign {campaign}" in client.delete(f"/lists/{news}").json()["detail"]
    client.post(f"/campaigns/{campaign}/cancel")
    for path in (f"/segments/{segment}", f"/lists/{news}", f"/campaigns/{asked}"):
        assert client.delete(path).status_code == 204, path


@pytest.mark.parametrize(
    "definition",
    [None, 5, "x", [], {}, {"type": "and"}, {"type": "list", "list_id": 1 << 70}],
    ids=repr,
)
def test_a_bad_tree_is_refused_with_its_path_and_nothing_is_saved(
    client: Client, tenant_id: int, definition: Any
) -> None:
    segment = new(client, tenant_id, PRO)
    answers = [
        client.post("/segments", json={"tenant_id": tenant_id, "name": "bad", "definition": definition}),
        client.post("/segments/count", json={"tenant_id": tenant_id, "definition": definition}),
    ]
    if definition is not None:
        answers.append(client.patch(f"/segments/{segment}", json={"name": "bad", "definition": definition}))
    for answer in answers:
        assert answer.status_code == 422, answer.text
        assert all(each["field"].startswith("definition") for each in answer.json()["errors"])
    assert [each["name"] for each in client.get(f"/segments?tenant_id={tenant_id}").json()] == ["fans"]


def test_what_is_another_tenants_is_unknown(client: Client, tenant_id: int) -> None:
    tenant = {"name": "Other", "contact_email": "o@o.example"}
    other = int(client.post("/tenants", json=tenant).json()["id"])
    event = {"type": "event", "kind": "opened", "campaign_id": new_campaign(client, other)}
    on_list = {"type": "list", "list_id": new_list(client, other, "theirs")}
    tree = {"type": "or", "of": [on_list, event]}
    refused = client.post("/segments/count", json={"tenant_id": tenant_id, "definition": tree}).json()
    fields = [each["field"] for each in refused["errors"]]
    assert fields == ["definition.of[0].list_id", "definition.of[1].campaign_id"]
    segment = new(client, other, PRO)
    body = {"tenant_id": tenant_id, "name": "n", "subject": "s", "body": "b", "segment_id": segment}
    assert client.post("/campaigns", json=body).json()["errors"][0]["field"] == "segment_id"


def test_a_deep_body_is_refused(client: Client, tenant_id: int) -> None:
    deep = '{"type":"not","of":' * 900 + "{}" + "}" * 900
    answer = client.post("/segments", content=f'{{"tenant_id":{tenant_id},"name":"n","definition":{deep}}}')
    assert answer.status_code in (400, 422), answer.text
