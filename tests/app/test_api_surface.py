"""What every answer has in common: health, problems, request ids, CORS, the description of the API."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar import Litestar
from litestar.testing import TestClient

from courierx_app.api.body import read_body
from courierx_app.api.docs import described
from courierx_app.api.examples import allows
from courierx_core.courier import Courier
from courierx_core.errors import InvalidInput, StoreError

Client = TestClient[Litestar]


@pytest.mark.parametrize("path", ["/health", "/health/", "/health/live"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_health_needs_no_key(api: Callable[..., Client], path: str, method: str) -> None:
    answer = api().request(method, path)
    assert answer.status_code == 200
    assert answer.text == ('{"status":"ok"}' if method == "GET" else "")


def test_ready_names_store_queue_and_transports(api: Callable[..., Client]) -> None:
    answer = api().get("/health/ready")
    assert answer.status_code == 200
    parts = {"store": "ok", "adoption": "ok", "queue": "ok", "transports": {"mock": "ok"}, "plugins": {}}
    assert answer.json() == {"status": "ok", **parts}


def test_without_the_store_it_is_not_ready(
    api: Callable[..., Client], courier: Courier, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(self: object) -> str:
        raise StoreError("the disk is gone")

    monkeypatch.setattr(type(courier.store), "revision", away)
    answer = api().get("/health/ready")
    assert answer.status_code == 503
    assert answer.json()["store"] == "away"


def test_an_outage_of_the_store_is_a_503_that_says_when_to_ask_again(
    client: Client, courier: Courier, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(self: object, *, write: bool) -> object:
        raise StoreError("The database is locked; try again.")

    monkeypatch.setattr(type(courier.store), "platform", away)
    answer = client.get("/tenants")
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "5"
    assert answer.json()["code"] == "store_unavailable"


def test_a_bug_is_a_500_that_tells_nothing(
    client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*args: object, **options: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr("courierx_app.api.tenants.tenants.create", broken)
    answer = client.post("/tenants", json={"name": "n", "contact_email": "a@b.example"})
    assert answer.status_code == 500
    assert answer.json()["code"] == "internal_error"
    assert "secret detail" not in answer.text
    assert "secret detail" in caplog.text
    named = {getattr(record, "request_id", "") for record in caplog.records}
    assert answer.json()["request_id"] in named


def test_every_answer_carries_a_request_id(client: Client) -> None:
    for path in ("/health", "/tenants", "/nothing"):
        assert re.fullmatch(r"[0-9a-f]{24}", client.get(path).headers["x-request-id"]), path
    given = client.get("/nothing", headers={"X-Request-ID": "mine-1"})
    assert given.headers["x-request-id"] == given.json()["request_id"] == "mine-1"
    refused = client.get("/health", headers={"X-Request-ID": "a b\tc"})
    assert refused.headers["x-request-id"] != "a b\tc"


def test_problems_of_the_framework_are_problem_details_too(client: Client) -> None:
    for method, path, status, code in (
        ("GET", "/nothing", 404, "not_found"),
        ("PUT", "/tenants", 405, "method_not_allowed"),
        ("GET", "/tenants/abc", 404, "not_found"),
    ):
        answer = client.request(method, path)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert answer.headers["content-type"] == "application/problem+json"
        assert set(answer.json()) == {"type", "title", "status", "code", "detail", "request_id", "errors"}


def test_a_body_that_is_too_large_is_a_413(client: Client) -> None:
    answer = client.post("/tenants", content=b'{"name": "' + b"x" * 10_000_001 + b'"}')
    assert answer.status_code == 413
    assert answer.json()["code"] == "too_large"


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_a_body_of_another_kind_is_a_415_that_names_the_right_one(client: Client, kind: str) -> None:
    answer = client.post("/tenants", content=b'{"name": "n"}', headers={"Content-Type": kind})
    assert answer.status_code == 415
    assert answer.json()["code"] == "unsupported_media_type"
    assert "application/json" in answer.json()["detail"]


def test_cors_answers_the_named_origins_only(client: Client) -> None:
    ours = client.get("/health", headers={"Origin": "http://localhost:3000"})
    assert ours.headers["access-control-allow-origin"] == "http://localhost:3000"
    theirs = client.get("/health", headers={"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in theirs.headers


def test_the_api_is_described_without_a_key(api: Callable[..., Client]) -> None:
    client = api()
    document = client.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    assert {"/tenants", "/campaigns/{campaign_id}/send-now", "/subscribers/bulk-import"} <= set(
        document["paths"]
    )
    body = document["paths"]["/tenants"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    name = body["$ref"].rpartition("/")[2]
    assert document["components"]["schemas"][name]["required"] == ["contact_email", "name"]
    problem = document["paths"]["/tenants"]["post"]["responses"]["4XX"]["content"]["application/problem+json"]
    assert problem["schema"]["$ref"].rpartition("/")[2] in document["components"]["schemas"]
    assert {"201", "400", "401", "403", "409", "413", "422", "429"} <= set(
        document["paths"]["/tenants"]["post"]["responses"]
    )


def test_everything_is_described_with_an_example_that_holds(api: Callable[..., Client]) -> None:
    """Every request, every answer and every refusal of every operation."""
    document = api().get("/openapi.json").json()
    schemas, seen, problems = document["components"]["schemas"], 0, 0
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            described = [operation.get("requestBody", {}), *operation["responses"].values()]
            for content in (each for found in described for each in found.get("content", {}).values()):
                assert allows(content["schema"], content["example"], schemas), (method, path, content)
                seen += 1
            for status, answer in operation["responses"].items():
                if status.startswith("4") and status != "4XX":
                    problem = answer["content"]["application/problem+json"]["example"]
                    assert problem["status"] == int(status)
                    problems += 1
    assert seen > 200
    assert problems > 100


@pytest.mark.parametrize(
    ("schema", "value", "holds"),
    [
        ({"type": "integer"}, True, False), ({"type": "integer"}, 1, True), ({"type": "number"}, 1.5, True),
        ({"type": "string"}, None, False), ({"oneOf": [{"type": "string"}, {"type": "null"}]}, None, True),
        ({"enum": ["a"]}, "b", False), ({"type": "array", "items": {"type": "string"}}, ["a", 1], False),
        ({"type": "object", "required": ["a"]}, {}, False), ({"$ref": "#/x/Known"}, {"a": 1}, False),
        ({"type": "object", "additionalProperties": {"type": "integer"}}, {"a": "x"}, False), ({}, 5, True),
    ],
)  # fmt: skip
def test_an_example_can_fail(schema: dict[str, Any], value: object, holds: bool) -> None:
    known = {"Known": {"type": "object", "properties": {"a": {"type": "string"}}}}
    assert allows(schema, value, known) is holds


def test_the_docs_ask_no_outside_host(api: Callable[..., Client]) -> None:
    client = api()
    page = client.get("/docs")
    assert page.status_code == 200
    for asset in re.findall(r'(?:src|href)="([^"]+)"', page.text):
        assert asset.startswith("/"), asset
        assert client.get(asset).status_code == 200, asset
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "http" not in client.get("/docs/docs.js").text
    assert client.get("/redoc", follow_redirects=False).headers["location"] == "/docs"


def test_only_the_public_routes_answer_without_a_key(api: Callable[..., Client]) -> None:
    client = api()
    document = client.get("/openapi.json").json()
    asked = 0
    for path, methods in document["paths"].items():
        for method in methods.keys() & {"get", "post", "patch", "delete"}:
            answer = client.request(method, re.sub(r"{[^}]*}", "1", path))
            public = path.startswith("/health") or path == "/events/{transport}"
            assert (answer.status_code == 401) is not public, (method, path, answer.status_code)
            asked += 1
    assert asked > 20


STEPS = {
    "cancel", "cancel-schedule", "pause", "resume", "schedule", "count", "preview", "check", "verify",
    "erase",
}  # fmt: skip
"""Last words of routes that make nothing: done twice it leaves what once leaves, or says that it is done."""
WITHOUT = {"/events/{transport}", "/domains/request-verification"}
"""Events are known again by what they say; a domain that is there is made no second time."""


def test_every_post_that_makes_something_takes_a_key(client: Client) -> None:
    without = {
        path
        for path, methods in described(client.app)["paths"].items()
        if "post" in methods
        and "Idempotency-Key" not in {each["name"] for each in methods["post"].get("parameters", ())}
    }
    assert {path for path in without if path.rpartition("/")[2] not in STEPS} == WITHOUT


def test_whatever_can_be_read_and_changed_takes_an_entity_tag(client: Client) -> None:
    seen = 0
    for path, methods in described(client.app)["paths"].items():
        for method in methods.keys() & {"patch", "put", "delete"} if "get" in methods else ():
            if path.endswith("}"):
                operation = methods[method]
                assert "If-Match" in {each["name"] for each in operation["parameters"]}, (method, path)
                assert "412" in operation["responses"], (method, path)
                seen += 1
    assert seen >= 12


# --- bodies


class Inner(msgspec.Struct, frozen=True):
    size: int
    word: str = ""


class Outer(msgspec.Struct, frozen=True):
    name: str
    inner: Inner
    many: tuple[Inner, ...] = ()
    numbers: list[int] = []
    maybe: int | None = None
    both: str | Inner = ""


def fields(raw: object) -> list[str]:
    with pytest.raises(InvalidInput) as caught:
        read_body(Outer, msgspec.json.encode(raw))
    return [problem.field for problem in caught.value.problems]


def test_paths_of_nested_fields_are_told() -> None:
    assert fields(
        {"inner": {"word": 5}, "many": [{"size": 1}, {"size": "x", "word": []}, 3], "numbers": [1, "y"]}
    ) == [
        "name",
        "inner.size",
        "inner.word",
        "many[1].size",
        "many[1].word",
        "many[2]",
        "numbers[1]",
    ]
    assert fields({"name": "n", "inner": {"size": 1}, "both": {"size": "x"}}) == ["both.size"]


def test_every_field_that_is_none_is_told() -> None:
    raw = {"nmae": "n", "inner": {"size": 1, "sort": 2}, "many": [{"size": "x", "a\0b": 1}], "both": "\0"}
    assert fields(raw) == ["nmae", "name", "inner.sort", "many[0].a\0b", "many[0].size", "both"]


def test_null_is_left_out_where_a_field_has_a_default() -> None:
    raw = b'{"name": "n", "inner": {"size": 4, "word": null}, "maybe": null}'
    assert read_body(Outer, raw) == Outer("n", Inner(4))


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    with pytest.raises(InvalidInput):
        read_body(Outer, raw)


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(Outer.__struct_fields__, json_values)))
def test_any_object_is_read_or_every_problem_has_a_field(raw: dict[str, Any]) -> None:
    try:
        made = read_body(Outer, msgspec.json.encode(raw))
    except InvalidInput as refused:
        roots = {re.split(r"[.\[]", problem.field)[0] for problem in refused.problems}
        assert roots <= set(Outer.__struct_fields__)
    else:
        assert isinstance(made.inner, Inner)
