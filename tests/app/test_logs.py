"""What a process logs: ids of what a line is about, and no key, password, body or person (S18)."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar import Litestar
from litestar.testing import TestClient

from courierx_app.logs import JsonLines, TextLines, configure, ours_or_wrong
from courierx_app.redaction import redacted
from courierx_app.sending import HiredWorker
from courierx_app.settings import Settings, read
from courierx_core.access import service as access
from courierx_core.courier import Courier
from courierx_core.log_ids import about
from courierx_core.testing import Rule, SmtpServer

Client = TestClient[Litestar]

PASSWORD = "canary-password"
BODY = "canary-body"
PERSON = "canary.person"
"""The part of an address that names somebody."""
REFUSED = f"550 5.1.1 <{PERSON}@x.example>: no such user"


@pytest.fixture
def server() -> Iterator[SmtpServer]:
    with SmtpServer(rules=[Rule(stage="rcpt", action=REFUSED, recipient=f"{PERSON}@*")]) as running:
        yield running


@pytest.fixture
def environ(environ: dict[str, str], server: SmtpServer) -> dict[str, str]:
    return {**environ, "COURIERX_TRANSPORT": "smtp", "SMTP_URL": server.url}


@pytest.fixture
def logged() -> Iterator[Callable[[], list[str]]]:
    """Everything that is logged, down to DEBUG, as both forms would write it."""
    streams = io.StringIO(), io.StringIO()
    root, before = logging.getLogger(), logging.getLogger().level
    handlers = [logging.StreamHandler(stream) for stream in streams]
    for handler, formatter in zip(handlers, (TextLines(), JsonLines()), strict=True):
        handler.addFilter(ours_or_wrong)
        handler.setFormatter(formatter)
        root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield lambda: [stream.getvalue() for stream in streams]
    root.setLevel(before)
    for handler in handlers:
        root.removeHandler(handler)


def test_an_api_and_a_worker_log_ids_and_nothing_that_is_secret(
    client: Client,
    api: Callable[..., Client],
    courier: Courier,
    tenant_id: int,
    platform_key: str,
    logged: Callable[[], list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    key, text = access.create_key(courier.store, tenant_id=tenant_id)
    tenant = api(text)
    message = {
        "from": "Acme <news@acme.example>",
        "to": [f"{PERSON}@x.example", "bob@x.example"],
        "subject": BODY,
        "text": f"{BODY} {{{{ first_name }}}}",
    }
    with HiredWorker(courier, "test"):
        sent = tenant.post("/messages", json=message).json()
        path = f"/messages/{sent['id']}"
        while {each["status"] for each in tenant.get(path).json()["deliveries"]} & {"queued"}:
            pass
    tenant.get(f"/subscribers/by-email/{PERSON}@x.example")
    api(text + "x").get("/me")

    def fails(*args: object, **options: object) -> Any:
        raise RuntimeError(
            f"Key (email)=({PERSON}@x.example) exists; {text}; postgresql://courierx:{PASSWORD}@db/courierx; "
            f"Authorization: Bearer {platform_key}"
        )

    monkeypatch.setattr("courierx_app.api.lists.page", fails)
    assert tenant.get("/lists", headers={"X-Request-ID": "r-1"}).status_code == 500
    as_text, as_json = logged()
    for written in (as_text, as_json):
        for canary in (PASSWORD, BODY, PERSON, text.split("_", 2)[2], platform_key.split("_", 2)[2]):
            assert canary not in written
    lines = [msgspec.json.decode(line) for line in as_json.splitlines()]
    ended = {line["delivery_id"]: line for line in lines if "delivery_id" in line}
    assert sorted(ended) == sorted(each["id"] for each in sent["deliveries"])
    refused, accepted = (ended[each["id"]] for each in sent["deliveries"])
    assert (refused["message"], accepted["message"]) == ("bounced 5.1.1", "accepted ")
    assert (accepted["tenant_id"], accepted["message_id"]) == (tenant_id, sent["id"])
    assert accepted["transport"] == "smtp"
    (failed,) = [line for line in lines if line.get("request_id") == "r-1"]
    assert (failed["level"], failed["tenant_id"], failed["key_id"]) == ("ERROR", tenant_id, key.id)
    assert "RuntimeError" in failed["error"]
    assert f"request_id=r-1 tenant_id={tenant_id} key_id={key.id}]" in as_text


@given(
    local=st.from_regex(r"[a-z][a-z0-9.!#$&'+?^_`{|}~-]{1,63}", fullmatch=True), around=st.text(max_size=9)
)
def test_no_address_stays_whole(local: str, around: str) -> None:
    assert f"{local}@x.example" not in redacted(f"{around} {local}@x.example {around}")


def test_ids_are_bound_inside_out_and_let_go() -> None:
    record = logging.makeLogRecord({"msg": "hello", "levelname": "INFO", "name": "courierx_x"})
    with about(tenant_id=7), about(message_id=8):
        assert msgspec.json.decode(JsonLines().format(record))["message_id"] == 8
        assert "courierx_x [tenant_id=7 message_id=8]: hello" in TextLines().format(record)
    assert "tenant_id" not in JsonLines().format(record)


def test_the_form_and_the_level_are_settings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    settings = read(tmp_path, {"COURIERX_LOG_FORMAT": "json", "COURIERX_LOG_LEVEL": "INFO"}).settings
    assert (Settings().log_format, Settings().log_level) == ("text", "INFO")
    try:
        root.handlers = []
        configure(settings)
        for name in ("courierx.worker", "courierx_of_a_plugin", "somebody.else"):
            logging.getLogger(name).info("from %s", name)
            logging.getLogger(name).debug("not this")
    finally:
        root.handlers, root.level = before, level
    said = [msgspec.json.decode(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["message"] for line in said] == ["from courierx.worker", "from courierx_of_a_plugin"]
