"""Bad input to every route: a status, a sentence and the field's name, never a 500, and nothing half done."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec
import pytest
from litestar import Litestar
from litestar.testing import TestClient

from courierx_app.api.docs import described
from courierx_core.courier import Courier

Client = TestClient[Litestar]
Json = dict[str, Any]

UPLOADS = "bulk-import"
"""Routes that take a file in several forms; `test_api_people` and `test_api_imports` are theirs."""
TYPES = {"string": 5, "integer": "x", "boolean": "perhaps", "array": 7, "object": [1]}
"""Of each type of a field a value that is none."""
NO_OBJECT = (
    b"", b"{", b"[]", b"5", b'"text"', b'{"name": "\xff\xfe"}', b"[" * 100_000, b"\xef\xbb\xbf{}",
)  # fmt: skip
HOSTILE = {
    "NUL": "a\0b", "CRLF": "a\r\nBcc: all@x.example", "emoji": "👩‍👩‍👧‍👦", "long": "x" * 100_000,
    "separator": "a\u2028b", "surrogate": "\\ud800", "nothing": "",
}  # fmt: skip


class Route(NamedTuple):
    method: str
    path: str
    operation: Json
    schemas: Json

    @property
    def body(self) -> Json | None:
        content: Json = self.operation.get("requestBody", {}).get("content", {}).get("application/json", {})
        return content or None

    @property
    def fields(self) -> Json:
        assert self.body is not None
        return dict(resolve(self.body["schema"], self.schemas).get("properties", {}))

    def at(self, object_id: object = 1) -> str:
        return re.sub(r"{[^}]*}", str(object_id), self.path)

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def resolve(schema: Json, schemas: Json) -> Json:
    if isinstance(schema.get("type"), list):
        return {**schema, "type": next(each for each in schema["type"] if each != "null")}
    for each in schema.get("oneOf", ()):
        if each.get("type") != "null":
            return resolve(each, schemas)
    name = schema.get("$ref", "").rpartition("/")[2]
    return resolve(schemas[name], schemas) if name else schema


def routes(client: Client, *methods: str) -> list[Route]:
    document = msgspec.json.decode(msgspec.json.encode(described(client.app)))
    schemas = document["components"]["schemas"]
    found = [
        Route(method.upper(), path, operation, schemas)
        for path, each in document["paths"].items()
        for method, operation in each.items()
        if method in methods
    ]
    assert found
    return found


def writing(client: Client) -> list[Route]:
    found = [each for each in routes(client, "post", "patch", "put") if each.body]
    return [each for each in found if UPLOADS not in each.path and each.path != "/events/{transport}"]


def refused(answer: Any, what: object, *statuses: int) -> Json:
    assert answer.status_code in statuses, (what, answer.status_code, answer.text[:500])
    told: Json = answer.json()
    assert answer.headers["content-type"] == "application/problem+json", what
    assert told["detail"], what
    return told


@pytest.fixture
def rows(courier: Courier, client: Client, tenant_id: int) -> Iterator[None]:
    """There is something of each kind; after the test there is no more and no less."""
    for path, body in (
        ("/subscribers", {"email": "ann@x.example"}), ("/lists", {"name": "news"}),
        ("/templates", {"name": "t", "subject": "s", "text": "t"}),
        ("/campaigns", {"name": "c", "subject": "s", "text": "t"}),
    ):  # fmt: skip
        assert client.post(path, json={**body, "tenant_id": tenant_id}).status_code in (200, 201)
    before = counted(courier)
    yield
    assert counted(courier) == before


def counted(courier: Courier) -> dict[str, int]:
    with courier.store.engine.connect() as connection:  # type: ignore[attr-defined]
        tables = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table'")
        names = [name for (name,) in tables if name not in ("counters", "workers", "installation")]
        return {
            name: connection.exec_driver_sql(f"SELECT count(*) FROM {name}").scalar_one() for name in names
        }


@pytest.mark.usefixtures("rows")
def test_a_body_that_is_no_json_object_is_a_400_or_a_415(client: Client) -> None:
    json = {"Content-Type": "application/json"}
    for route in writing(client):
        for raw in NO_OBJECT[0 if route.operation["requestBody"].get("required") else 1 :]:
            answer = client.request(route.method, route.at(), content=raw, headers=json)
            told = refused(answer, (route, raw[:9]), 400)
            assert told["code"] == "malformed_body", (route, raw[:9])
        other = client.request(
            route.method, route.at(), content=b"a=b", headers={"Content-Type": "text/plain"}
        )
        assert refused(other, route, 415)["code"] == "unsupported_media_type"


@pytest.mark.usefixtures("rows")
def test_all_that_is_wrong_in_a_body_is_named_at_once(client: Client) -> None:
    for route in writing(client):
        kinds = {name: resolve(schema, route.schemas).get("type") for name, schema in route.fields.items()}
        wrong = {name: TYPES[kind] for name, kind in kinds.items() if kind in TYPES}
        body = {**wrong, "nonsense": 1}
        told = refused(client.request(route.method, route.at(), json=body), route, 422)
        named = {re.split(r"[.\[]", each["field"])[0] for each in told["errors"]}
        assert named >= set(body), (route, set(body) - named)
        assert all(each["message"] for each in told["errors"])


@pytest.mark.usefixtures("tenant_id")
def test_a_hostile_text_in_any_field_is_taken_or_refused(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("courierx_app.api.send_test.WAIT_SECONDS", 0)  # nothing sends here
    for route in writing(client):
        assert route.body is not None
        for name, schema in route.fields.items():
            if resolve(schema, route.schemas).get("type") not in ("string", None):
                continue
            for kind, text in HOSTILE.items():
                body = msgspec.json.encode({**route.body["example"], name: "@@"})
                raw = body.replace(
                    b'"@@"', b'"\\ud800"' if kind == "surrogate" else msgspec.json.encode(text)
                )
                answer = client.request(
                    route.method, route.at(), content=raw, headers={"Content-Type": "application/json"}
                )
                assert answer.status_code < 500, (str(route), name, kind, answer.text[:300])
                if kind == "NUL":
                    assert answer.status_code in (400, 404, 409, 422), (str(route), name)


@pytest.mark.usefixtures("rows")
@pytest.mark.parametrize(
    "number", ["-1", "0", "9223372036854775808", "1" * 40, "abc", "1.5", "%00", "' or 1=1"]
)
def test_an_id_that_is_nobodys_is_a_404(client: Client, number: str) -> None:
    for route in routes(client, "get", "post", "patch", "delete"):
        if "_id}" in route.path:
            body = route.body["example"] if route.body and UPLOADS not in route.path else None
            answer = client.request(route.method, route.at(number), json=body)
            refused(answer, (route, number), 404, 405, 422)


@pytest.mark.usefixtures("rows")
@pytest.mark.parametrize("cursor", ["abc", "-1", "0", "1" * 40, "eyJpZCI6MX0=", "1.5", ""])
def test_a_cursor_from_elsewhere_is_a_400(client: Client, cursor: str) -> None:
    seen = 0
    for route in routes(client, "get"):
        if any(each["name"] == "cursor" for each in route.operation.get("parameters", ())):
            answer = client.get(route.at(), params={"cursor": cursor, "tenant_id": 1})
            told = refused(answer, route, 400)
            assert told["code"] == "invalid_cursor", route
            assert "X-Next-Cursor" in told["detail"]
            seen += 1
    assert seen >= 10


@pytest.mark.parametrize(
    ("path", "wrong", "field"),
    [("/messages", {"variables": 5}, "variables"), ("/campaigns", {"track_opens": 5}, "track_opens")],
)
def test_a_bad_header_is_named_beside_what_is_no_such_body(
    client: Client, path: str, wrong: Json, field: str
) -> None:
    headers = {"X-Fine": "1", "Bcc": "q@x.example", "X-Two": "a\r\nb", "X-Number": 5}
    told = client.post(path, json={"headers": headers, **wrong}).json()["errors"]
    found = {each["field"] for each in told}
    assert {field, "headers.X-Number"} <= found
    headers.pop("X-Number")
    told = client.post(path, json={"headers": headers, **wrong}).json()["errors"]
    assert {field, "headers[1]", "headers[2]"} <= {each["field"] for each in told}


@pytest.mark.usefixtures("rows")
def test_a_cursor_is_good_for_its_own_list_and_filters(client: Client) -> None:
    cursors = {}
    for route in routes(client, "get"):
        if any(each["name"] == "cursor" for each in route.operation.get("parameters", ())):
            answer = client.get(route.at(1), params={"limit": 1, "tenant_id": 1})
            if cursor := answer.headers.get("x-next-cursor"):
                cursors[route.at(1)] = cursor
    assert len(cursors) >= 6
    assert len(set(cursors.values())) == len(cursors)
    elsewhere = [*cursors.values()][1:] + [*cursors.values()][:1]
    for (path, cursor), other in zip(cursors.items(), elsewhere, strict=True):
        ours = {"limit": 50, "tenant_id": 1, "cursor": cursor}
        assert client.get(path, params=ours).status_code == 200, path
        for wrong in (ours | {"cursor": other}, ours | {"q": "x"}, ours | {"status": "active"}):
            told = refused(client.get(path, params=wrong), path, 400)
            assert (told["code"], told["errors"][0]["field"]) == ("invalid_cursor", "cursor"), path
