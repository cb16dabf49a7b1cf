"""Deliveries over HTTP: found, shown, and sent again when a person says so."""

from __future__ import annotations

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from courierx_core.courier import Courier
from courierx_core.ports.ledger import ItemMove, Outcome

Client = TestClient[Litestar]


@pytest.fixture
def sent(client: Client, courier: Courier, tenant_id: int) -> list[int]:
    """A message to three, of which the first is uncertain, the second accepted, the third still queued."""
    to = [f"{name}@x.example" for name in "abc"]
    message = {"tenant_id": tenant_id, "from": "hi@acme.example", "to": to, "subject": "Hi", "text": "Hello"}
    answer = client.post("/messages", json=message)
    assert answer.status_code == 202, answer.text
    ids = [each["id"] for each in answer.json()["deliveries"]]
    ledger = courier.store.ledger()
    (item,) = ledger.claim("w", limit=1, lease_seconds=60, topics=("send",))
    said = ("uncertain", "accepted")
    outcomes = [
        Outcome(number, item.id, item.subject_id, state, item.attempt, tries=1, reason="lost")
        for number, state in zip(ids, said, strict=False)
    ]
    counts = {"queued": 1, "uncertain": 1, "accepted": 1}
    ledger.window(tenant_id, [ItemMove(item.id, item.epoch, ids[1], counts)], outcomes)
    ledger.close()
    return ids


def test_they_are_found_by_state_message_and_address(client: Client, tenant_id: int, sent: list[int]) -> None:
    path = f"/deliveries?tenant_id={tenant_id}"
    everything = client.get(path).json()
    assert [each["id"] for each in everything] == sent[::-1]
    (lost,) = client.get(f"{path}&state=uncertain&message_id={everything[0]['message_id']}").json()
    assert (lost["id"], lost["address"], lost["reason"], lost["tries"]) == (sent[0], "a@x.example", "lost", 1)
    assert lost == client.get(f"/deliveries/{sent[0]}").json()
    assert [each["id"] for each in client.get(f"{path}&address=B@X.example").json()] == [sent[1]]
    assert client.get(f"{path}&message_id=99999").json() == []
    assert client.get(f"{path}&state=lost").status_code == 422
    assert client.get("/deliveries/99999").status_code == 404


def test_exactly_the_named_are_sent_again(client: Client, tenant_id: int, sent: list[int]) -> None:
    def resend(*ids: int) -> tuple[int, object]:
        answer = client.post("/deliveries/resend", json={"tenant_id": tenant_id, "delivery_ids": ids})
        return answer.status_code, answer.json()

    for wrong in ([], [sent[1]], [sent[0], sent[2]]):
        status, body = resend(*wrong)
        assert (status, body["errors"][0]["field"]) == (422, "delivery_ids")  # type: ignore[index]
    assert resend(sent[0], 99999)[0] == 404
    assert client.get(f"/deliveries/{sent[0]}").json()["state"] == "uncertain"
    assert resend(sent[0], sent[0]) == (200, {"queued": [sent[0]]})
    again = client.get(f"/deliveries/{sent[0]}").json()
    assert (again["state"], again["tries"]) == ("queued", 0)
    assert resend(sent[0])[0] == 422
