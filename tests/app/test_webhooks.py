"""Webhooks end to end (S04): an event, a receiver on loopback that verifies it, the log of it."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from http.client import HTTPException
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import msgspec
import pytest
from litestar import Litestar
from litestar.testing import TestClient

from courierx_app.checkup import checkup
from courierx_app.settings import Configuration, read
from courierx_core.courier import Courier
from courierx_core.delivery.model import Delivery
from courierx_core.feedback.service import receive
from courierx_core.operator_mail import TENANT
from courierx_core.ports.feedback import Feedback
from courierx_core.tenants import service as tenants
from courierx_core.testing.http import HttpAnswer, HttpCall, HttpPeer
from courierx_core.testing.store_samples import new_message
from courierx_core.webhooks.model import Call
from courierx_core.webhooks.post import Reach, post
from courierx_core.worker import WEBHOOKS

Client = TestClient[Litestar]
ROOT = Path(__file__).parent.parent.parent
NOON = (datetime.now(timezone.utc) - timedelta(days=2)).replace(hour=12, minute=0, second=0, microsecond=0)


@pytest.fixture
def configuration(tmp_path: Path, environ: dict[str, str]) -> Configuration:
    return read(
        tmp_path,
        {
            **environ,
            "COURIERX_WEBHOOK_NETWORKS": "127.0.0.1",
            "COURIERX_OPERATOR_EMAIL": "ops@acme.example",
        },
    )


@pytest.fixture
def receiver() -> Iterator[HttpPeer]:
    with HttpPeer() as peer:
        yield peer


@pytest.fixture
def delivery(courier: Courier, tenant_id: int) -> Delivery:
    with courier.store.begin(tenant_id) as unit:
        return unit.deliveries.add(new_message(unit), ["ann@x.example"])[0]


def hook(client: Client, tenant_id: int, receiver: HttpPeer, **fields: Any) -> Any:
    body = {"tenant_id": tenant_id, "url": f"{receiver.url}/in?a=1", **fields}
    answer = client.post("/webhooks", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()


def happen(courier: Courier, delivery: Delivery, kind: Any, **fields: Any) -> None:
    send_id = courier.tokens.mint("send", delivery.tenant_id, delivery.id)
    receive(courier, "test", [Feedback(**{"kind": kind, "at": NOON, "send_id": send_id, **fields})])


def turn(courier: Courier, made: Any) -> None:
    """Do what the worker's lane would: one turn of this receiver, now, however long it should rest."""
    with courier.store.begin(made["tenant_id"]) as unit:
        unit.work.hasten(made["id"], topics=("webhook",))
        for call in unit.webhook_calls.list(made["id"], state="waiting"):
            unit.webhook_calls.save(call, delay_seconds=0)
    ledger = courier.store.ledger()
    try:
        items = ledger.claim("w", limit=1, lease_seconds=60, topics=("webhook",), subject_id=made["id"])
        for item in items:
            WEBHOOKS[item.topic](courier, item)
    finally:
        ledger.close()


def told_operator(courier: Courier) -> list[str]:
    with courier.store.begin(tenants.ensure(courier.store, TENANT).id, write=False) as unit:
        return [unit.messages.get(each.id).content.subject for each in unit.messages.list()]


def is_signed(call: HttpCall, secret: str) -> bool:
    """Ask the receiver that the page shows."""
    page = (ROOT / "docs/how-to/webhooks.md").read_text("utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    found: dict[str, Any] = {}
    exec(code, found)
    stale = {**call.headers, "webhook-timestamp": str(int(call.headers["webhook-timestamp"]) - 301)}
    assert not found["verified"](secret, call.headers, call.body + b" ")
    assert not found["verified"](secret, stale, call.body)
    return bool(found["verified"](secret, call.headers, call.body))


def test_a_receiver_is_told_of_what_it_wants_and_can_verify_it(
    client: Client, courier: Courier, tenant_id: int, receiver: HttpPeer, delivery: Delivery
) -> None:
    made = hook(client, tenant_id, receiver, types=["delivery.bounced"])
    happen(courier, delivery, "delivered")
    happen(courier, delivery, "bounced", status="5.1.1", reply="550 5.1.1 user unknown")
    turn(courier, made)
    (call,) = receiver.calls
    assert (call.method, call.path, call.headers["content-type"]) == (
        "POST", "/in?a=1", "application/json",
    )  # fmt: skip
    assert is_signed(call, made["secret"])
    (event,) = client.get("/events", params={"tenant_id": tenant_id, "kind": "bounced"}).json()
    assert call.headers["webhook-id"] == f"evt_{event['id']}"
    told = msgspec.json.decode(call.body)
    assert told == {
        "type": "delivery.bounced",
        "timestamp": NOON.isoformat().replace("+00:00", "Z"),
        "data": {
            "event_id": event["id"], "delivery_id": delivery.id, "message_id": delivery.message_id,
            "recipient": "ann@x.example", "class": "hard", "status": "5.1.1",
            "reply": "550 5.1.1 user unknown", "metadata": {},
        },
    }  # fmt: skip
    (logged,) = client.get(f"/webhooks/{made['id']}/log").json()
    assert (logged["state"], logged["event_id"], logged["attempts"][0]["status"]) == (
        "told",
        event["id"],
        200,
    )
    assert logged["attempts"][0]["response"] == "{}"
    turn(courier, made)
    assert len(receiver.calls) == 1


def test_a_secret_is_shown_once_and_rotated_with_overlap(
    client: Client, courier: Courier, tenant_id: int, receiver: HttpPeer
) -> None:
    made = hook(client, tenant_id, receiver)
    path = f"/webhooks/{made['id']}"
    assert made["secret"].startswith("whsec_")
    for shown in (client.get(path).json(), *client.get("/webhooks", params={"tenant_id": tenant_id}).json()):
        assert "secret" not in shown
    assert made["secret"].encode() not in Path(str(courier.runtime.folder / "courierx.db")).read_bytes()
    rotated = client.post(f"{path}/rotate").json()
    assert rotated["secret"] != made["secret"]
    assert client.post(f"{path}/test").json() == {"calls": 1}
    turn(courier, made)
    (call,) = receiver.calls
    assert is_signed(call, made["secret"])
    assert is_signed(call, rotated["secret"])
    assert msgspec.json.decode(call.body)["type"] == "webhook.test"


def test_what_fails_is_tried_again_under_the_same_id(
    client: Client, courier: Courier, tenant_id: int, receiver: HttpPeer, delivery: Delivery
) -> None:
    made = hook(client, tenant_id, receiver)
    happen(courier, delivery, "delivered")
    for mode in ("defer", "refuse", "drop_after", "accept"):
        receiver.behave(mode)  # type: ignore[arg-type]
        turn(courier, made)
    assert len({(call.headers["webhook-id"], call.body) for call in receiver.calls}) == 1
    (logged,) = client.get(f"/webhooks/{made['id']}/log").json()
    assert [each["status"] for each in logged["attempts"]] == [429, 400, 0, 200]
    assert logged["attempts"][2]["error"]
    assert client.get(f"/webhooks/{made['id']}").json()["failing_since"] is None


def test_a_receiver_that_fails_is_probed_with_one_call(
    client: Client, courier: Courier, tenant_id: int, receiver: HttpPeer, delivery: Delivery
) -> None:
    made = hook(client, tenant_id, receiver)
    receiver.behave("refuse")
    for number in range(30):
        happen(courier, delivery, "opened", event_id=f"{number}")
    turn(courier, made)
    first = receiver.attempts()
    assert first < 30
    turn(courier, made)
    assert receiver.attempts() == first + 1
    with courier.store.begin(tenant_id) as unit:
        calls = unit.webhook_calls.list(made["id"], limit=1000)
    assert sum(len(each.attempts) for each in calls) == first + 1
    receiver.behave("accept")
    turn(courier, made)
    turn(courier, made)
    log = client.get(f"/webhooks/{made['id']}/log", params={"state": "told", "limit": 1000}).json()
    assert len(log) == 30


def test_the_doctor_names_those_that_take_nothing(
    client: Client, courier: Courier, configuration: Configuration, tenant_id: int, delivery: Delivery
) -> None:
    def named() -> list[tuple[str, str]]:
        return [(each.code, each.remedy) for each in checkup(configuration) if "webhook" in each.code]

    status = 500
    with HttpPeer(lambda call: HttpAnswer(status)) as receiver:
        made = hook(client, tenant_id, receiver)
        this = f"{made['id']} --tenant {tenant_id}"
        happen(courier, delivery, "bounced")
        assert named() == []
        turn(courier, made)
        assert named() == [("webhook_failing", f"See: courierx webhooks log {this}")]
        status = 410
        turn(courier, made)
        assert named() == [("webhook_disabled", f"Once it is mended: courierx webhooks enable {this}")]
    for by_a_person in ("enabled", "disabled"):
        client.patch(f"/webhooks/{made['id']}", json={"status": by_a_person})
        assert named() == []


def test_410_disables_it_and_a_person_enables_it_again(
    client: Client, courier: Courier, tenant_id: int, delivery: Delivery
) -> None:
    status = 410
    with HttpPeer(lambda call: HttpAnswer(status)) as receiver:
        made = hook(client, tenant_id, receiver)
        path = f"/webhooks/{made['id']}"
        happen(courier, delivery, "delivered")
        turn(courier, made)
        shown = client.get(path).json()
        assert (shown["status"], "410" in shown["disabled_reason"]) == ("disabled", True)
        assert told_operator(courier) == [f"CourierX: the webhook {made['id']} is disabled"]
        assert client.post(f"{path}/test").status_code == 409
        happen(courier, delivery, "opened")
        turn(courier, made)
        assert len(receiver.calls) == 1
        status = 200
        again = client.patch(path, json={"status": "enabled"}).json()
        assert (again["status"], again["disabled_reason"]) == ("enabled", "")
        assert client.post(f"{path}/replay", json={"since": NOON.isoformat()}).json() == {"calls": 2}
        turn(courier, made)
        ids = [call.headers["webhook-id"] for call in receiver.calls]
        assert (len(ids), len(set(ids)), ids[0] in ids[1:]) == (3, 2, True)


def test_one_event_and_a_span_are_told_again(
    client: Client, courier: Courier, tenant_id: int, receiver: HttpPeer, delivery: Delivery
) -> None:
    for hour in range(3):
        happen(courier, delivery, "opened", event_id=f"{hour}", at=NOON + timedelta(hours=hour))
    happen(courier, delivery, "delivered")
    made = hook(client, tenant_id, receiver, types=["delivery.opened"])
    path = f"/webhooks/{made['id']}/replay"
    events = client.get("/events", params={"tenant_id": tenant_id}).json()
    opened = [each["id"] for each in events if each["kind"] == "opened"]
    delivered = next(each["id"] for each in events if each["kind"] == "delivered")
    assert client.post(path, json={"event_id": opened[0]}).json() == {"calls": 1}
    span = {"since": NOON.isoformat(), "until": (NOON + timedelta(hours=2)).isoformat()}
    assert client.post(path, json=span).json() == {"calls": 2}
    assert client.post(path, json={"event_id": delivered}).status_code == 409
    assert client.post(path, json={"event_id": 1 << 40}).status_code == 404
    for wrong in ({}, {**span, "event_id": opened[0]}, {"since": "yesterday"}, {"until": NOON.isoformat()}):
        assert client.post(path, json=wrong).status_code == 422, wrong
    turn(courier, made)
    assert len({call.headers["webhook-id"] for call in receiver.calls}) == 3
    assert {msgspec.json.decode(call.body)["data"]["machine"] for call in receiver.calls} == {False}


def test_what_is_wrong_is_named(client: Client, tenant_id: int, receiver: HttpPeer) -> None:
    body = {
        "tenant_id": tenant_id,
        "url": "https://10.0.0.1/",
        "types": ["nothing"],
        "description": "x" * 256,
    }
    answer = client.post("/webhooks", json=body)
    assert (answer.status_code, {each["field"] for each in answer.json()["errors"]}) == (
        422, {"url", "types[0]", "description"},
    )  # fmt: skip
    made = hook(client, tenant_id, receiver)
    assert client.patch(f"/webhooks/{made['id']}", json={"url": "ftp://x"}).status_code == 422
    tag = client.get(f"/webhooks/{made['id']}").headers["etag"]
    changed = client.patch(f"/webhooks/{made['id']}", json={"types": ["delivery.opened"]})
    assert changed.json()["types"] == ["delivery.opened"]
    stale = client.delete(f"/webhooks/{made['id']}", headers={"If-Match": tag})
    assert stale.status_code == 412
    assert client.delete(f"/webhooks/{made['id']}").status_code == 204
    assert client.get(f"/webhooks/{made['id']}/log").status_code == 404


def test_an_erased_event_is_not_told(
    client: Client, courier: Courier, tenant_id: int, receiver: HttpPeer, delivery: Delivery
) -> None:
    made = hook(client, tenant_id, receiver)
    with courier.store.begin(tenant_id) as unit:
        unit.webhook_calls.add(
            [Call(tenant_id=tenant_id, webhook_id=made["id"], type="delivery.opened", event_id=1 << 40)]
        )
    turn(courier, made)
    assert receiver.calls == []
    (logged,) = client.get(f"/webhooks/{made['id']}/log").json()
    assert (logged["state"], logged["attempts"]) == ("failed", [])


# --- receivers that mean harm


def loopback(host: str, port: int) -> list[str]:
    return ["127.0.0.1"]


NETWORKS = (ip_network("127.0.0.1"),)


def test_no_redirect_is_followed() -> None:
    with (
        HttpPeer() as inside,
        HttpPeer(
            lambda call: HttpAnswer(302, b"", (("Location", f"{inside.url}/latest/meta-data"),))
        ) as peer,
    ):
        assert post(peer.url, {}, b"{}", Reach(NETWORKS)).status == 302
        assert inside.calls == []


def test_a_name_that_changes_its_mind_is_dialled_where_it_was_checked(receiver: HttpPeer) -> None:
    asked = []

    def rebinding(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["169.254.169.254"]

    url = receiver.url.replace("127.0.0.1", "rebind.example")
    assert post(url, {}, b"{}", Reach(NETWORKS, rebinding)).status == 200
    assert (asked, receiver.calls[0].headers["host"]) == (["rebind.example"], url.removeprefix("http://"))


@pytest.mark.parametrize(
    "text", [b"", b"HTTP/1.1 200 OK\r\nX: ", b"junk\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"]
)
def test_an_answer_by_drips_ends_in_time(text: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        over = threading.Event()

        def drip() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(text)
                while not over.wait(0.05):
                    try:
                        connection.sendall(b"x")
                    except OSError:
                        return

        thread = threading.Thread(target=drip)
        thread.start()
        try:
            with pytest.raises((OSError, HTTPException)):
                post(f"http://127.0.0.1:{port}/", {}, b"{}", Reach(NETWORKS, loopback, seconds=0.3))
        finally:
            over.set()
            thread.join()


def test_a_body_without_end_is_cut() -> None:
    with HttpPeer(lambda call: HttpAnswer(200, b"x" * 5_000_000)) as peer:
        answer = post(peer.url, {}, b"{}", Reach(NETWORKS))
    assert (answer.status, 0 < len(answer.body) <= 1024) == (200, True)
