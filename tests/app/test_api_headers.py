"""Headers of every answer, ids in the log, compression."""

from __future__ import annotations

import gzip
import logging
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from litestar import Litestar
from litestar.testing import TestClient

from courierx_app.asgi import COMPRESSED_FROM_BYTES, create_app
from courierx_app.logs import ids_of
from courierx_app.settings import Configuration
from courierx_core.courier import Courier

Client = TestClient[Litestar]

ASKED = (
    ("GET", "/health", 200), ("GET", "/tenants", 200), ("GET", "/nothing", 404), ("PUT", "/tenants", 405),
    ("POST", "/tenants", 400), ("GET", "/docs", 200), ("GET", "/openapi.json", 200),
    ("DELETE", "/tenants/9", 404),
)  # fmt: skip


@pytest.mark.parametrize(("method", "path", "status"), ASKED)
def test_every_answer_tells_browsers_to_keep_their_hands_off(
    client: Client, method: str, path: str, status: int
) -> None:
    answer = client.request(method, path)
    assert answer.status_code == status
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] in ("no-store", "no-cache")
    assert answer.headers["x-request-id"]
    for name in set(answer.headers):
        assert len(answer.headers.get_list(name)) == 1, name


@pytest.mark.parametrize(
    ("url", "there"), [("https://mail.example.com", True), ("http://mail.example.com", False)]
)
def test_https_is_kept_where_the_public_address_has_it(
    courier: Courier, configuration: Configuration, url: str, there: bool
) -> None:
    settings = msgspec.structs.replace(configuration.settings, public_url=url)
    answer = TestClient(create_app(courier, settings)).get("/health")
    assert ("strict-transport-security" in answer.headers) is there


def test_what_is_logged_names_its_request(
    client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[object] = []

    def note(record: logging.LogRecord) -> bool:
        if record.name.startswith("courierx"):  # and not the client's own words about its request
            seen.append(ids_of(record)["request_id"])
        return True

    def logging_list(*args: object, **options: object) -> Any:
        logging.getLogger("courierx_core.tests").warning("in a thread")
        raise RuntimeError

    monkeypatch.setattr("courierx_app.api.tenants.page", logging_list)
    caplog.handler.addFilter(note)
    try:
        client.get("/tenants", headers={"X-Request-ID": "mine-1"})
    finally:
        caplog.handler.removeFilter(note)
    assert seen == ["mine-1", "mine-1"]
    assert ids_of(logging.makeLogRecord({})) == {}


@pytest.mark.parametrize("accepted", ["gzip", "identity"])
def test_long_answers_are_compressed_for_who_takes_it(client: Client, accepted: str) -> None:
    with client.stream("GET", "/openapi.json", headers={"Accept-Encoding": accepted}) as answer:
        raw = b"".join(answer.iter_raw())
    assert (answer.headers.get("content-encoding") == "gzip") is (accepted == "gzip")
    text = gzip.decompress(raw) if accepted == "gzip" else raw
    assert msgspec.json.decode(text)["openapi"]
    assert len(text) > COMPRESSED_FROM_BYTES
    if accepted == "gzip":
        assert answer.headers["vary"] == "Accept-Encoding"
        assert len(raw) < len(text) / 4


def test_short_answers_are_sent_as_they_are(client: Client) -> None:
    assert "content-encoding" not in client.get("/health", headers={"Accept-Encoding": "gzip"}).headers


def test_a_browser_may_read_what_it_needs(api: Callable[..., Client]) -> None:
    answer = api().get("/health", headers={"Origin": "http://localhost:3000"})
    exposed = answer.headers["access-control-expose-headers"]
    for name in ("Link", "X-Next-Cursor", "ETag", "Retry-After", "Idempotency-Replayed", "X-Request-ID"):
        assert name in exposed
    asked = api().options(
        "/tenants",
        headers={
            "Origin": "http://localhost:3000",
            "Access-Control-Request-Method": "PATCH",
            "Access-Control-Request-Headers": "authorization, idempotency-key, if-match",
        },
    )
    assert asked.status_code == 204
    assert "x-request-id" in asked.headers
