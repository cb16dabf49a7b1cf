"""Every operation x what a key may do: without its scope 403, without a key that works 401 (T03, T04)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import msgspec
import pytest
from litestar import Litestar, get
from litestar.testing import TestClient

from courierx_app.api import bad_keys
from courierx_app.api.scopes import check_scopes, needs
from courierx_core.access import service as access
from courierx_core.access.model import ApiKey, shown
from courierx_core.courier import Courier
from courierx_core.errors import InvalidInput, PluginError
from courierx_core.ports.limiter import Rate
from courierx_core.scopes import ABOVE_TENANTS, PLATFORM, SCOPES, allowed
from tests.app.operations import NOBODYS, Operation, operations_of

Client = TestClient[Litestar]

PUBLIC = {
    "GET /health", "HEAD /health", "GET /health/live", "HEAD /health/live", "GET /health/ready",
    "HEAD /health/ready", "GET /docs", "GET /docs/docs.css", "GET /docs/docs.js", "GET /openapi.json",
    "GET /redoc", "POST /events/{transport}", "GET /v/{token}", "HEAD /v/{token}",
    "GET /u/{token}", "HEAD /u/{token}", "POST /u/{token}", "GET /p/{token}", "HEAD /p/{token}",
    "POST /p/{token}", "GET /confirm/{token}", "HEAD /confirm/{token}", "POST /confirm/{token}",
    "GET /subscribe/{list_id}", "HEAD /subscribe/{list_id}", "POST /subscribe/{list_id}",
    "GET /subscription/{mailing}/{person}", "HEAD /subscription/{mailing}/{person}",
    "POST /subscription/{mailing}/{person}",
}  # fmt: skip
"""What answers without a key, and why each may: it names no tenant and shows nobody's data. A provider's
events are signed, and so are the tokens of the links in a mail; an old link of another system is a number
that nobody guesses."""
SIGNED = {name for name in PUBLIC if "{" in name}

BODIES = {"POST /keys": b'{"scopes": ["keys:write"]}'}
"""Where an empty body asks for more than the key may give."""


def asked(client: Client, operation: Operation, key: str) -> int:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    content = BODIES.get(str(operation), b"{}") if operation.method in ("POST", "PATCH", "PUT") else None
    answer = client.request(operation.method, operation.at(), headers=headers, content=content)
    if answer.status_code == 403:
        assert answer.json()["code"] == "forbidden"
    return int(answer.status_code)


def test_the_public_routes_are_a_closed_list(api: Callable[..., Client]) -> None:
    client = api()
    assert {str(each) for each in operations_of(client.app) if each.public} == PUBLIC


def test_a_key_does_what_its_scopes_say_and_nothing_else(
    api: Callable[..., Client], courier: Courier, tenant_id: int
) -> None:
    client = api()
    keys: dict[str, tuple[str, str]] = {}
    for scope in SCOPES:
        others = [each for each in SCOPES if each != scope]
        made = [access.create_key(courier.store, scopes=scopes)[1] for scopes in ([scope], others)]
        keys[scope] = (made[0], made[1])
    everything_of_a_tenant = access.create_key(courier.store, tenant_id=tenant_id)[1]
    seen = 0
    for operation in operations_of(client.app):
        if operation.public:
            continue
        if not operation.scope:
            assert asked(client, operation, keys[PLATFORM][0]) not in (401, 403), operation
            continue
        only, all_but = keys[operation.scope]
        assert asked(client, operation, all_but) == 403, operation
        assert asked(client, operation, only) not in (401, 403), operation
        refused = asked(client, operation, everything_of_a_tenant) == 403
        assert refused is (operation.scope in ABOVE_TENANTS), operation
        seen += 1
    assert seen >= 25


def test_without_a_key_that_works_every_operation_is_a_401(
    api: Callable[..., Client], courier: Courier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bad_keys, "RATE", Rate(1_000_000))
    client = api()
    now = courier.runtime.now()
    past = access.create_key(
        courier.store, expires_at=now - timedelta(seconds=1), now=now - timedelta(days=1)
    )[1]
    revoked, gone = access.create_key(courier.store)
    access.revoke_key(courier.store, revoked.id)
    for operation in operations_of(client.app):
        if operation.public:
            answer = asked(client, operation, "")
            assert answer == 404 if str(operation) in SIGNED else answer < 400, operation
            continue
        for key in ("", past, gone, f"cx_{NOBODYS[:18]}_x"):
            assert asked(client, operation, key) == 401, (operation, key[:6])


def test_a_route_that_says_nothing_about_keys_does_not_start(api: Callable[..., Client]) -> None:
    @get("/open", sync_to_thread=False)
    def careless() -> str:
        return "everything"

    @get("/odd", opt={"scope": "everything"}, sync_to_thread=False)
    def odd() -> str:
        return "everything"

    for handler in (careless, odd):
        with pytest.raises(PluginError, match="GET /o"):
            check_scopes(Litestar([handler], openapi_config=None))
    with pytest.raises(ValueError, match="fly"):
        needs("fly")
    check_scopes(api().app)


def test_no_scopes_are_all_that_the_kind_of_key_can_have() -> None:
    assert allowed((), platform=True) == set(SCOPES)
    assert allowed((), platform=False) == set(SCOPES) - ABOVE_TENANTS
    assert allowed(["lists:read", PLATFORM], platform=False) == {"lists:read"}


def test_a_tenants_key_cannot_stand_above_tenants(courier: Courier, tenant_id: int) -> None:
    with pytest.raises(InvalidInput, match="above tenants"):
        access.create_key(courier.store, tenant_id=tenant_id, scopes=[PLATFORM])


def test_a_status_is_no_way_round_the_scope_to_send(
    client: Client, api: Callable[..., Client], courier: Courier, tenant_id: int
) -> None:
    body = {"tenant_id": tenant_id, "name": "n", "subject": "s", "text": "t", "from_email": "a@b.example"}
    path = f"/campaigns/{client.post('/campaigns', json=body).json()['id']}"
    client.post("/subscribers", json={"tenant_id": tenant_id, "email": "a@x.example"})
    assert client.post(f"{path}/send-now").status_code == 200
    writer = api(access.create_key(courier.store, scopes=["campaigns:write"])[1])
    assert writer.patch(path, json={"status": "cancelled"}).status_code == 403
    assert client.get(path).json()["status"] == "sending"


# --- rotation


def test_a_rotated_key_works_on_for_its_overlap(
    client: Client, api: Callable[..., Client], courier: Courier, tenant_id: int
) -> None:
    old = client.post("/keys", json={"tenant_id": tenant_id, "name": "ci", "scopes": ["lists:read"]}).json()
    before = courier.runtime.now()
    answer = client.post(f"/keys/{old['id']}/rotate?overlap_seconds=600")
    after = courier.runtime.now()
    assert answer.status_code == 201, answer.text
    new = answer.json()
    assert (new["name"], new["scopes"], new["tenant_id"]) == ("ci", ["lists:read"], tenant_id)
    for text in (old["key"], new["key"]):
        assert api(text).get("/me").json()["scopes"] == ["lists:read"]
    for at, works in ((before + timedelta(seconds=599), True), (after + timedelta(seconds=601), False)):
        assert (access.authenticate(courier.store, old["key"], at) is not None) is works
    assert access.authenticate(courier.store, new["key"], after + timedelta(days=9999)) is not None


def test_without_an_overlap_the_old_key_ends_at_once(client: Client, api: Callable[..., Client]) -> None:
    old = client.post("/keys", json={}).json()
    new = client.post(f"/keys/{old['id']}/rotate?overlap_seconds=0").json()
    assert api(old["key"]).get("/me").status_code == 401
    assert api(new["key"]).get("/me").status_code == 200
    assert client.post(f"/keys/{old['id']}/rotate").status_code == 409
    assert client.post(f"/keys/{new['id']}/rotate?overlap_seconds=-1").status_code == 422
    assert client.post("/keys/999/rotate").status_code == 404


def test_a_rotation_never_lengthens_the_old_key_and_keeps_its_lifetime(courier: Courier) -> None:
    now = courier.runtime.now()
    old, _ = access.create_key(courier.store, expires_at=now + timedelta(hours=1), now=now)
    new, _ = access.rotate_key(courier.store, old.id, now=now)
    assert access.find_key(courier.store, old.id).expires_at == old.expires_at
    assert new.expires_at is not None
    assert abs(new.expires_at - now - timedelta(hours=1)) < timedelta(seconds=30)


def test_a_weaker_key_cannot_rotate_a_stronger_one(client: Client, api: Callable[..., Client]) -> None:
    strong = client.post("/keys", json={"scopes": ["lists:read", "keys:write"]}).json()
    weak = api(client.post("/keys", json={"scopes": ["keys:write"]}).json()["key"])
    assert weak.post(f"/keys/{strong['id']}/rotate").status_code == 403


@pytest.mark.parametrize("at", ["2001-01-01T00:00:00Z", "2999-01-01T00:00:00"])
def test_a_key_expires_later_and_at_a_known_moment(client: Client, at: str) -> None:
    answer = client.post("/keys", json={"expires_at": at})
    assert answer.status_code == 422
    assert [each["field"] for each in answer.json()["errors"]] == ["expires_at"]


def test_the_last_use_of_a_key_is_noted(client: Client, api: Callable[..., Client]) -> None:
    made = client.post("/keys", json={}).json()
    assert made["last_used_at"] is None
    api(made["key"]).get("/me")
    assert client.get("/keys").json()[0]["last_used_at"] is not None


def test_what_is_shown_of_a_key_holds_no_digest() -> None:
    assert set(shown(ApiKey())) == set(msgspec.structs.asdict(ApiKey())) - {"digest"}
