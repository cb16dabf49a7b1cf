"""Subscribers and suppressions over HTTP: the reference's contract."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from courierx_core.access import service as access
from courierx_core.courier import Courier

Client = TestClient[Litestar]


def add(client: Client, tenant_id: int, email: str, **more: Any) -> dict[str, Any]:
    answer = client.post("/subscribers/", json={"tenant_id": tenant_id, "email": email, **more})
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()
    return made


def test_a_subscriber_is_added_shown_changed_and_removed(client: Client, tenant_id: int) -> None:
    made = add(client, tenant_id, "Ann@X.example", first_name="Ann", attributes={"city": "Oslo", "n": 3})
    assert made["email"] == "ann@x.example"
    assert made["status"] == "active"
    path = f"/subscribers/{made['id']}"
    assert client.get(path).json() == made
    assert client.get(f"/subscribers/by-email/ANN@x.example?tenant_id={tenant_id}").json() == made
    changed = client.patch(path, json={"last_name": "Lee", "status": "unsubscribed"}).json()
    assert (changed["first_name"], changed["last_name"], changed["status"]) == ("Ann", "Lee", "unsubscribed")
    assert changed["attributes"] == {"city": "Oslo", "n": 3}
    assert client.delete(path).status_code == 204
    assert client.get(path).status_code == 404
    assert client.delete(path).status_code == 404


def test_an_address_is_taken_once_per_tenant(client: Client, tenant_id: int) -> None:
    add(client, tenant_id, "ann@x.example")
    answer = client.post("/subscribers", json={"tenant_id": tenant_id, "email": "ANN@X.example"})
    assert answer.status_code == 409
    assert "already exists" in answer.json()["detail"]


@pytest.mark.parametrize("email", ["Ann Lee <ann@x.example>", {"email": "ann@x.example", "name": "Ann Lee"}])
def test_addresses_are_taken_in_both_forms(client: Client, tenant_id: int, email: Any) -> None:
    assert add(client, tenant_id, email)["email"] == "ann@x.example"


def test_every_bad_field_of_a_subscriber_is_named(client: Client, tenant_id: int) -> None:
    body = {"tenant_id": tenant_id, "email": 5, "first_name": [], "attributes": "x"}
    answer = client.post("/subscribers", json=body)
    assert answer.status_code == 422
    assert [each["field"] for each in answer.json()["errors"]] == ["email", "first_name", "attributes"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", ""), ("email", "a@b.example\0"), ("email", "a\r\nBcc: b@x.example"), ("email", "x" * 300),
        ("first_name", "x" * 256), ("first_name", "a\0b"), ("last_name", "a\r\nb"), ("last_name", True),
        ("attributes", []), ("attributes", {"a\0b": 1}), ("attributes", {"a": [{"b": "c\0"}]}),
        ("attributes", {"a": "x" * 70_000}),
    ],
)  # fmt: skip
def test_a_bad_field_of_a_subscriber_is_a_422_with_a_sentence(
    client: Client, tenant_id: int, field: str, value: Any
) -> None:
    known = add(client, tenant_id, "known@x.example")
    answer = client.post("/subscribers", json={"tenant_id": tenant_id, "email": "a@b.example", field: value})
    assert answer.status_code == 422, answer.text
    (wrong,) = answer.json()["errors"]
    assert wrong["field"].partition(".")[0] == field
    if field != "email":
        assert client.patch(f"/subscribers/{known['id']}", json={field: value}).status_code == 422
    assert client.get(f"/subscribers?tenant_id={tenant_id}").json() == [known]


def test_odd_but_harmless_attributes_are_kept(client: Client, tenant_id: int) -> None:
    attributes = {"🙂": "🙂", "slash": "\\u0000", "big": 10**30, "deep": {"a": [None, True, 1.5]}, "": ""}
    made = add(client, tenant_id, "a@b.example", attributes=attributes)
    assert client.get(f"/subscribers/{made['id']}").json()["attributes"] == attributes


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'"x"', b"\xff\xfe", b'{"email":' * 5000, b'{"email": "\xff"}'], ids=repr
)
def test_a_body_that_is_no_json_object_is_a_400(client: Client, body: bytes) -> None:
    for path in ("/subscribers", "/suppression", "/lists", "/subscribers/bulk-import"):
        answer = client.post(path, content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == 400, (path, answer.text)


@pytest.mark.parametrize("q", ["\0", "x" * 255])
def test_a_text_nobody_can_hold_is_not_looked_for(client: Client, tenant_id: int, q: str) -> None:
    answer = client.get("/subscribers", params={"tenant_id": tenant_id, "q": q})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "q")


def test_an_unknown_tenant_is_a_404(client: Client) -> None:
    for path, body in (
        ("/subscribers", {"email": "a@b.example"}),
        ("/suppression", {"email": "a@b.example"}),
        ("/campaigns", {"name": "n", "subject": "s"}),
        ("/subscribers/bulk-import", {"csv_text": "email\na@b.example\n"}),
    ):
        assert client.post(path, json={"tenant_id": 999, **body}).status_code == 404, path


def test_a_platform_key_must_name_a_tenant(client: Client) -> None:
    answer = client.get("/subscribers")
    assert answer.status_code == 422
    assert [each["field"] for each in answer.json()["errors"]] == ["tenant_id"]


def test_subscribers_are_listed_newest_first_by_status(client: Client, tenant_id: int) -> None:
    ids = [add(client, tenant_id, f"p{number}@x.example")["id"] for number in range(3)]
    client.patch(f"/subscribers/{ids[1]}", json={"status": "bounced"})
    listed = client.get(f"/subscribers/?tenant_id={tenant_id}").json()
    assert [each["id"] for each in listed] == ids[::-1]
    active = client.get(f"/subscribers/?tenant_id={tenant_id}&status=active").json()
    assert [each["id"] for each in active] == [ids[2], ids[0]]
    assert client.get(f"/subscribers/?tenant_id={tenant_id}&status=happy").status_code == 422


CSV = (
    "email,first_name,city\nann@x.example,Ann,Oslo\nnowhere,Bob,\nann@x.example,Twice,\nc@x.example,Cy,Rome\n"
)


def imports(client: Client, form: str, tenant_id: int, csv: str, on_conflict: str = "skip") -> Any:
    path = "/subscribers/bulk-import"
    if form == "json":
        return client.post(path, json={"tenant_id": tenant_id, "csv_text": csv, "on_conflict": on_conflict})
    query = {"tenant_id": tenant_id, "on_conflict": on_conflict}
    if form == "csv":
        return client.post(path, params=query, content=csv.encode(), headers={"Content-Type": "text/csv"})
    data = {"tenant_id": str(tenant_id), "on_conflict": on_conflict}
    return client.post(path, data=data, files={"file": ("people.csv", csv.encode(), "text/csv")})


@pytest.mark.parametrize("form", ["json", "csv", "multipart"])
def test_a_csv_is_imported_whatever_it_comes_in(client: Client, tenant_id: int, form: str) -> None:
    answer = imports(client, form, tenant_id, CSV)
    assert answer.status_code == 200, answer.text
    report = answer.json()
    assert (report["imported"], report["skipped"], report["updated"]) == (2, 1, 0)
    assert [(each["line"], each["email"]) for each in report["errors"]] == [(3, "nowhere")]
    again = imports(client, form, tenant_id, CSV.replace("Oslo", "Bergen"), "update").json()
    assert again["updated"] == 2
    ann = client.get(f"/subscribers/by-email/ann@x.example?tenant_id={tenant_id}").json()
    assert ann["attributes"] == {"city": "Bergen"}


@pytest.mark.parametrize("form", ["json", "csv", "multipart"])
def test_a_csv_without_an_address_column_is_a_400(client: Client, tenant_id: int, form: str) -> None:
    answer = imports(client, form, tenant_id, "name,city\nAnn,Oslo\n")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["code"] == "no_email_column"


def test_a_multipart_form_without_a_file_is_a_400(client: Client, tenant_id: int) -> None:
    answer = client.post("/subscribers/bulk-import", files={"tenant_id": (None, str(tenant_id))})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "file"


def test_a_domain_is_suppressed_and_its_people_get_nothing(client: Client, tenant_id: int) -> None:
    made = client.post("/suppression", json={"tenant_id": tenant_id, "email": "*@Closed.example"})
    assert (made.status_code, made.json()["email"]) == (201, "@closed.example")
    assert client.post("/suppression", json={"tenant_id": tenant_id, "email": "@"}).status_code == 422
    listed = client.get("/suppression", params={"tenant_id": tenant_id, "email": "@closed.example"}).json()
    assert [each["id"] for each in listed] == [made.json()["id"]]
    assert client.delete(f"/suppression/{made.json()['id']}").status_code == 204


def test_an_address_is_suppressed_listed_and_let_go(client: Client, tenant_id: int) -> None:
    body = {"tenant_id": tenant_id, "email": "Bob@X.example", "reason": "Spam complaint by phone"}
    answer = client.post("/suppression/", json=body)
    assert answer.status_code == 201
    made = answer.json()
    assert (made["email"], made["reason"], made["cause"]) == (
        "bob@x.example",
        "Spam complaint by phone",
        "complaint",
    )
    assert client.post("/suppression", json={**body, "email": "BOB@x.example"}).status_code == 409
    assert client.get(f"/suppression/?tenant_id={tenant_id}").json() == [made]
    assert client.get(f"/suppression?tenant_id={tenant_id}&email=bob@X.example").json() == [made]
    assert client.get(f"/suppression?tenant_id={tenant_id}&email=ann@X.example").json() == []
    assert client.delete(f"/suppression/{made['id']}").status_code == 204
    assert client.get(f"/suppression?tenant_id={tenant_id}").json() == []
    assert client.delete(f"/suppression/{made['id']}").status_code == 404


def test_a_reason_has_255_characters_at_most(client: Client, tenant_id: int) -> None:
    body = {"tenant_id": tenant_id, "email": "nowhere", "reason": "x" * 256}
    errors = client.post("/suppression", json=body).json()["errors"]
    assert {each["field"] for each in errors} >= {"email"}
    fine = client.post("/suppression", json={**body, "email": "a@b.example", "reason": "x" * 255})
    assert fine.status_code == 201
    longer = client.post("/suppression", json={**body, "email": "c@b.example"})
    assert [each["code"] for each in longer.json()["errors"]] == ["too_long"]


def test_another_tenants_people_read_as_missing(
    client: Client, api: Callable[..., Client], courier: Courier, tenant_id: int
) -> None:
    person = add(client, tenant_id, "canary@x.example")
    body = {"tenant_id": tenant_id, "email": "canary2@x.example"}
    suppressed = client.post("/suppression", json=body).json()
    other = client.post("/tenants", json={"name": "Other", "contact_email": "o@o.example"}).json()["id"]
    tenant = api(access.create_key(courier.store, tenant_id=other)[1])
    for method, path in (
        ("GET", f"/subscribers/{person['id']}"),
        ("PATCH", f"/subscribers/{person['id']}"),
        ("DELETE", f"/subscribers/{person['id']}"),
        ("DELETE", f"/suppression/{suppressed['id']}"),
        ("GET", f"/subscribers?tenant_id={tenant_id}"),
        ("GET", f"/suppression?tenant_id={tenant_id}"),
        ("GET", "/subscribers/by-email/canary@x.example"),
    ):
        answer = tenant.request(method, path, json={} if method == "PATCH" else None)
        assert answer.status_code == 404, (method, path, answer.text)
    assert tenant.get("/subscribers").json() == []
    assert client.get(f"/subscribers/{person['id']}").json() == person
    assert client.get(f"/suppression?tenant_id={tenant_id}").json() == [suppressed]
