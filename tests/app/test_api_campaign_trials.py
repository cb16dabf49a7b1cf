"""Preview, test and clone over HTTP: what a campaign will look like, and another one of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from courierx_app.sending import HiredWorker
from courierx_core.access import service as access
from courierx_core.courier import Courier

Client = TestClient[Litestar]
BODY = (
    "<p>Hi {{ first_name }} of {{ city }}, {{ nickname }}</p>"
    '<a href="https://acme.example/shop">shop</a><a href="{{ unsubscribe_url }}">no more</a>'
)


@pytest.fixture
def people(client: Client, tenant_id: int) -> dict[str, int]:
    ids = {}
    for name, city in (("Ann", "Leeds"), ("Bob", "<York>")):
        body = {"email": f"{name}@x.example", "first_name": name, "attributes": {"city": city}}
        ids[name] = client.post("/subscribers", json={"tenant_id": tenant_id, **body}).json()["id"]
    return ids


@pytest.fixture
def draft(client: Client, tenant_id: int) -> dict[str, Any]:
    body = {"tenant_id": tenant_id, "name": "May", "subject": "Dear {{ first_name }}", "body": BODY}
    answer = client.post("/campaigns", json=body)
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()
    return made


def test_a_preview_is_what_one_person_would_get(
    client: Client, draft: dict[str, Any], people: dict[str, int]
) -> None:
    path = f"/campaigns/{draft['id']}/preview"
    answer = client.get(path, params={"subscriber_id": people["Ann"]})
    assert answer.status_code == 200, answer.text
    seen = answer.json()
    assert (seen["subject"], seen["email"]) == ("Dear Ann", "ann@x.example")
    assert "<p>Hi Ann of Leeds, </p>" in seen["html"]
    assert 'href="https://acme.example/shop"' in seen["html"], "links are shown, not tracked"
    assert 'href="https://mail.example.com/u/' in seen["html"]
    assert "<img" not in seen["html"]
    assert seen["body"] == seen["html"]
    assert "Hi Ann of Leeds" in seen["text"]
    assert "<p>" not in seen["text"]
    assert [each.split("`")[1] for each in seen["warnings"]] == ["nickname"]
    other = client.get(path).json()
    assert other["subscriber_id"] == people["Bob"]
    assert "Hi Bob of &lt;York&gt;" in other["html"]
    assert client.get(f"/campaigns/{draft['id']}").json() == draft


def test_a_preview_without_anybody_is_of_an_example(client: Client, draft: dict[str, Any]) -> None:
    seen = client.get(f"/campaigns/{draft['id']}/preview").json()
    assert (seen["subscriber_id"], seen["subject"]) == (0, "Dear Ann")
    assert [each.split("`")[1] for each in seen["warnings"]] == ["city", "nickname"]


def test_the_one_field_form_is_html_if_it_holds_a_tag_else_text(client: Client, tenant_id: int) -> None:
    """The other part is made from it."""
    for body, html, text in (
        ("a < b & c > d", "a &lt; b &amp; c &gt; d", "a < b & c > d"),
        ("<b>hi</b>", "<b>hi</b>", "hi"),
    ):
        given = {"tenant_id": tenant_id, "name": "n", "subject": "s", "body": body}
        made = client.post("/campaigns", json=given).json()
        assert made["body"] == body
        seen = client.get(f"/campaigns/{made['id']}/preview").json()
        assert html in seen["html"]
        assert text in seen["text"]


def test_a_preview_of_nobody_or_for_nobody_is_a_404(client: Client, draft: dict[str, Any]) -> None:
    assert client.get("/campaigns/999/preview").status_code == 404
    for whom in (999, 0, 2**70):
        answer = client.get(f"/campaigns/{draft['id']}/preview?subscriber_id={whom}")
        assert answer.status_code == 404, whom
    assert client.get(f"/campaigns/{draft['id']}/preview?subscriber_id=x").status_code == 422


def test_a_test_reaches_its_addresses_and_changes_nothing(
    client: Client, courier: Courier, draft: dict[str, Any], people: dict[str, int]
) -> None:
    path = f"/campaigns/{draft['id']}"
    body = {"to": ["Me <me@acme.example>", {"email": "me@acme.example"}], "subscriber_id": people["Bob"]}
    answer = client.post(f"{path}/test", json=body)
    assert answer.status_code == 202, answer.text
    sent = answer.json()
    assert [each["to"] for each in sent["deliveries"]] == ["me@acme.example"]
    assert [each.split("`")[1] for each in sent["warnings"]] == ["nickname"]
    assert client.get(path).json() == draft
    assert client.get(f"{path}/report").json()["audience"] == 0
    with HiredWorker(courier, "test"):
        while client.get(f"/messages/{sent['id']}").json()["status"] != "completed":
            pass
    assert client.get(f"/messages/{sent['id']}").json()["states"] == {"accepted": 1}
    repeated = [client.post(f"{path}/test", json=body, headers={"Idempotency-Key": "k"}) for _ in range(2)]
    assert repeated[0].json() == repeated[1].json()


def test_a_test_is_rendered_as_the_chosen_person_would_get_it(
    client: Client, courier: Courier, draft: dict[str, Any], people: dict[str, int]
) -> None:
    from courierx_core.messages.compile import Compiled
    from courierx_core.messages.model import Recipient

    answer = client.post(
        f"/campaigns/{draft['id']}/test", json={"to": ["ann@x.example"], "subscriber_id": people["Bob"]}
    )
    with courier.store.begin(draft["tenant_id"], write=False) as unit:
        compiled = Compiled(unit.messages.get(answer.json()["id"]), courier.tokens)
    ann = Recipient(1, 1, "ann@x.example", "queued", 0, "Ann", "", {"city": "Leeds"})
    seen = compiled.fields(ann)
    assert seen.subject == "Dear Bob"
    assert "Hi Bob of &lt;York&gt;" in seen.html


@pytest.mark.parametrize(
    ("body", "status", "fields"),
    [
        ({}, 422, ["to"]),
        ({"to": []}, 422, ["to"]),
        ({"to": ["a@x.example", "b", "@"]}, 422, ["to[1]", "to[2]"]),
        ({"to": [f"a{n}@x.example" for n in range(51)]}, 422, ["to"]),
        ({"to": ["a@x.example"], "subscriber_id": 999}, 404, []),
        ({"to": ["a@x.example"], "subscriber_id": "x"}, 422, ["subscriber_id"]),
    ],
)
def test_a_wrong_test_is_refused_whole(
    client: Client, draft: dict[str, Any], body: dict[str, Any], status: int, fields: list[str]
) -> None:
    answer = client.post(f"/campaigns/{draft['id']}/test", json=body)
    assert (answer.status_code, [each["field"] for each in answer.json()["errors"]]) == (status, fields)
    assert client.get(f"/messages?tenant_id={draft['tenant_id']}").json() == []


def test_a_clone_is_a_draft_with_the_same_content(client: Client, draft: dict[str, Any]) -> None:
    path = f"/campaigns/{draft['id']}/clone"
    answer = client.post(path)
    assert answer.status_code == 201, answer.text
    made = answer.json()
    own = ("id", "name", "created_at", "updated_at")
    assert {k: v for k, v in made.items() if k not in own} == {k: v for k, v in draft.items() if k not in own}
    assert made["id"] != draft["id"]
    assert client.post(path, json={"name": "June"}).json()["name"] == "June"
    for only, status in ((["failed"], 409), (["gone"], 422), ("failed", 422)):
        assert client.post(path, json={"only": only}).status_code == status, only
    assert client.post("/campaigns/999/clone", json={}).status_code == 404


def test_a_clone_goes_to_exactly_those_it_names(
    client: Client, courier: Courier, draft: dict[str, Any], people: dict[str, int]
) -> None:
    client.post("/suppression", json={"tenant_id": draft["tenant_id"], "email": "bob@x.example"})
    path = f"/campaigns/{draft['id']}"
    with HiredWorker(courier, "test"):
        client.post(f"{path}/send-now")
        while client.get(path).json()["status"] != "completed":
            pass
    made = client.post(f"{path}/clone", json={"only": ["suppressed", "failed"]}).json()
    (list_id,) = made["list_ids"]
    assert [each["id"] for each in client.get(f"/lists/{list_id}/subscribers").json()] == [people["Bob"]]


def test_no_other_tenant_sees_them(
    client: Client, api: Callable[..., Client], courier: Courier, draft: dict[str, Any]
) -> None:
    other = client.post("/tenants", json={"name": "Other", "contact_email": "o@o.example"}).json()["id"]
    tenant = api(access.create_key(courier.store, tenant_id=other)[1])
    theirs = client.post("/subscribers", json={"tenant_id": other, "email": "z@x.example"}).json()["id"]
    path = f"/campaigns/{draft['id']}"
    mine = {"to": ["a@x.example"]}
    for method, tail, body in (("GET", "/preview", None), ("POST", "/test", mine), ("POST", "/clone", {})):
        answer = tenant.request(method, path + tail, json=body)
        assert answer.status_code == 404, tail
    assert client.get(f"{path}/preview?subscriber_id={theirs}").status_code == 404


# --- the words for a status


def test_every_answer_says_sending_while_it_prepares(
    client: Client, draft: dict[str, Any], people: dict[str, int]
) -> None:
    path = f"/campaigns/{draft['id']}"
    assert client.post(f"{path}/send-now").json()["status"] == "sending"
    assert client.get(f"{path}/report").json()["status"] == "sending"
    for status, found in (("sending", 1), ("draft", 0), ("paused", 0)):
        listed = client.get(f"/campaigns?tenant_id={draft['tenant_id']}&status={status}").json()
        assert len(listed) == found, status
    assert client.get(f"/campaigns?tenant_id={draft['tenant_id']}&status=preparing").status_code == 422
    for method, tail, body in (
        ("POST", "/send-now", None),
        ("PATCH", "", {"subject": "x"}),
        ("PATCH", "", {"status": "scheduled"}),
        ("DELETE", "", None),
        ("POST", "/cancel-schedule", None),
    ):
        answer = client.request(method, path + tail, json=body)
        assert answer.status_code == 409, tail
        assert "is sending" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("change", "field", "code"),
    [
        ({"name": " "}, "name", "required"),
        ({"name": "x" * 256}, "name", "too_long"),
        ({"subject": ""}, "subject", "required"),
        ({"subject": "a\r\nBcc: x@x.example"}, "subject", "invalid"),
        ({"template_id": 999}, "template_id", "not_found"),
        ({"template_id": 10**30}, "template_id", "out_of_range"),
        ({"transport": "pigeon"}, "transport", "not_found"),
        ({"headers": {"Bcc": "x@x.example"}}, "headers[0]", "invalid_header"),
        ({"from_name": "a\nb"}, "from_name", "invalid"),
        ({"html": "x" * (2 * 1024 * 1024 + 1)}, "html", "too_long"),
        ({"status": "preparing"}, "status", "invalid"),
    ],
)
def test_what_cannot_be_sent_is_refused_when_it_is_written(
    client: Client, draft: dict[str, Any], change: dict[str, Any], field: str, code: str
) -> None:
    body = {"tenant_id": draft["tenant_id"], "name": "n", "subject": "s", "body": "b"}
    for answer in (
        client.post("/campaigns", json={**body, **change}),
        client.patch(f"/campaigns/{draft['id']}", json=change),
    ):
        assert answer.status_code == 422, answer.text
        assert [(each["field"], each["code"]) for each in answer.json()["errors"]] == [(field, code)]
    assert client.get(f"/campaigns?tenant_id={draft['tenant_id']}").json() == [draft]
