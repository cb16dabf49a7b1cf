"""POST /events/{transport}, with the example plugin's source in the place of a provider's."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from courierx_app.asgi import create_app
from courierx_app.container import build
from courierx_app.settings import read
from courierx_core import entry_points, plugins
from courierx_core.courier import Courier
from courierx_core.delivery.model import Delivery
from courierx_core.errors import InvalidInput
from courierx_core.ports.feedback import FeedbackSource, HttpReply, HttpRequest
from courierx_core.testing.store_samples import add_tenant, new_message

PIGEON = Path(__file__).parents[2] / "docs/examples/courierx-pigeon/src"
SECRET = "coo-coo"
POINTS = {
    "courierx.transports": ("pigeon", "courierx_pigeon.transport:PigeonTransport"),
    "courierx.feedback": ("pigeon", "courierx_pigeon.feedback:PigeonFeedback"),
}


@pytest.fixture
def courier(tmp_path: Path, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Courier]:
    """The assembled system with two instances of the example's transport, installed by its files alone."""
    installed = entry_points.entry_points

    def also(group: str) -> list[EntryPoint]:
        found = installed(group)
        if group in POINTS and all(point.name != "pigeon" for point in found):
            name, value = POINTS[group]
            found = [*found, EntryPoint(name, value, group)]
        return found

    monkeypatch.setattr(plugins, "entry_points", also)
    monkeypatch.syspath_prepend(str(PIGEON))
    (tmp_path / "courierx.toml").write_text(
        '[transports.eu]\ndriver = "pigeon"\nwebhook_secret = "other"\n[transports.pigeon]\n'
    )
    given = {**environ, "PIGEON_TOKEN": "t", "PIGEON_WEBHOOK_SECRET": SECRET, "COURIERX_TRANSPORT": "pigeon"}
    made = build(read(tmp_path, given))
    yield made
    made.close()
    for name in [name for name in sys.modules if name.startswith("courierx_pigeon")]:
        del sys.modules[name]


@pytest.fixture
def tenant_id(courier: Courier) -> int:
    return add_tenant(courier.store)


@pytest.fixture
def client(api: Callable[..., TestClient[Litestar]]) -> TestClient[Litestar]:
    return api()


@pytest.fixture
def delivery(courier: Courier, tenant_id: int) -> Delivery:
    with courier.store.begin(tenant_id) as unit:
        return unit.deliveries.add(new_message(unit, transport="pigeon"), ["ann@x.example"])[0]


def letter(courier: Courier, delivery: Delivery, event: str = "returned", number: int = 1) -> bytes:
    reference = courier.tokens.mint("send", delivery.tenant_id, delivery.id)
    at = datetime(2026, 1, 31, tzinfo=timezone.utc).isoformat()
    told = {"id": f"e{number}", "type": f"letter.{event}", "why": "moved", "reference": reference, "at": at}
    return json.dumps({"events": [told]}).encode()


def tell(client: TestClient[Litestar], body: bytes, to: str = "pigeon", secret: str = SECRET) -> Any:
    from courierx_pigeon.feedback import signature  # type: ignore[import-not-found]

    stamp = str(int(datetime.now(timezone.utc).timestamp()))
    headers = {"Pigeon-Signature": f"t={stamp},v1={signature(secret, stamp, body)}"}
    return client.post(f"/events/{to}", content=body, headers=headers)


def test_a_signed_word_lands_once(
    client: TestClient[Litestar], courier: Courier, delivery: Delivery, tenant_id: int
) -> None:
    body = letter(courier, delivery)
    answers = [tell(client, body) for _ in range(2)]
    assert [each.status_code for each in answers] == [200, 200]
    assert answers[0].json() == {"status": "bounced", "new": 1, "known": 0, "unmatched": 0}
    assert answers[1].json() == {"status": "bounced", "new": 0, "known": 1, "unmatched": 0}
    with courier.store.begin(tenant_id) as unit:
        assert unit.deliveries.get(delivery.id).state == "bounced"
        assert [each.cause for each in unit.suppressions.list()] == ["hard_bounce"]
        (event,) = unit.events.list()
    assert event.raw["why"] == "moved"


@pytest.mark.parametrize("to", ["eu", "pigeon"])
def test_each_instance_believes_its_own_secret(
    client: TestClient[Litestar], courier: Courier, delivery: Delivery, to: str
) -> None:
    body = letter(courier, delivery, "delivered")
    secrets = {"eu": "other", "pigeon": SECRET}
    assert tell(client, body, to, secrets[to]).json()["status"] == "delivered"
    for wrong in {*secrets.values(), ""} - {secrets[to]}:
        assert tell(client, body, to, wrong).status_code == 403


def test_what_is_not_signed_changes_nothing(
    client: TestClient[Litestar], courier: Courier, delivery: Delivery, tenant_id: int
) -> None:
    body = letter(courier, delivery)
    assert client.post("/events/pigeon", content=body).status_code == 403
    assert client.post("/events/pigeon").status_code == 403
    with courier.store.begin(tenant_id) as unit:
        assert unit.deliveries.get(delivery.id).state == "queued"
        assert unit.events.list() == []


def test_junk_that_is_signed_is_a_400(client: TestClient[Litestar]) -> None:
    for body in (b"", b"[]", b"{}", b'{"events": [{}]}', b"\xff", b"[" * 5000):
        assert tell(client, body).status_code == 400


def test_a_body_past_the_cap_is_a_413(client: TestClient[Litestar]) -> None:
    assert tell(client, b" " * ((1 << 20) + 1)).status_code == 413


@pytest.mark.parametrize("to", ["mock", "smtp", "nothing", "pigeon2"])
def test_only_a_configured_source_listens(client: TestClient[Litestar], to: str) -> None:
    assert client.post(f"/events/{to}", content=b"{}").status_code == 404


def test_what_fits_no_delivery_is_told(
    client: TestClient[Litestar], courier: Courier, delivery: Delivery
) -> None:
    body = letter(courier, delivery).replace(b'"reference": "', b'"reference": "z')
    assert tell(client, body).json() == {"status": "bounced", "new": 0, "known": 0, "unmatched": 1}


class Handshake(FeedbackSource[Any]):
    def answer(self, request: HttpRequest) -> HttpReply | None:
        if b"junk" in request.body:
            raise InvalidInput.of("", "junk", "is junk")
        return HttpReply(status=202, body=request.query["challenge"].encode())

    def verify(self, request: HttpRequest) -> None:
        assert request.headers["x-thing"] == "Value"

    def parse(self, request: HttpRequest) -> list[Any]:
        raise AssertionError("a handshake is no event")


def test_a_handshake_is_answered(courier: Courier) -> None:
    import msgspec

    from courierx_app.settings import Settings

    source = Handshake("shake", None, courier.runtime)
    with TestClient(
        create_app(msgspec.structs.replace(courier, feedback={"shake": source}), Settings())
    ) as web:
        answer = web.post("/events/shake?challenge=abc", content=b"", headers={"X-Thing": "Value"})
        assert (answer.status_code, answer.text) == (202, "abc")
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        assert web.post("/events/shake", content=b"junk", headers={"X-Thing": "Value"}).status_code == 400
