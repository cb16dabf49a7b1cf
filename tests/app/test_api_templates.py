"""Templates over HTTP: checked when they are saved, previewed, and not deleted under a draft."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from courierx_core.access import service as access
from courierx_core.courier import Courier

Client = TestClient[Litestar]


@pytest.fixture
def template(client: Client, tenant_id: int) -> dict[str, Any]:
    body = {
        "tenant_id": tenant_id,
        "name": "welcome",
        "subject": "Hi {{ first_name }}",
        "html": "<p>Welcome to {{ city }}</p>",
        "layout": "<body>{{ content }}</body>",
    }
    answer = client.post("/templates/", json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def test_a_template_is_kept_shown_changed_and_deleted(client: Client, template: dict[str, Any]) -> None:
    path = f"/templates/{template['id']}"
    assert client.get(path).json() == template
    assert client.get(f"/templates?tenant_id={template['tenant_id']}").json() == [template]
    changed = client.patch(path, json={"subject": "Hello", "layout": ""}).json()
    assert (changed["subject"], changed["layout"], changed["html"]) == ("Hello", "", template["html"])
    assert client.delete(path).status_code == 204
    for method in ("GET", "DELETE"):
        assert client.request(method, path).status_code == 404


def test_a_preview_renders_with_variables_and_warns(client: Client, template: dict[str, Any]) -> None:
    path = f"/templates/{template['id']}/preview"
    seen = client.post(path, json={"variables": {"first_name": "Bob", "city": "<York>"}}).json()
    assert (seen["subject"], seen["warnings"]) == ("Hi Bob", [])
    assert seen["html"] == seen["body"]
    assert "<p>Welcome to &lt;York&gt;</p>" in seen["html"]
    assert seen["html"].startswith("<body>")
    assert "Welcome to <York>" in seen["text"]
    bare = client.post(path, json={}).json()
    assert bare["subject"] == "Hi Ann"
    assert [each.split("`")[1] for each in bare["warnings"]] == ["city"]
    assert client.post(path, json={"variables": 5}).status_code == 422


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"name": " "}, ["name"]),
        ({"name": "x" * 201, "subject": ""}, ["name", "subject"]),
        ({"name": "a\0b"}, ["name"]),
        ({"subject": "a\nBcc: b"}, ["subject"]),
        ({"html": "x" * (2 * 1024 * 1024 + 1)}, ["html"]),
        ({"html": "one\ntwo {% for %}"}, ["html"]),
        ({"html": "{{ 'a' * 999999 }}"}, ["html"]),
        ({"layout": "no place"}, ["layout"]),
        ({"html": "", "layout": ""}, ["html"]),
        ({"html": 5, "text": []}, ["html", "text"]),
    ],
)
def test_an_error_is_found_when_it_is_saved(
    client: Client, template: dict[str, Any], change: dict[str, Any], fields: list[str]
) -> None:
    path = f"/templates/{template['id']}"
    new = {key: template[key] for key in ("tenant_id", "subject", "html", "layout")}
    for answer in (
        client.patch(path, json=change),
        client.post("/templates", json={**new, "name": "other", **change}),
    ):
        assert answer.status_code == 422, answer.text
        assert [each["field"] for each in answer.json()["errors"]] == fields
    assert client.get(f"/templates?tenant_id={template['tenant_id']}").json() == [template]


def test_an_error_in_a_template_has_its_line_and_the_reason(client: Client, template: dict[str, Any]) -> None:
    answer = client.patch(f"/templates/{template['id']}", json={"html": "one\ntwo {% if %}"}).json()
    assert (answer["code"], "html line 2" in answer["detail"]) == ("render", True), answer
    assert answer["errors"][0]["message"]


def test_a_name_is_taken_once(client: Client, template: dict[str, Any]) -> None:
    new = {key: template[key] for key in ("tenant_id", "subject", "html")}
    assert client.post("/templates", json={**new, "name": " welcome "}).status_code == 409
    other = client.post("/templates", json={**new, "name": "bye"}).json()
    assert client.patch(f"/templates/{other['id']}", json={"name": "welcome"}).status_code == 409


def test_a_template_stays_while_a_campaign_needs_it(client: Client, template: dict[str, Any]) -> None:
    tenant_id = template["tenant_id"]
    client.post("/subscribers", json={"tenant_id": tenant_id, "email": "a@x.example"})
    new = {"tenant_id": tenant_id, "name": "n", "subject": "", "template_id": template["id"]}
    campaign = client.post("/campaigns", json=new)
    assert campaign.status_code == 200, campaign.text
    number = campaign.json()["id"]
    refused = client.delete(f"/templates/{template['id']}")
    assert refused.status_code == 409
    assert f"campaign {number}" in refused.json()["detail"]
    client.patch(f"/templates/{template['id']}", json={"subject": "Changed"})
    assert client.get(f"/campaigns/{number}/preview").json()["subject"] == "Changed"
    assert client.post(f"/campaigns/{number}/send-now").status_code == 200
    assert client.delete(f"/templates/{template['id']}").status_code == 204
    message = client.get(f"/campaigns/{number}").json()["message_id"]
    assert client.get(f"/messages/{message}").json()["subject"] == "Changed", "what started is frozen"


def test_it_is_shown_as_a_subscriber_would_see_it(client: Client, tenant_id: int) -> None:
    text = "{{ first_name }} of {{ city }} at {{ email }}, {{ plan }}"
    new = {"tenant_id": tenant_id, "name": "n", "subject": "s", "text": text}
    path = f"/templates/{client.post('/templates', json=new).json()['id']}/preview"
    person = {
        "tenant_id": tenant_id,
        "email": "bo@x.example",
        "first_name": "Bo",
        "attributes": {"city": "Graz"},
    }
    number = client.post("/subscribers", json=person).json()["id"]
    shown = client.post(path, json={"subscriber_id": number}).json()
    assert shown["text"] == "Bo of Graz at bo@x.example, "
    assert [warning.split()[0] for warning in shown["warnings"]] == ["`plan`"]
    given = {"subscriber_id": number, "variables": {"plan": "pro", "first_name": "Bob"}}
    assert client.post(path, json=given).json()["text"] == "Bob of Graz at bo@x.example, pro"
    assert client.post(path, json={"subscriber_id": 999}).status_code == 404


def test_a_campaign_lets_go_of_its_template(client: Client, template: dict[str, Any]) -> None:
    new = {"tenant_id": template["tenant_id"], "name": "n", "subject": "", "template_id": template["id"]}
    path = f"/campaigns/{client.post('/campaigns', json=new).json()['id']}"
    assert client.patch(path, json={"name": "m"}).json()["template_id"] == template["id"]
    without = client.patch(path, json={"template_id": None})
    assert (without.status_code, without.json()["errors"][0]["field"]) == (422, "subject")
    own = client.patch(path, json={"template_id": None, "subject": "Own", "body": "Hi"}).json()
    assert (own["template_id"], own["subject"]) == (None, "Own")
    assert client.delete(f"/templates/{template['id']}").status_code == 204


def test_another_tenants_templates_read_as_missing(
    client: Client, api: Callable[..., Client], courier: Courier, template: dict[str, Any]
) -> None:
    other = client.post("/tenants", json={"name": "Other", "contact_email": "o@o.example"}).json()["id"]
    theirs = api(access.create_key(courier.store, tenant_id=other)[1])
    for number in (template["id"], 0, 2**70):
        path = f"/templates/{number}"
        for method, where, body in (
            ("GET", path, None), ("PATCH", path, {"name": "x"}), ("DELETE", path, None),
            ("POST", f"{path}/preview", {}),
        ):  # fmt: skip
            assert theirs.request(method, where, json=body).status_code == 404, (method, where)
    assert theirs.get("/templates").json() == []
    used = {"name": "n", "subject": "s", "template_id": template["id"]}
    assert theirs.post("/campaigns", json=used).status_code == 422
