"""POST /events/sns, from the signature to the delivery: whose it is, once, in whatever order (R18, T07)."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner
from litestar import Litestar
from litestar.testing import TestClient

from courierx_app.cli.root import cli
from courierx_app.container import build
from courierx_app.settings import Configuration, read
from courierx_core.courier import Courier
from courierx_core.delivery.model import Delivery
from courierx_core.feedback.service import match_kept
from courierx_core.testing.ledger_samples import claim
from courierx_core.testing.store_deliveries import finish
from courierx_core.testing.store_samples import add_tenant, new_message
from tests.plugins.ses_events import event
from tests.plugins.sns_fake import TOPIC, Amazon, notification

NOW = datetime.now(timezone.utc).replace(microsecond=0)
OTHERS = TOPIC + "-acme"


@pytest.fixture
def configuration(tmp_path: Path, environ: dict[str, str]) -> Configuration:
    """Two instances: the platform's topic, and one that may speak of tenant 1's mail only."""
    (tmp_path / "courierx.toml").write_text(
        f'[feedback.acme]\ndriver = "sns"\ntenant_id = 1\nallowed_topic_arns = ["{OTHERS}"]\n'
        '[transports.mock]\n[transports.second]\ndriver = "mock"\n'
    )
    given = {**environ, "ENVIRONMENT": "production", "COURIERX_SECRET_KEY": "k"}
    return read(tmp_path, {**given, "SNS_ALLOWED_TOPIC_ARNS": TOPIC})


@pytest.fixture
def amazon(courier: Courier) -> Amazon:
    made = Amazon()
    for source in courier.feedback.values():
        source.fetch = made.fetch  # type: ignore[attr-defined]
    return made


@pytest.fixture
def client(api: Callable[..., TestClient[Litestar]], amazon: Amazon) -> TestClient[Litestar]:
    return api()


@pytest.fixture
def tenants(courier: Courier) -> list[int]:
    return [add_tenant(courier.store, name) for name in ("acme", "other")]


def sent(
    courier: Courier, tenant_id: int, *people: str, transport: str = "mock", **given: Any
) -> list[Delivery]:
    """Write deliveries that a transport has taken, each with the provider's id `p`."""
    with courier.store.begin(tenant_id) as unit:
        message = new_message(unit, transport=transport)
        made = unit.deliveries.add(message, people or ["ann@x.example"])
    ledger = courier.store.ledger()
    try:
        finish(ledger, claim(ledger, subject_id=message.id)[0], "accepted", provider_id="p")
    finally:
        ledger.close()
    return list(made)


def tell(client: TestClient[Litestar], told: Any, to: str = "sns", **fields: str) -> Any:
    kind = {"Content-Type": "text/plain; charset=UTF-8", "x-amz-sns-message-type": "Notification"}
    return client.post(f"/events/{to}", content=json.dumps(notification(told, **fields)), headers=kind)


def token(courier: Courier, delivery: Delivery) -> str:
    return courier.tokens.mint("send", delivery.tenant_id, delivery.id)


def state(courier: Courier, delivery: Delivery) -> str:
    with courier.store.begin(delivery.tenant_id, write=False) as unit:
        return unit.deliveries.get(delivery.id).state


@pytest.mark.parametrize(
    ("name", "word", "ends"),
    [
        ("Bounce", "bounced", "bounced"),
        ("Complaint", "complaint", "delivered"),
        ("Delivery", "delivered", "delivered"),
        ("Send", "ok", "accepted"),
        ("Something New", "unknown", "accepted"),
    ],
)
def test_the_answer_is_in_the_references_words(
    client: TestClient[Litestar], courier: Courier, tenants: list[int], name: str, word: str, ends: str
) -> None:
    (delivery,) = sent(courier, tenants[0])
    told = event(name, NOW, send_id=token(courier, delivery))
    assert tell(client, told).json() == {"status": word, "new": 1, "known": 0, "unmatched": 0}
    assert tell(client, told).json() == {"status": word, "new": 0, "known": 1, "unmatched": 0}
    assert state(courier, delivery) == ends


def test_a_greeting_is_fine_a_handshake_confirmed_and_the_rest_refused(
    client: TestClient[Litestar], amazon: Amazon
) -> None:
    assert tell(client, "Successfully validated SNS topic for Amazon SES event publishing.").json() == {
        "status": "ok", "new": 0, "known": 0, "unmatched": 0,
    }  # fmt: skip
    told = tell(client, "You have chosen", Type="SubscriptionConfirmation")
    assert (told.status_code, told.json()) == (200, {"status": "confirmed"})
    asked = len(amazon.asked)
    assert tell(client, "x", TopicArn=OTHERS).status_code == 403
    assert client.post("/events/sns", content=b'{"Type": "Notification"}').status_code == 403
    for junk in (b"x", b"[]", b"\xff"):
        assert client.post("/events/sns", content=junk).status_code == 400
    assert client.post("/events/sns", content=b" " * ((1 << 20) + 1)).status_code == 413
    assert len(amazon.asked) == asked


def test_without_a_list_nobody_is_believed_in_production(
    tmp_path: Path, environ: dict[str, str], api: Callable[..., TestClient[Litestar]]
) -> None:
    given = {**environ, "ENVIRONMENT": "production", "COURIERX_SECRET_KEY": "k"}
    made = build(read(tmp_path / "other", given))
    try:
        from courierx_app.asgi import create_app
        from courierx_app.settings import Settings

        with TestClient(create_app(made, Settings())) as client:
            assert tell(client, "x").status_code == 403
    finally:
        made.close()


def test_a_tenants_topic_speaks_of_its_own_mail_only(
    client: TestClient[Litestar], courier: Courier, tenants: list[int]
) -> None:
    """T07: neither by our token, seen in a mail, nor by the provider's id."""
    assert tenants[0] == 1
    (own,), (foreign,) = sent(courier, 1), sent(courier, tenants[1], "bob@x.example")
    for named in ({"send_id": token(courier, foreign)}, {"provider_id": "p", "recipient": "bob@x.example"}):
        told = tell(client, event("Bounce", NOW, **named), "acme", TopicArn=OTHERS)
        assert told.json()["unmatched"] == 1
    match_kept(courier)
    assert state(courier, foreign) == "accepted"
    told = tell(client, event("Bounce", NOW, send_id=token(courier, own)), "acme", TopicArn=OTHERS)
    assert told.json()["new"] == 1
    assert tell(client, event("Bounce", NOW), "acme", TopicArn=TOPIC).status_code == 403


def test_the_providers_id_finds_it_over_every_transport(
    client: TestClient[Litestar], courier: Courier, tenants: list[int]
) -> None:
    for transport in ("mock", "second"):
        (delivery,) = sent(courier, tenants[0], f"{transport}@x.example", transport=transport)
        told = event("Delivery", NOW, provider_id="p", recipient=f"{transport}@x.example")
        assert tell(client, told).json()["new"] == 1
        assert state(courier, delivery) == "delivered"


def test_a_forged_id_of_ours_is_nobodys(
    client: TestClient[Litestar], courier: Courier, tenants: list[int]
) -> None:
    (delivery,) = sent(courier, tenants[0])
    real = token(courier, delivery)
    other = msgspec.structs.replace(courier).tokens.mint("send", tenants[1], delivery.id)
    for forged in (real[:-1] + ("a" if real[-1] != "a" else "b"), other, "x", "1" * 500):
        assert tell(client, event("Bounce", NOW, send_id=forged)).json()["unmatched"] == 1
    assert state(courier, delivery) == "accepted"


# --- R18: any order, any number of times


def story(courier: Courier, delivery: Delivery, number: int) -> Sequence[dict[str, Any]]:
    """What SES says of a mail in order; by number it is read, bounces at once or late, or annoys."""
    names = (
        ("Send", "Delivery", "Open", "Click"),
        ("Send", "DeliveryDelay", "Bounce"),
        ("Send", "Delivery", "Complaint"),
        ("Send", "Delivery", "Bounce"),
        ("Send", "Reject"),
    )[number % 5]
    return [
        event(name, NOW + timedelta(seconds=at), send_id=token(courier, delivery), recipient=delivery.address)
        for at, name in enumerate(names)
    ]


def ended(courier: Courier, deliveries: Sequence[Delivery]) -> Any:
    tenant_id, message_id = deliveries[0].tenant_id, deliveries[0].message_id
    with courier.store.begin(tenant_id, write=False) as unit:
        return (
            [unit.deliveries.get(each.id).state for each in deliveries],
            unit.deliveries.totals(message_id),
            sorted((each.address, each.cause) for each in unit.suppressions.list()),
            sorted((each.recipient, each.kind, each.at) for each in unit.events.list(limit=1000)),
        )


def test_ten_times_and_shuffled_ends_as_in_order(
    client: TestClient[Litestar], courier: Courier, tenants: list[int]
) -> None:
    people = [f"p{number}@x.example" for number in range(10)]
    shuffled, ordered = (sent(courier, tenant_id, *people) for tenant_id in tenants)
    for number, delivery in enumerate(ordered):
        for told in story(courier, delivery, number):
            assert tell(client, told).json()["new"] == 1
    mixed = [told for number, each in enumerate(shuffled) for told in story(courier, each, number)] * 10
    random.Random(18).shuffle(mixed)
    answers = [tell(client, told).json() for told in mixed]
    assert sum(answer["new"] for answer in answers) == len(mixed) // 10
    assert ended(courier, shuffled) == ended(courier, ordered)


# --- courierx sns verify


def test_verify_says_what_would_be_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("courierx_ses.fetching.get", lambda url, seconds: Amazon().fetch(url))
    (tmp_path / ".env").write_text(f"SNS_ALLOWED_TOPIC_ARNS={TOPIC}\n")
    good = json.dumps(notification(event("Bounce", NOW)))
    (tmp_path / "good.json").write_text(good)
    told = CliRunner().invoke(cli, ["sns", "verify", "good.json"])
    assert told.exit_code == 0, told.output
    assert told.output.startswith("believed\nbounced Ann <ann@x.example> ")
    told = CliRunner().invoke(
        cli, ["sns", "verify", "-", "--json"], input=good.replace("Permanent", "Transient")
    )
    assert told.exit_code == 1
    assert json.loads(told.output) == {
        "believed": False, "why": "The notification's signature does not verify.", "feedback": [],
    }  # fmt: skip
    assert not (tmp_path / "courierx.db").exists()
