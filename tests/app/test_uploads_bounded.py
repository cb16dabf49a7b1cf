"""Uploads: what a file is, and how large, wide and dense it may be (S10)."""

from __future__ import annotations

import io
import tracemalloc
import zipfile
from collections.abc import Iterator

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from courierx_app.api import uploads
from courierx_app.api.docs import described
from tests.app.operations import operations_of

Client = TestClient[Litestar]
PATHS = ("/subscribers/bulk-import", "/suppression/bulk-import")
HUNDRED_MB = 100 << 20


def piecewise(head: bytes, size: int, piece: bytes = b"x" * (1 << 20)) -> Iterator[bytes]:
    yield head
    for _ in range(size // len(piece)):
        yield piece


def test_a_hundred_megabytes_are_refused_wherever_json_is_taken(client: Client) -> None:
    """By their announced size: nothing of them is read."""
    asked, paths = 0, described(client.app)["paths"]
    for op in operations_of(client.app):
        if op.method not in ("POST", "PATCH", "PUT") or op.path.startswith("/events/"):
            continue
        body = paths.get(op.path, {}).get(op.method.lower(), {}).get("requestBody", {})
        if "application/json" not in body.get("content", {}) or op.path in PATHS:
            continue
        announced = {"Content-Type": "application/json", "Content-Length": str(HUNDRED_MB)}
        answer = client.request(op.method, op.at(1), content=b'{"a":"b"}', headers=announced)
        assert answer.status_code == 413, (str(op), answer.text)
        asked += 1
    assert asked > 20


@pytest.mark.parametrize("path", PATHS)
def test_a_hundred_megabytes_that_are_no_table_are_refused(client: Client, tenant_id: int, path: str) -> None:
    csv = piecewise(b"email,", HUNDRED_MB)
    answer = client.post(
        path, params={"tenant_id": tenant_id}, content=csv, headers={"Content-Type": "text/csv"}
    )
    assert answer.status_code in (400, 413, 422), answer.text
    body = b'{"csv_text": "' + b"x" * uploads.JSON_MAX_BYTES + b'"}'
    answer = client.post(path, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 413


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("ten thousand columns", b"email" + b",c" * 10_000 + b"\na@x.example\n"),
        ("a line without end", b"a" * (2 << 20)),
        ("a picture", b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20),
        ("a program", b"\x7fELF" + bytes(200)),
        ("nothing", b""),
    ],
)
def test_what_is_no_table_of_people_is_refused(
    client: Client, tenant_id: int, path: str, name: str, file: bytes
) -> None:
    for headers in ({}, {"Prefer": "respond-async"}):
        answer = client.post(
            path, params={"tenant_id": tenant_id}, files={"file": ("a.csv", file)}, headers=headers
        )
        assert answer.status_code == 400, (name, answer.text)


@pytest.mark.parametrize("path", PATHS)
def test_a_zip_bomb_is_refused_before_it_is_unpacked(client: Client, tenant_id: int, path: str) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as made:
        for part in ("[Content_Types].xml", "xl/workbook.xml", "xl/worksheets/sheet1.xml"):
            made.writestr(part, b"0" * (60 << 20))
    tracemalloc.start()
    try:
        answer = client.post(
            path, params={"tenant_id": tenant_id}, files={"file": ("people.xlsx", packed.getvalue())}
        )
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert answer.status_code == 422, answer.text
    assert peak < 20 << 20
