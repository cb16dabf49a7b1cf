"""Routes over HTTP and on the command line: listed, and named by a tenant, a campaign or a message."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from litestar import Litestar
from litestar.testing import TestClient

from courierx_app.cli.root import cli

Client = TestClient[Litestar]
MAIN = {"name": "main", "transports": {"eu": 3, "us": 1}, "failover": ["mock"], "paused": []}


@pytest.fixture
def environ(tmp_path: Path, environ: dict[str, str]) -> dict[str, str]:
    (tmp_path / "courierx.toml").write_text(
        'transport = "eu"\n[transports.eu]\ndriver = "mock"\n[transports.us]\ndriver = "mock"\n'
        '[routes.main]\ntransports = { eu = 3, us = 1 }\nfailover = ["mock"]\n'
    )
    return environ


def posted(client: Client, tenant_id: int, **parts: Any) -> str:
    mail = {"to": ["ann@x.example"], "subject": "s", "text": "t", "from": "a@b.example"}
    sent = client.post("/messages", json={**mail, "tenant_id": tenant_id, **parts})
    assert sent.status_code == 202, sent.text
    return str(client.get(f"/messages/{sent.json()['id']}").json()["transport"])


def test_they_are_listed_with_who_is_paused(client: Client) -> None:
    assert client.get("/transports/routes").json() == [MAIN]
    assert client.post("/transports/us/pause").status_code == 200
    assert client.get("/transports/routes").json() == [{**MAIN, "paused": ["us"]}]


def test_a_message_names_one_or_takes_its_tenants(client: Client, tenant_id: int) -> None:
    assert posted(client, tenant_id) == "eu"
    assert posted(client, tenant_id, transport="main") == "main"
    assert client.patch(f"/tenants/{tenant_id}", json={"transport": "main"}).json()["transport"] == "main"
    assert posted(client, tenant_id) == "main"
    assert posted(client, tenant_id, transport="us") == "us"
    assert client.patch(f"/tenants/{tenant_id}", json={"transport": ""}).json()["transport"] == ""
    assert posted(client, tenant_id) == "eu"


def test_a_campaign_takes_its_tenants_as_it_starts(client: Client, tenant_id: int) -> None:
    client.post("/subscribers", json={"tenant_id": tenant_id, "email": "ann@x.example"})
    draft = {"tenant_id": tenant_id, "name": "n", "subject": "s", "body": "b", "from_email": "a@b.example"}
    made = client.post("/campaigns", json=draft).json()
    client.patch(f"/tenants/{tenant_id}", json={"transport": "main"})
    assert client.post(f"/campaigns/{made['id']}/send-now").status_code == 200
    message_id = client.get(f"/campaigns/{made['id']}").json()["message_id"]
    assert client.get(f"/messages/{message_id}").json()["transport"] == "main"


def test_what_is_not_there_is_refused_by_name(client: Client, tenant_id: int) -> None:
    answer = client.patch(f"/tenants/{tenant_id}", json={"transport": "nosuch"})
    assert answer.status_code == 422
    (problem,) = answer.json()["errors"]
    assert (problem["field"], problem["code"]) == ("transport", "not_found")
    assert problem["message"] == "no transport 'nosuch' (configured: eu, us, mock, main)"


def test_the_command_line_lists_them_and_gives_one_to_a_tenant(
    client: Client, tenant_id: int, command: Callable[..., str]
) -> None:
    assert json.loads(command("transports", "routes", "--json")) == [MAIN]
    assert "eu 3, us 1; else mock" in command("transports", "routes")
    assert "Acme, goes over main." in command("tenants", "transport", "Acme", "main")
    assert client.get(f"/tenants/{tenant_id}").json()["transport"] == "main"
    assert CliRunner().invoke(cli, ["tenants", "transport", "Acme", "nosuch"]).exit_code == 1
