"""Suppressions from files, whatever they look like, and for a while only."""

from __future__ import annotations

import io
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar import Litestar
from litestar.testing import TestClient

from courierx_core.courier import Courier
from courierx_core.errors import InvalidInput
from courierx_core.imports.model import BadLine
from courierx_core.suppression.csvfile import SuppressionFile
from courierx_core.suppression.model import Suppression
from tests.app.test_api_imports import ASYNC, turns

Client = TestClient[Litestar]
PATH = "/suppression/bulk-import"
NOON = datetime(2999, 1, 31, 12, tzinfo=timezone.utc)


def read(text: str, reason: str = "asked") -> list[Suppression | BadLine]:
    return list(SuppressionFile(io.BytesIO(text.encode()), 1, reason))


def addresses(rows: list[Suppression | BadLine]) -> list[str]:
    return [row.address for row in rows if isinstance(row, Suppression)]


@pytest.mark.parametrize("head", ["", "email\n", "Reason;E-Mail\n", "who\n"])
def test_addresses_are_found_with_and_without_a_header(head: str) -> None:
    before = "x;" if ";" in head else ""
    rows = read(f"{head}{before}A@x.example\n\n{before}*@Closed.example\n{before}nowhere\n")
    assert addresses(rows) == ["a@x.example", "@closed.example"]
    (bad,) = (row for row in rows if isinstance(row, BadLine))
    assert (bad.line, bad.email) == (4 + bool(head), "nowhere")


def test_a_line_may_say_why_and_until_when() -> None:
    text = (
        "email,reason,cause,expires_at\n"
        "a@x.example,,,\n"
        "b@x.example,hard bounce 5.1.1,,\n"
        f"c@x.example,he said no,complaint,{NOON.isoformat()}\n"
        "d@x.example,,whim,\n"
        "e@x.example,,,tomorrow\n"
    )
    rows = read(text)
    known = [row for row in rows if isinstance(row, Suppression)]
    assert [(each.reason, each.cause, each.expires_at) for each in known] == [
        ("asked", "manual", None),
        ("hard bounce 5.1.1", "hard_bounce", None),
        ("he said no", "complaint", NOON),
    ]
    assert [row.line for row in rows if isinstance(row, BadLine)] == [5, 6]


@given(st.text(max_size=60), st.integers(0, 5))
def test_any_text_goes_on_from_any_place(text: str, taken: int) -> None:
    data = text.encode("utf-8", "replace")
    try:
        file = SuppressionFile(io.BytesIO(data), 1)
    except InvalidInput:
        return
    rows = iter(file)
    for _ in range(taken):
        next(rows, None)
    if taken:
        assert list(SuppressionFile(io.BytesIO(data), 1, place=file.place)) == list(rows)


def test_a_file_is_taken_in_at_once_or_by_a_worker(client: Client, courier: Courier, tenant_id: int) -> None:
    for way, status in (({}, 200), (ASYNC, 202)):
        file = {"file": ("stop.txt", "a@x.example\nnowhere\n*@closed.example\n")}
        data = {"tenant_id": tenant_id, "reason": "complained on the phone"}
        answer = client.post(PATH, data=data, files=file, headers=way)
        assert answer.status_code == status, answer.text
        if status == 202:
            list(turns(courier))
            answer = client.get(f"/imports/{answer.json()['id']}")
            assert answer.json()["kind"] == "suppression"
        told = answer.json()
        assert (told["imported"], told["skipped"], told["bad"]) == ((2, 0, 1) if status == 200 else (0, 2, 1))
    listed = client.get("/suppression", params={"tenant_id": tenant_id}).json()
    assert {each["email"] for each in listed} == {"a@x.example", "@closed.example"}
    assert {each["cause"] for each in listed} == {"complaint"}


def test_the_references_form_of_it(client: Client, tenant_id: int) -> None:
    body = {"tenant_id": tenant_id, "csv_text": "email,reason\na@x.example,bounced\n"}
    told = client.post(PATH, json=body).json()
    assert {name: told[name] for name in ("imported", "skipped", "updated", "errors")} == {
        "imported": 1, "skipped": 0, "updated": 0, "errors": [],
    }  # fmt: skip


def test_a_reason_has_an_end(client: Client, tenant_id: int) -> None:
    asked = {"tenant_id": tenant_id, "csv_text": "a@x.example\n", "reason": "x" * 256}
    for headers in ({}, ASYNC):
        answer = client.post(PATH, json=asked, headers=headers)
        assert answer.status_code in (400, 422)
        assert [each["field"] for each in answer.json()["errors"]] == ["reason"]


def test_what_was_taken_out_comes_in_again(client: Client, tenant_id: int) -> None:
    body: dict[str, Any] = {"tenant_id": tenant_id, "email": "a@x.example", "reason": "spam"}
    made = client.post("/suppression", json={**body, "expires_at": NOON.isoformat()}).json()
    assert made["expires_at"] == "2999-01-31T12:00:00Z"
    text = client.get("/exports/suppression", params={"tenant_id": tenant_id}).text
    client.delete(f"/suppression/{made['id']}")
    assert client.post(PATH, json={"tenant_id": tenant_id, "csv_text": text}).json()["imported"] == 1
    (back,) = client.get("/suppression", params={"tenant_id": tenant_id}).json()
    own = ("email", "reason", "cause", "expires_at")
    assert {name: back[name] for name in own} == {name: made[name] for name in own}


@pytest.mark.parametrize(
    ("at", "code"), [("2026-01-01T00:00:00", "invalid"), ("2020-01-01T00:00:00Z", "in_the_past")]
)
def test_an_end_is_a_moment_to_come(client: Client, tenant_id: int, at: str, code: str) -> None:
    body = {"tenant_id": tenant_id, "email": "a@x.example", "expires_at": at}
    answer = client.post("/suppression", json=body)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, code)


def test_one_that_is_over_is_not_listed(client: Client, courier: Courier, tenant_id: int) -> None:
    over = courier.runtime.now() - timedelta(seconds=5)
    with courier.store.begin(tenant_id) as unit:
        unit.suppressions.add(Suppression(tenant_id=tenant_id, address="a@x.example", expires_at=over))
    assert client.get("/suppression", params={"tenant_id": tenant_id}).json() == []
