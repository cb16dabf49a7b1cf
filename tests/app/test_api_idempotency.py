"""Idempotency-Key: what a request makes and its answer are stored together, once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from courierx_core.courier import Courier
from courierx_core.messages import transactional
from courierx_core.templates import keeping
from courierx_sql.rows.idempotency import IdempotencyRows

Client = TestClient[Litestar]
KEYED = {"Idempotency-Key": "k"}

NEWS = {"to": ["a@x.example"], "from": "b@x.example", "subject": "s", "text": "t"}
ONE = "email\nann@x.example\n"
MADE = (
    ("/tenants", {"name": "Other", "contact_email": "a@other.example"}, "/tenants"),
    ("/keys", {"name": "other", "tenant_id": 1}, "/keys?tenant_id=1"),
    ("/keys", {"name": "other", "scopes": ["campaigns:read"]}, "/keys"),
    ("/subscribers", {"email": "ann@x.example", "tenant_id": 1}, "/subscribers?tenant_id=1"),
    ("/subscribers/bulk-import", {"csv_text": ONE, "tenant_id": 1}, "/subscribers?tenant_id=1"),
    ("/suppression/bulk-import", {"csv_text": ONE, "tenant_id": 1}, "/suppression?tenant_id=1"),
    ("/suppression", {"email": "ann@x.example", "tenant_id": 1}, "/suppression?tenant_id=1"),
    ("/lists", {"name": "news", "tenant_id": 1}, "/lists?tenant_id=1"),
    (
        "/segments",
        {"name": "pro", "definition": {"type": "attribute", "name": "plan", "op": "in", "value": ["pro"]},
         "tenant_id": 1},
        "/segments?tenant_id=1",
    ),
    ("/templates", {"name": "t", "subject": "s", "text": "t", "tenant_id": 1}, "/templates?tenant_id=1"),
    ("/campaigns", {"name": "c", "subject": "s", "text": "t", "tenant_id": 1}, "/campaigns?tenant_id=1"),
    (
        "/messages",
        {**NEWS, "tenant_id": 1},
        "/messages?tenant_id=1",
    ),
    (
        "/messages/batch",
        {"messages": [NEWS], "tenant_id": 1},
        "/messages?tenant_id=1",
    ),
    (
        "/send/send-test",
        {"recipient": "a@x.example", "subject": "s", "body": "b", "enqueue": True, "tenant_id": 1},
        "/messages?tenant_id=1",
    ),
)  # fmt: skip


@pytest.mark.usefixtures("tenant_id")
@pytest.mark.parametrize(("path", "body", "listed"), MADE, ids=[path for path, *_ in MADE])
def test_a_repeated_request_makes_nothing_and_answers_the_same(
    client: Client, path: str, body: dict[str, Any], listed: str
) -> None:
    before = len(client.get(listed).json())
    first = client.post(path, json=body, headers=KEYED)
    assert first.status_code in (200, 201, 202), first.text
    assert "idempotency-replayed" not in first.headers
    assert len(client.get(listed).json()) == before + 1
    again = client.post(path, json=body, headers=KEYED)
    assert (again.status_code, again.json()) == (first.status_code, first.json())
    assert again.headers["idempotency-replayed"] == "true"
    assert len(client.get(listed).json()) == before + 1


@pytest.mark.usefixtures("tenant_id")
@pytest.mark.parametrize(("path", "body", "listed"), MADE, ids=[path for path, *_ in MADE])
def test_nothing_is_made_where_its_answer_cannot_be_kept(
    client: Client, monkeypatch: pytest.MonkeyPatch, path: str, body: dict[str, Any], listed: str
) -> None:
    before = len(client.get(listed).json())
    with monkeypatch.context() as broken:
        broken.setattr(IdempotencyRows, "add", _dies)
        assert client.post(path, json=body, headers=KEYED).status_code == 500
    assert len(client.get(listed).json()) == before
    fresh = client.post(path, json=body, headers=KEYED)
    assert fresh.status_code in (200, 201, 202), fresh.text
    assert "idempotency-replayed" not in fresh.headers


def test_a_crash_between_commit_and_answer_leaves_the_answer(
    client: Client, monkeypatch: pytest.MonkeyPatch, tenant_id: int
) -> None:
    body = {**NEWS, "tenant_id": tenant_id}
    with monkeypatch.context() as broken:
        broken.setattr(transactional, "announce", _dies)
        assert client.post("/messages", json=body, headers=KEYED).status_code == 500
    (message,) = client.get(f"/messages?tenant_id={tenant_id}").json()
    again = client.post("/messages", json=body, headers=KEYED)
    assert again.status_code == 202
    assert again.json()["id"] == message["id"]
    assert again.headers["idempotency-replayed"] == "true"
    assert len(client.get(f"/messages?tenant_id={tenant_id}").json()) == 1


def test_while_the_first_is_in_work_the_second_is_told_to_ask_again(
    client: Client, monkeypatch: pytest.MonkeyPatch, tenant_id: int
) -> None:
    entered, go_on = threading.Event(), threading.Event()
    examine = keeping.examine

    def stalls(*given: Any) -> None:
        entered.set()
        assert go_on.wait(30)
        examine(*given)

    monkeypatch.setattr(keeping, "examine", stalls)
    body = {"name": "t", "subject": "s", "text": "t", "tenant_id": tenant_id}
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(client.post, "/templates", json=body, headers=KEYED)
        assert entered.wait(30)
        second = client.post("/templates", json=body, headers=KEYED)
        go_on.set()
        assert first.result().status_code == 201
    assert (second.status_code, second.json()["code"]) == (409, "idempotency_in_work")
    assert "ask again" in second.json()["detail"]
    assert int(second.headers["retry-after"]) > 0
    third = client.post("/templates", json=body, headers=KEYED)
    assert third.json() == first.result().json()


def test_another_process_that_was_first_is_believed(
    client: Client, courier: Courier, monkeypatch: pytest.MonkeyPatch, tenant_id: int
) -> None:
    body, looked = {"name": "news", "tenant_id": tenant_id}, IdempotencyRows.get
    first = client.post("/lists", json=body, headers=KEYED)
    looks = iter([True, False])  # our first look comes before the other one commits

    def get(rows: IdempotencyRows, key: str) -> Any:
        return None if next(looks) else looked(rows, key)

    monkeypatch.setattr(IdempotencyRows, "get", get)
    second = client.post("/lists", json=body, headers=KEYED)
    assert (second.status_code, second.json()) == (201, first.json())


def test_keys_of_two_tenants_are_two(api: Callable[..., Client], client: Client, tenant_id: int) -> None:
    other = client.post("/tenants", json={"name": "B", "contact_email": "b@b.example"}).json()["id"]
    answers = [
        client.post("/lists", json={"name": "n", "tenant_id": each}, headers=KEYED)
        for each in (tenant_id, other)
    ]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json()["id"] != answers[1].json()["id"]


@pytest.mark.usefixtures("tenant_id")
def test_no_kept_answer_holds_a_secret(client: Client, courier: Courier) -> None:
    text = client.post("/keys", json={"name": "k", "tenant_id": 1}, headers=KEYED).json()["key"]
    secret = text.split("_", 2)[2].encode()
    with courier.store.begin(1, write=False) as unit:
        kept = unit.idempotency.get("k")
    assert kept is not None
    assert secret not in kept.body
    assert b"tenant_id" not in kept.body


def test_a_key_that_is_too_long_is_refused(client: Client, tenant_id: int) -> None:
    answer = client.post(
        "/lists", json={"name": "n", "tenant_id": tenant_id}, headers={"Idempotency-Key": "k" * 256}
    )
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "Idempotency-Key"


def test_the_job_of_an_enqueued_campaign_is_told_again(client: Client, tenant_id: int) -> None:
    client.post("/subscribers", json={"email": "ann@x.example", "tenant_id": tenant_id})
    body = {"name": "c", "subject": "s", "text": "t", "from_email": "a@x.example", "tenant_id": tenant_id}
    campaign = client.post("/campaigns", json=body).json()["id"]
    first = client.post(f"/admin/enqueue-campaign/{campaign}", headers=KEYED)
    assert first.status_code == 200, first.text
    assert client.post(f"/admin/enqueue-campaign/{campaign}", headers=KEYED).json() == first.json()
    assert (
        client.post(f"/admin/run-campaign/{campaign}", headers={"Idempotency-Key": "k2"}).status_code == 409
    )


def _dies(*_: object, **__: object) -> Any:
    raise RuntimeError("the process dies here")
