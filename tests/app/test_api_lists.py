"""Mailing lists over HTTP: made, filled, named by campaigns, and not deleted under them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from courierx_core.access import service as access
from courierx_core.courier import Courier

Client = TestClient[Litestar]

HUGE = 1 << 70


def new_list(client: Client, tenant_id: int, name: str, *people: int) -> int:
    answer = client.post("/lists/", json={"tenant_id": tenant_id, "name": name})
    assert answer.status_code == 201, answer.text
    list_id = int(answer.json()["id"])
    if people:
        filled = client.post(f"/lists/{list_id}/subscribers", json={"subscriber_ids": people})
        assert filled.json() == {"added": len(people), "left": 0}
    return list_id


@pytest.fixture
def people(client: Client, tenant_id: int) -> list[int]:
    return [
        int(
            client.post("/subscribers", json={"tenant_id": tenant_id, "email": f"{name}@x.example"}).json()[
                "id"
            ]
        )
        for name in "abc"
    ]


def test_a_list_is_made_shown_renamed_and_deleted(client: Client, tenant_id: int) -> None:
    made = client.post("/lists", json={"tenant_id": tenant_id, "name": " News 📰 "}).json()
    assert (made["name"], made["subscribers"], made["tenant_id"]) == ("News 📰", 0, tenant_id)
    path = f"/lists/{made['id']}"
    assert client.get(path).json() == made
    assert client.get(f"/lists/?tenant_id={tenant_id}").json() == [made]
    assert client.patch(path, json={"name": "Letters"}).json() == {**made, "name": "Letters"}
    assert client.patch(path, json={}).json()["name"] == "Letters"
    assert client.delete(path).status_code == 204
    for method in ("GET", "PATCH", "DELETE"):
        assert client.request(method, path, json={}).status_code == 404


def test_names_are_unique_in_a_tenant(client: Client, tenant_id: int) -> None:
    new_list(client, tenant_id, "one")
    two = new_list(client, tenant_id, "two")
    for answer in (
        client.post("/lists", json={"tenant_id": tenant_id, "name": "one"}),
        client.patch(f"/lists/{two}", json={"name": "one"}),
    ):
        assert answer.status_code == 409
        assert "'one' exists" in answer.json()["detail"]


def test_people_come_and_go_and_stay_away(client: Client, tenant_id: int, people: list[int]) -> None:
    a, b, c = people
    news = new_list(client, tenant_id, "news", a, b)
    path = f"/lists/{news}/subscribers"
    assert client.post(path, json={"subscriber_ids": [b, c]}).json() == {"added": 1, "left": 1}
    assert client.get(f"/lists/{news}").json()["subscribers"] == 3
    first = client.get(f"{path}?limit=2")
    assert [each["id"] for each in first.json()] == [c, b]
    rest = client.get(f"{path}?limit=2&cursor={first.headers['x-next-cursor']}")
    assert [each["id"] for each in rest.json()] == [a]
    listed = client.get(f"/subscribers?tenant_id={tenant_id}&list={news}&q=B@X").json()
    assert [each["id"] for each in listed] == [b]
    assert client.delete(path, params={"subscriber_id": [a, b]}).status_code == 204
    assert client.post(path, json={"subscriber_ids": people}).json() == {"added": 0, "left": 3}
    assert [each["id"] for each in client.get(path).json()] == [c]


def test_an_audience_is_lists_less_the_excluded_each_person_once(
    client: Client, tenant_id: int, people: list[int]
) -> None:
    a, b, c = people
    body = {
        "tenant_id": tenant_id,
        "name": "n",
        "subject": "s",
        "body": "b",
        "from_email": "a@acme.example",
        "list_ids": [new_list(client, tenant_id, "one", a, b), new_list(client, tenant_id, "two", b, c)],
        "exclude_list_ids": [new_list(client, tenant_id, "no", c)],
    }
    campaign = client.post("/campaigns", json=body).json()
    assert client.post(f"/campaigns/{campaign['id']}/send-now").json()["enqueued"] == 2


@pytest.mark.parametrize("field", ["list_ids", "exclude_list_ids"])
def test_a_list_that_a_campaign_names_is_not_deleted(client: Client, tenant_id: int, field: str) -> None:
    news = new_list(client, tenant_id, "news")
    body = {"tenant_id": tenant_id, "name": "n", "subject": "s", "body": "b", field: [news]}
    campaign = client.post("/campaigns", json=body).json()["id"]
    refused = client.delete(f"/lists/{news}")
    assert refused.status_code == 409
    assert f"in use by campaign {campaign}" in refused.json()["detail"]
    assert client.get(f"/lists/{news}").status_code == 200
    client.delete(f"/campaigns/{campaign}")
    assert client.delete(f"/lists/{news}").status_code == 204


@pytest.mark.parametrize(
    "name", [None, 5, [], {}, "", "  ", "x" * 256, "a\0b", "a\r\nBcc: x", "\x7f"], ids=repr
)
def test_a_bad_name_is_refused_with_a_sentence(client: Client, tenant_id: int, name: Any) -> None:
    news = new_list(client, tenant_id, "news")
    made = client.post("/lists", json={"tenant_id": tenant_id, "name": name})
    renamed = client.patch(f"/lists/{news}", json={"name": name})
    for answer in (made, *([renamed] if name is not None else [])):
        assert answer.status_code == 422
        (problem,) = answer.json()["errors"]
        assert problem["field"] == "name"
        assert problem["message"]
    assert [each["name"] for each in client.get(f"/lists?tenant_id={tenant_id}").json()] == ["news"]


def test_ids_that_are_nobodys_are_named_and_change_nothing(
    client: Client, tenant_id: int, people: list[int]
) -> None:
    news = new_list(client, tenant_id, "news")
    path = f"/lists/{news}/subscribers"
    answer = client.post(path, json={"subscriber_ids": [people[0], -1, people[1], 0, 99_999]})
    assert answer.status_code == 422
    wrong = [each["field"] for each in answer.json()["errors"]]
    assert wrong == [f"subscriber_ids[{at}]" for at in (1, 3, 4)]
    for body in (
        {},
        {"subscriber_ids": []},
        {"subscriber_ids": "all"},
        {"subscriber_ids": [[1]]},
        {"subscriber_ids": [HUGE]},
    ):
        assert client.post(path, json=body).status_code == 422, body
    for query in ("", "?subscriber_id=x", f"?subscriber_id={HUGE}", "?subscriber_id=-1"):
        assert client.delete(path + query).status_code == 422, query
    assert client.get(path).json() == []


@pytest.mark.parametrize("number", [-1, 0, 99_999, 1 << 63, HUGE])
def test_lists_nobody_has_are_404s(client: Client, courier: Courier, tenant_id: int, number: int) -> None:
    client.headers["Authorization"] = f"Bearer {access.create_key(courier.store, tenant_id=tenant_id)[1]}"
    for method, path, body in (
        ("GET", f"/lists/{number}", None),
        ("PATCH", f"/lists/{number}", {"name": "x"}),
        ("DELETE", f"/lists/{number}", None),
        ("GET", f"/lists/{number}/subscribers", None),
        ("POST", f"/lists/{number}/subscribers", {"subscriber_ids": [1]}),
        ("DELETE", f"/lists/{number}/subscribers?subscriber_id=1", None),
        ("GET", f"/subscribers?list={number}", None),
    ):
        assert client.request(method, path, json=body).status_code == 404, (method, path)


@pytest.mark.parametrize("cursor", ["x", "-5", "0", str(HUGE), "1.5", "🙂"])
def test_a_cursor_from_elsewhere_is_a_400(client: Client, tenant_id: int, cursor: str) -> None:
    for path in ("/lists", "/subscribers", "/suppression"):
        answer = client.get(path, params={"tenant_id": tenant_id, "cursor": cursor})
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "cursor")


def test_another_tenants_lists_read_as_missing(
    client: Client, api: Callable[..., Client], courier: Courier, tenant_id: int, people: list[int]
) -> None:
    news = new_list(client, tenant_id, "canary", *people)
    other = client.post("/tenants", json={"name": "Other", "contact_email": "o@o.example"}).json()["id"]
    theirs = api(access.create_key(courier.store, tenant_id=other)[1])
    own = new_list(theirs, other, "canary")
    for method, path, body in (
        ("GET", f"/lists/{news}", None),
        ("PATCH", f"/lists/{news}", {"name": "x"}),
        ("DELETE", f"/lists/{news}", None),
        ("GET", f"/lists/{news}/subscribers", None),
        ("POST", f"/lists/{news}/subscribers", {"subscriber_ids": people}),
        ("DELETE", f"/lists/{news}/subscribers?subscriber_id={people[0]}", None),
        ("GET", f"/subscribers?list={news}", None),
        ("GET", f"/lists?tenant_id={tenant_id}", None),
    ):
        assert theirs.request(method, path, json=body).status_code == 404, (method, path)
    assert theirs.post(f"/lists/{own}/subscribers", json={"subscriber_ids": people}).status_code == 422
    assert [each["id"] for each in theirs.get("/lists").json()] == [own]
    assert client.get(f"/lists/{news}").json()["subscribers"] == 3
