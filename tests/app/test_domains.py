"""Sender domains over HTTP and the command line, against a DNS server of the test's own."""

from __future__ import annotations

import json
import threading
from base64 import b64decode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner
from litestar import Litestar
from litestar.testing import TestClient

from courierx_app.checkup import checkup
from courierx_app.cli import cli
from courierx_app.settings import read
from courierx_core.courier import Courier
from courierx_core.domains import service
from courierx_core.domains.keys import opened
from courierx_core.ports.transport import DomainKey, RecordWanted, TransportDown
from courierx_core.testing import DnsServer
from courierx_core.worker import Worker

from .conftest import Environ

Json = dict[str, Any]


@pytest.fixture
def dns() -> Iterator[DnsServer]:
    with DnsServer() as server:
        yield server


@pytest.fixture
def environ(environ: Environ, dns: DnsServer) -> Environ:
    return {
        **environ,
        "COURIERX_RESOLVER": "dns",
        "COURIERX_DNS_SERVERS": dns.address,
        "COURIERX_DNS_SECONDS": "1",
        "COURIERX_RETURN_PATH": "back.relay.net",
    }


@pytest.fixture
def domain(client: TestClient[Litestar], tenant_id: int) -> Json:
    answer = client.post("/domains", json={"domain": "Example.com", "tenant_id": tenant_id})
    assert answer.status_code == 201, answer.text
    made: Json = answer.json()
    return made


def publish(dns: DnsServer, records: list[Json]) -> None:
    for record in records:
        if record["type"] == "TXT":
            dns.txt(record["name"], record["expected"])
        else:
            dns.cname(record["name"], record["expected"])


def verified(client: TestClient[Litestar], dns: DnsServer, domain: Json) -> Json:
    publish(dns, domain["records"])
    answer = client.post(f"/domains/{domain['id']}/verify")
    assert answer.status_code == 200, answer.text
    made: Json = answer.json()
    return made


def test_a_domain_is_added_published_and_verified(
    client: TestClient[Litestar], dns: DnsServer, domain: Json
) -> None:
    assert (domain["domain"], domain["status"], domain["signs_with"]) == ("example.com", "pending", [])
    kinds = [(record["kind"], record["required"], record["ok"]) for record in domain["records"]]
    assert kinds == [
        ("dkim", True, None), ("dkim", False, None), ("return_path", False, None), ("dmarc", False, None),
    ]  # fmt: skip
    missing = client.post(f"/domains/{domain['id']}/verify").json()
    assert missing["status"] == "pending"
    assert {record["ok"] for record in missing["records"]} == {False}
    found = verified(client, dns, domain)
    assert (found["status"], found["verified_by"]) == ("verified", "dns")
    assert len(found["signs_with"]) == 2
    assert all(record["ok"] and record["found"] == [record["expected"]] for record in found["records"])
    assert client.get(f"/domains/{domain['id']}").json() == found
    assert client.get("/domains", params={"tenant_id": found["tenant_id"]}).json() == [found]


def test_the_references_words(client: TestClient[Litestar], tenant_id: int) -> None:
    ask = {"domain": "example.com", "tenant_id": tenant_id}
    first = client.post("/domains/request-verification", json=ask)
    assert first.status_code == 200
    shown = first.json()
    assert shown["txt_name"].endswith("._domainkey.example.com")
    assert shown["txt_value"].startswith("v=DKIM1; k=rsa; p=")
    assert (shown["cname_name"], shown["cname_value"]) == ("bounce.example.com", "back.relay.net")
    assert client.post("/domains/request-verification", json=ask).json() == shown
    status = client.get("/domains/status", params={"tenant_id": tenant_id}).json()
    assert (status["ses_verified"], status["domains"][0]["status"]) == (False, "pending")
    marked = client.patch("/domains/mark-verified", json={"tenant_id": tenant_id}).json()
    assert (marked["ses_verified"], marked["domains"][0]["status"]) == (True, "verified")
    assert client.get(f"/domains/{shown['id']}").json()["verified_by"] == "operator"


def test_no_private_key_is_stored_as_it_is_or_shown(
    client: TestClient[Litestar], courier: Courier, domain: Json, tmp_path: Path
) -> None:
    with courier.store.begin(domain["tenant_id"], write=False) as unit:
        kept = unit.domains.get(domain["id"])
    private = opened(courier.secrets, kept)
    assert set(private) == {key.selector for key in kept.keys}
    assert "MII" not in repr(private)
    stored = (tmp_path / "courierx.db").read_bytes() + (tmp_path / "courierx.db-wal").read_bytes()
    for secret in private.values():
        text = secret.reveal()
        assert text.encode()[-32:] not in stored
        assert b64decode(text)[-32:] not in stored
    assert "secret" not in domain


@pytest.mark.parametrize("name", ["", "com", "x@example.com", "exa mple.com", "192.0.2.1", None, 7])
def test_bad_names(client: TestClient[Litestar], tenant_id: int, name: Any) -> None:
    answer = client.post("/domains", json={"domain": name, "tenant_id": tenant_id})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "domain"


def test_a_domain_twice_an_unknown_tenant_and_an_unknown_domain(
    client: TestClient[Litestar], domain: Json
) -> None:
    again = {"domain": "EXAMPLE.com.", "tenant_id": domain["tenant_id"]}
    assert client.post("/domains", json=again).status_code == 409
    assert client.post("/domains", json={**again, "tenant_id": 99}).status_code == 404
    for method, path in (("GET", ""), ("POST", "/verify"), ("POST", "/rotate"), ("DELETE", "")):
        assert client.request(method, f"/domains/99{path}").status_code == 404


def test_dns_that_does_not_answer_changes_nothing(
    client: TestClient[Litestar], dns: DnsServer, domain: Json
) -> None:
    verified(client, dns, domain)
    for record in domain["records"]:
        dns.trouble(record["name"], "servfail")
    for _ in range(4):
        answer = client.post(f"/domains/{domain['id']}/verify").json()
    assert answer["status"] == "verified"
    assert {record["ok"] for record in answer["records"]} == {True}
    assert all("no DNS server could answer" in record["why"] for record in answer["records"])
    assert len(answer["signs_with"]) == 2


def test_rotation(client: TestClient[Litestar], dns: DnsServer, domain: Json) -> None:
    url = f"/domains/{domain['id']}"
    assert client.post(f"{url}/rotate").status_code == 409
    old = verified(client, dns, domain)["signs_with"]
    rotated = client.post(f"{url}/rotate").json()
    assert rotated["signs_with"] == old
    assert sum(record["kind"] == "dkim" for record in rotated["records"]) == 4
    assert client.post(f"{url}/rotate").status_code == 409
    assert client.post(f"{url}/verify").json()["signs_with"] == old
    moved = verified(client, dns, rotated)
    assert len(moved["signs_with"]) == 2
    assert not set(moved["signs_with"]) & set(old)
    assert sum(record["kind"] == "dkim" for record in moved["records"]) == 4


def test_who_requires_verified_domains_sends_from_no_other(
    client: TestClient[Litestar], dns: DnsServer, domain: Json
) -> None:
    tenant = domain["tenant_id"]
    mail = {"tenant_id": tenant, "to": ["ann@x.example"], "subject": "s", "text": "t"}

    def send(sender: str) -> Any:
        return client.post("/messages", json={**mail, "from": sender})

    assert send("Me <me@other.example>").status_code == 202
    changed = client.patch(f"/tenants/{tenant}", json={"requires_verified_domain": True})
    assert changed.json()["requires_verified_domain"] is True
    for sender, word in (("Me <me@other.example>", "no sender domain"), ("me@example.com", "pending")):
        refused = send(sender)
        assert refused.status_code == 422
        (problem,) = refused.json()["errors"]
        assert (problem["field"], problem["code"]) == ("from", "unverified")
        assert word in problem["message"]
    assert send("me@sandbox.invalid").status_code == 202
    verified(client, dns, domain)
    assert send("me@example.com").status_code == 202
    assert send("me@news.example.com").status_code == 202


def test_a_verified_return_path_carries_what_comes_back(
    client: TestClient[Litestar], courier: Courier, dns: DnsServer, domain: Json
) -> None:
    mail = {"tenant_id": domain["tenant_id"], "to": ["ann@x.example"], "subject": "s", "text": "t"}
    paths = []
    for _ in range(2):
        sent = client.post("/messages", json={**mail, "from": "me@example.com"}).json()
        with courier.store.begin(domain["tenant_id"], write=False) as unit:
            paths.append(unit.messages.get(sent["id"]).content.return_path)
        verified(client, dns, domain)
    assert paths == ["back.relay.net", "bounce.example.com"]


def test_the_worker_looks_until_it_is_verified(
    client: TestClient[Litestar], courier: Courier, dns: DnsServer, domain: Json
) -> None:
    publish(dns, domain["records"])
    stop, verified_ = threading.Event(), threading.Event()

    def check(courier: Courier, item: Any) -> None:
        service.check(courier, item)
        verified_.set()

    worker = threading.Thread(target=Worker(courier, tasks={"domain_check": check}).run, args=(stop,))
    worker.start()
    try:
        assert verified_.wait(30)
    finally:
        stop.set()
        worker.join()
    assert client.get(f"/domains/{domain['id']}").json()["status"] == "verified"
    with courier.store.begin(domain["tenant_id"], write=False) as unit:
        assert unit.work.open_items(domain["id"], topics=("domain_check",)) == 1
    assert client.delete(f"/domains/{domain['id']}").status_code == 204
    with courier.store.begin(domain["tenant_id"], write=False) as unit:
        assert unit.work.open_items(domain["id"], topics=("domain_check",)) == 0


def test_a_transport_that_signs_has_records_of_its_own(
    client: TestClient[Litestar],
    courier: Courier,
    dns: DnsServer,
    domain: Json,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (transport,) = courier.transports.values()
    wants = [(f"t{number}._domainkey.example.com", f"t{number}.dkim.far.example") for number in range(2)]
    keys: list[DomainKey] = []

    def asked(_domain: str, key: Callable[[], DomainKey]) -> list[RecordWanted]:
        keys.append(key())
        return [RecordWanted("CNAME", *each) for each in wants]

    monkeypatch.setattr(transport, "records", asked)
    dns.cname(*wants[0])

    def theirs(answer: Any) -> list[tuple[str, str, bool | None]]:
        records = answer.json()["records"]
        return [
            (each["name"], each["expected"], each["ok"]) for each in records if each["kind"] == "transport"
        ]

    expected = [(*wants[0], True), (*wants[1], False)]
    assert theirs(client.post(f"/domains/{domain['id']}/verify")) == expected
    assert theirs(client.get(f"/domains/{domain['id']}")) == expected
    (key,) = keys
    rsa = next(each for each in domain["records"] if each["required"])
    assert (key.published, rsa["name"]) == (False, f"{key.selector}._domainkey.example.com")

    def down(*_: Any) -> Any:
        raise TransportDown("away")

    monkeypatch.setattr(transport, "records", down)
    dns.cname(*wants[1])
    found = client.post(f"/domains/{domain['id']}/verify")
    assert theirs(found) == [(*wants[0], True), (*wants[1], True)]
    assert found.json()["status"] == "pending"


@pytest.mark.parametrize(("resolver", "code"), [("", "no_resolver"), ("dns", "domains")])
def test_the_doctor_names_what_is_not_verified(
    domain: Json, environ: Environ, tmp_path: Path, resolver: str, code: str, courier: Courier
) -> None:
    settings = read(tmp_path, {**environ, "COURIERX_RESOLVER": resolver})
    found = {problem.code: problem for problem in checkup(settings)}
    assert code in found
    assert "domain_failing" not in found
    with courier.store.begin(domain["tenant_id"]) as unit:
        kept = unit.domains.get(domain["id"])
        unit.domains.save(msgspec.structs.replace(kept, status="failing"))
    (failing,) = (problem for problem in checkup(settings) if problem.code == "domain_failing")
    assert "example.com" in failing.text
    with courier.store.begin(domain["tenant_id"]) as unit:
        unit.domains.save(msgspec.structs.replace(kept, status="verified"))
    assert not {"domains", "no_resolver", "domain_failing"} & {each.code for each in checkup(settings)}


def test_the_command_line(
    client: TestClient[Litestar],
    tenant_id: int,
    dns: DnsServer,
    environ: Environ,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, exit_code: int = 0) -> str:
        result = CliRunner(env=environ).invoke(cli, ["domains", *arguments], catch_exceptions=True)
        assert result.exit_code == exit_code, (result.output, result.exception)
        return result.output

    added = json.loads(run("add", "example.com", "--json"))
    assert "is pending" in run("verify", "example.com", exit_code=1)
    publish(dns, added["records"])
    assert "is verified by dns" in run("verify", "example.com")
    assert run("list").splitlines()[1].split()[:3] == ["example.com", "verified", "dns"]
    assert added["records"][0]["name"] in run("records", "example.com")
    assert len(json.loads(run("rotate", "example.com", "--json"))["records"]) == 6
    assert "removed" in run("remove", "example.com")
    run("records", "example.com", exit_code=1)
