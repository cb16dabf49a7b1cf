"""A person erased over HTTP is in no table any more, and nothing brings them back (S24), on both stores."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from litestar.testing import TestClient

from courierx_core.audience import opt_in
from courierx_core.audience.model import MailingList
from courierx_core.campaigns.report import taken_down
from courierx_core.erasure.marks import erased_among
from courierx_core.feedback.service import record
from courierx_core.imports.model import BadLine, Import
from courierx_core.ports.driver import utcnow
from courierx_core.ports.feedback import Feedback
from courierx_core.suppression.service import unsuppress
from courierx_core.testing.store_pruning import later
from courierx_core.webhooks.model import Attempt, Call
from tests.app.tenants.world import World

ANN = "ann.gone@person.example"
BOB = "bob@person.example"


@pytest.fixture
def client(world: World) -> TestClient[Any]:
    world.client.headers["Authorization"] = f"Bearer {world.keys[world.ours]}"
    return world.client


def kept(world: World) -> str:
    """Return everything that is in any table, of us and of the platform."""
    return repr([world.rows(tenant) for tenant in (world.ours, 0)])


def fill(world: World, client: TestClient[Any]) -> dict[str, Any]:
    """Let a person be everywhere that a person can be."""
    made = client.post(
        "/subscribers",
        json={"email": ANN, "first_name": "Annabel", "attributes": {"city": "Ghent-on-file"}},
        headers={"Idempotency-Key": "one"},
    )
    assert made.status_code == 200, made.text
    tenant, courier = world.ours, world.courier
    client.post(
        f"/lists/{world.ids[tenant]['list']}/subscribers", json={"subscriber_ids": [made.json()["id"]]}
    )
    mail = {"to": [f"Annabel <{ANN}>"], "from": "us@x.example", "subject": "To {{ name }}", "text": "t"}
    sent = client.post("/messages", json={**mail, "variables": {"name": "Annabel"}}).json()
    both = client.post("/messages", json={**mail, "cc": [BOB], "metadata": {"to": ANN}}).json()
    delivery_id = sent["deliveries"][0]["id"]
    with courier.store.begin(tenant) as unit:
        told = Feedback(
            kind="bounced", at=utcnow(), event_id=f"{ANN}-1", recipient=ANN, reply=f"550 <{ANN}> unknown",
            user_agent="Annabel's telephone", raw=f'{{"to": "{ANN}"}}', bounce="hard",
        )  # fmt: skip
        record(unit, delivery_id, "test", [told])
        row = unit.deliveries.get(delivery_id)
        unit.pruning.freeze(row.message_id, taken_down(unit, row.message_id), before=later())
        call = Call(tenant_id=tenant, webhook_id=world.ids[tenant]["webhook"], type="bounced")
        said = Attempt(at=utcnow(), seconds=0.1, status=500, response=f"no {ANN}", error=f"{ANN.upper()}?")
        unit.webhook_calls.add([msgspec.structs.replace(call, attempts=(said,))])
        over = unit.imports.add(Import(tenant_id=tenant, state="done")).id
        unit.imports.note_errors(over, [BadLine(2, ANN.upper(), "is twice in it")])
        shown = unit.lists.add(MailingList(tenant_id=tenant, name="public", public=True))
    wording = opt_in.Wording("Say yes", "{url}")
    assert opt_in.ask(courier, opt_in.offer(courier, shown.id), wording, email=ANN, first_name="Annabel")
    return {"list": shown.id, "delivery": delivery_id, "both": both["id"]}


def test_nothing_of_an_erased_person_is_left_anywhere(world: World, client: TestClient[Any]) -> None:
    made = fill(world, client)
    for word in (ANN, "Annabel", "Ghent-on-file"):
        assert word in kept(world)
    done = client.post("/subscribers/erase", json={"email": f"Annabel <{ANN.upper()}>"})
    assert done.status_code == 200, done.text
    assert done.json()["subscribers"] == 1
    assert done.json()["deliveries"] == 3
    left = kept(world).lower()
    assert [word for word in (ANN, "annabel", "ghent-on-file") if word in left] == []
    assert BOB in left
    log = client.get(f"/email-logs/{made['delivery']}").json()
    assert (log["recipient_email"], log["status"]) == ("", "bounced")
    repeated = client.post("/subscribers", json={"email": ANN}, headers={"Idempotency-Key": "one"})
    assert repeated.status_code == 422
    assert client.post("/subscribers/erase", json={"email": ANN}).json()["deliveries"] == 0


def test_nothing_brings_an_erased_person_back(world: World, client: TestClient[Any]) -> None:
    made = fill(world, client)
    assert client.post("/subscribers/erase", json={"email": ANN}).status_code == 200
    refused = client.post("/subscribers", json={"email": ANN})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["code"] == "erased"
    for path in ("/subscribers/bulk-import", "/suppression/bulk-import"):
        rows = client.post(
            path, content=f"email\n{ANN}\n{BOB}\n", headers={"Content-Type": "text/csv"}
        ).json()
        assert (rows["imported"], rows["skipped"], rows["errors"]) == (1, 1, []), path
    offered = opt_in.offer(world.courier, made["list"])
    assert opt_in.ask(world.courier, offered, opt_in.Wording("s", "{url}"), email=ANN) is None
    with world.courier.store.begin(world.ours) as unit:
        told = Feedback(kind="complained", at=utcnow(), event_id="late", recipient=ANN, raw=ANN)
        assert record(unit, made["delivery"], "test", [told]) == ()
    assert ANN not in kept(world).lower()
    mail = {"to": [ANN], "from": "us@x.example", "subject": "s", "text": "t"}
    (delivery,) = client.post("/messages", json=mail).json()["deliveries"]
    assert delivery["status"] == "suppressed"


def test_the_mark_is_on_the_list_and_is_lifted_like_any_other(world: World, client: TestClient[Any]) -> None:
    client.post("/subscribers/erase", json={"email": ANN})
    (mark,) = [each for each in client.get("/suppression").json() if each["email"].startswith("#")]
    assert mark["reason"] == "erased"
    with world.courier.store.begin(world.ours) as unit:
        assert erased_among(world.courier, unit, [ANN, BOB]) == {ANN}
    with world.courier.store.begin(world.theirs) as unit:
        assert erased_among(world.courier, unit, [ANN]) == set()
    assert client.delete(f"/suppression/{mark['id']}").status_code == 204
    assert client.post("/subscribers", json={"email": ANN}).status_code == 200
    client.post("/subscribers/erase", json={"email": ANN})
    with world.courier.store.begin(world.ours) as unit:
        unsuppress(world.courier, unit, ANN)
    assert client.post("/subscribers", json={"email": ANN}).status_code == 200


def test_a_person_is_erased_once_no_import_is_under_way(world: World, client: TestClient[Any]) -> None:
    with world.courier.store.begin(world.ours) as unit:
        under_way = unit.imports.add(Import(tenant_id=world.ours, state="working"))
    client.post("/subscribers", json={"email": ANN})
    refused = client.post("/subscribers/erase", json={"email": ANN})
    assert refused.status_code == 409
    assert f"Import {under_way.id}" in refused.json()["detail"]
    mail = {"to": [ANN], "from": "us@x.example", "subject": "s", "text": "t"}
    (delivery,) = client.post("/messages", json=mail).json()["deliveries"]
    assert delivery["status"] == "suppressed"
    with world.courier.store.begin(world.ours) as unit:
        unit.imports.save(msgspec.structs.replace(under_way, state="done"), was="working")
    assert client.post("/subscribers/erase", json={"email": ANN}).json()["subscribers"] == 1
    assert ANN not in kept(world).lower()
