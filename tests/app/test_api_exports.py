"""Exports: everything a tenant has, as CSV that a spreadsheet may open (S07), as JSON that loses nothing."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from litestar import Litestar
from litestar.testing import TestClient

from courierx_app.cli import cli
from courierx_core.courier import Courier
from courierx_core.exports import service
from courierx_core.exports.csvlines import csv_lines

Client = TestClient[Litestar]


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "PAGE", 3)


def add(client: Client, tenant_id: int, email: str, **fields: Any) -> Any:
    answer = client.post("/subscribers", json={"tenant_id": tenant_id, "email": email, **fields})
    assert answer.status_code == 200, answer.text
    return answer.json()


def read_csv(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_people_are_taken_out_page_by_page(client: Client, tenant_id: int) -> None:
    people = [add(client, tenant_id, f"p{n}@x.example", attributes={f"a{n}": n, "id": "x"}) for n in range(7)]
    answer = client.get("/exports/subscribers", params={"tenant_id": tenant_id})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert 'filename="subscribers.csv"' in answer.headers["content-disposition"]
    rows = read_csv(answer.text)
    assert [row["email"] for row in rows] == [each["email"] for each in reversed(people)]
    assert list(rows[0])[-8:] == [*(f"a{n}" for n in range(7)), "attributes.id"]
    assert (rows[0]["a6"], rows[0]["a0"], rows[0]["attributes.id"]) == ("6", "", "x")
    lines = client.get("/exports/subscribers", params={"tenant_id": tenant_id, "format": "jsonl"})
    assert [json.loads(line)["id"] for line in lines.text.splitlines()] == [
        each["id"] for each in reversed(people)
    ]
    assert json.loads(lines.text.splitlines()[0])["attributes"] == {"a6": 6, "id": "x"}


def test_what_was_taken_out_comes_in_again(client: Client, tenant_id: int) -> None:
    made = add(client, tenant_id, "a@x.example", first_name="Zoë", attributes={"city": "Łódź", "n": 5})
    text = client.get("/exports/subscribers", params={"tenant_id": tenant_id}).text
    client.delete(f"/subscribers/{made['id']}")
    answer = client.post("/subscribers/bulk-import", json={"tenant_id": tenant_id, "csv_text": text})
    assert answer.json()["imported"] == 1, answer.text
    back = client.get(f"/subscribers/by-email/a@x.example?tenant_id={tenant_id}").json()
    assert back["first_name"] == "Zoë"
    assert {"city": "Łódź", "n": "5"}.items() <= back["attributes"].items()


def test_only_those_who_are_asked_for(client: Client, tenant_id: int) -> None:
    ann, bob = add(client, tenant_id, "ann@x.example"), add(client, tenant_id, "bob@x.example")
    news = client.post("/lists", json={"tenant_id": tenant_id, "name": "News"}).json()["id"]
    client.post(f"/lists/{news}/subscribers", json={"subscriber_ids": [ann["id"]]})
    client.patch(f"/subscribers/{bob['id']}", json={"status": "bounced"})

    def found(**asked: Any) -> list[str]:
        answer = client.get("/exports/subscribers", params={"tenant_id": tenant_id, **asked})
        assert answer.status_code == 200, answer.text
        return [row["email"] for row in read_csv(answer.text)]

    assert found(list=news) == found(q="ann") == found(status="active") == ["ann@x.example"]
    assert found(status="bounced") == ["bob@x.example"]
    refused = {"list": 999, "format": "pdf", "status": "happy", "q": "\0"}
    for name, value in refused.items():
        answer = client.get("/exports/subscribers", params={"tenant_id": tenant_id, name: value})
        assert answer.status_code in (404, 422), (name, answer.text)


def test_too_many_attributes_for_columns_are_json(
    client: Client, tenant_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "ATTRIBUTES_MAX", 2)
    add(client, tenant_id, "a@x.example", attributes={"a": 1, "b": 2, "c": 3})
    answer = client.get("/exports/subscribers", params={"tenant_id": tenant_id})
    assert (answer.status_code, "JSON lines" in answer.text) == (409, True)
    asked = {"tenant_id": tenant_id, "format": "jsonl"}
    assert client.get("/exports/subscribers", params=asked).status_code == 200


def test_the_log_is_taken_out_as_it_is_shown(client: Client, tenant_id: int) -> None:
    for n in range(5):
        body = {"tenant_id": tenant_id, "from": "a@acme.example", "to": [f"p{n}@x.example"]}
        assert client.post("/messages", json={**body, "subject": "s", "text": "t"}).status_code == 202
    shown = client.get("/email-logs", params={"tenant_id": tenant_id}).json()
    asked = {"tenant_id": tenant_id, "format": "jsonl"}
    lines = client.get("/exports/email-logs", params=asked).text.splitlines()
    assert list(map(json.loads, lines)) == shown
    rows = read_csv(client.get("/exports/email-logs", params={"tenant_id": tenant_id}).text)
    assert [row["recipient_email"] for row in rows] == [each["recipient_email"] for each in shown]
    assert list(rows[0]) == list(shown[0])
    draft = {"tenant_id": tenant_id, "name": "n", "subject": "s", "body": "b", "from_email": "a@acme.example"}
    campaign = client.post("/campaigns", json=draft).json()["id"]
    of_draft = client.get("/exports/email-logs", params={**asked, "campaign_id": campaign})
    assert (of_draft.status_code, of_draft.text) == (200, "")
    assert client.get("/exports/email-logs", params={**asked, "campaign_id": 999}).status_code == 404


def test_suppressions_are_taken_out(client: Client, tenant_id: int) -> None:
    for email in ("a@x.example", "@closed.example"):
        client.post(
            "/suppression", json={"tenant_id": tenant_id, "email": email, "reason": "=cmd|' /C calc'!A0"}
        )
    rows = read_csv(client.get("/exports/suppression", params={"tenant_id": tenant_id}).text)
    assert [row["email"] for row in rows] == ["'@closed.example", "a@x.example"]
    assert {row["reason"] for row in rows} == {"'=cmd|' /C calc'!A0"}


@given(
    st.lists(st.lists(st.text(max_size=5) | st.none() | st.integers(), min_size=1, max_size=4), max_size=4)
)
def test_no_cell_is_a_formula_and_every_cell_comes_back(rows: list[list[Any]]) -> None:
    text = csv_lines(rows).decode()
    read = list(csv.reader(io.StringIO(text, newline="")))
    assert len(read) == len(rows)
    for given_row, row in zip(rows, read, strict=True):
        for cell, back in zip(given_row, row, strict=True):
            expected = "" if cell is None else str(cell).encode("utf-8", "replace").decode()
            assert back.removeprefix("'") == expected.removeprefix("'")
            if isinstance(cell, str):
                assert not back.startswith(("=", "+", "-", "@", "\t", "\r"))


@pytest.mark.parametrize("command", ["subscribers", "suppress", "deliveries"])
def test_the_command_writes_the_same(
    command: str, client: Client, courier: Courier, tenant_id: int, environ: dict[str, str], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    add(client, tenant_id, "a@x.example")
    monkeypatch.chdir(tmp_path)
    route = {"suppress": "suppression", "deliveries": "email-logs"}.get(command, command)
    for form in ("csv", "jsonl"):
        asked = {"tenant_id": tenant_id, "format": form}
        expected = client.get(f"/exports/{route}", params=asked).content
        ran = CliRunner().invoke(cli, [command, "export", "--format", form], env=environ)
        assert (ran.exit_code, ran.stdout_bytes) == (0, expected), ran.output
        file = tmp_path / f"out.{form}"
        CliRunner().invoke(cli, [command, "export", "--format", form, "--output", str(file)], env=environ)
        assert file.read_bytes() == expected
