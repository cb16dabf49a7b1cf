"""The view page: a recipient's mail in the browser, in a sandbox, counting nothing (S06, S11)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from courierx_app.public.view import POLICY
from courierx_core.courier import Courier

Client = TestClient[Litestar]
EVIL = (
    '<script>alert(1)</script><form action="https://evil.example"><input></form>'
    '<meta http-equiv="refresh" content="0;url=https://evil.example">'
)


@pytest.fixture
def delivery(client: Client, tenant_id: int) -> dict[str, Any]:
    """A campaign's delivery to Ann."""
    person = {"tenant_id": tenant_id, "email": "ann@x.example", "first_name": "<Ann>"}
    client.post("/subscribers", json=person)
    body = f'<p>Hi {{{{ first_name }}}}</p><a href="https://acme.example/a">a</a>{EVIL}{{{{ view_url }}}}'
    draft = {"tenant_id": tenant_id, "name": "n", "subject": "For <{{ email }}>", "body": body}
    made = client.post("/campaigns", json=draft).json()
    client.post(f"/campaigns/{made['id']}/send-now")
    sent = client.post(
        "/messages",
        json={
            "tenant_id": tenant_id,
            "to": ["ann@x.example"],
            "subject": "s",
            "text": "a <b> {{ first_name }}",
        },
    ).json()
    return {"tenant_id": tenant_id, **sent["deliveries"][0], "campaign": made["id"]}


def broadcast(courier: Courier, delivery: dict[str, Any]) -> int:
    """Write the campaign's audience down, as a worker would; return its delivery."""
    from courierx_core.campaigns import service

    ledger = courier.store.ledger()
    try:
        (item,) = ledger.claim("test", limit=1, lease_seconds=60, topics=["snapshot"])
        service.snapshot(courier, item)
    finally:
        ledger.close()
    with courier.store.begin(delivery["tenant_id"], write=False) as unit:
        message_id = unit.campaigns.get(delivery["campaign"]).message_id
        (found,) = unit.deliveries.list(message_id=message_id)
    return found.id


def test_a_mail_is_shown_as_its_reader_got_it_in_a_sandbox(
    api: Callable[..., Client], courier: Courier, delivery: dict[str, Any]
) -> None:
    number = broadcast(courier, delivery)
    token = courier.tokens.mint("view", delivery["tenant_id"], number)
    answer = api().get(f"/v/{token}")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"] == POLICY
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "<p>Hi &lt;Ann&gt;</p>" in answer.text
    assert "<title>For &lt;ann@x.example&gt;</title>" in answer.text
    assert 'href="https://acme.example/a"' in answer.text, "no tracked link"
    assert "/o/" not in answer.text
    assert f"https://mail.example.com/v/{token}" in answer.text, "the address in the mail is this one"


def test_the_policy_lets_nothing_of_the_tenant_run() -> None:
    words = {part.split()[0]: part.split()[1:] for part in POLICY.split(";")}
    assert not {"allow-scripts", "allow-forms", "allow-same-origin", "allow-top-navigation"} & set(
        words["sandbox"]
    )
    assert words["default-src"] == ["'none'"]
    assert "script-src" not in words
    assert words["form-action"] == words["base-uri"] == words["frame-ancestors"] == ["'none'"]


def test_a_text_is_shown_as_text(
    api: Callable[..., Client], courier: Courier, delivery: dict[str, Any]
) -> None:
    token = courier.tokens.mint("view", delivery["tenant_id"], delivery["id"])
    assert "a &lt;b&gt; &lt;Ann&gt;" in api().get(f"/v/{token}").text


def test_looking_changes_nothing(client: Client, courier: Courier, delivery: dict[str, Any]) -> None:
    token = courier.tokens.mint("view", delivery["tenant_id"], delivery["id"])
    before = client.get(f"/email-logs/{delivery['id']}").json()
    head = client.head(f"/v/{token}")
    assert (head.status_code, head.text) == (200, "")
    client.get(f"/v/{token}")
    assert client.post(f"/v/{token}").status_code == 405
    assert client.get(f"/email-logs/{delivery['id']}").json() == before
    assert client.get(f"/events?tenant_id={delivery['tenant_id']}").json() == []


def test_only_a_true_view_token_opens_it(
    api: Callable[..., Client], courier: Courier, delivery: dict[str, Any]
) -> None:
    client, tenant, number = api(), delivery["tenant_id"], delivery["id"]
    good = courier.tokens.mint("view", tenant, number)
    wrong = [
        courier.tokens.mint("unsubscribe", tenant, number),
        courier.tokens.mint("send", tenant, number),
        courier.tokens.mint("view", tenant + 1, number),
        courier.tokens.mint("view", tenant, number + 1),
        good[:-1] + ("a" if good[-1] != "a" else "b"),
        good.upper(), "x", "%00", "a" * 500,
    ]  # fmt: skip
    for token in wrong:
        answer = client.get(f"/v/{token}")
        assert answer.status_code == 404, token
        assert "Ann" not in answer.text
