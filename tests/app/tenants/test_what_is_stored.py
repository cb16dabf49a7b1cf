"""What the rows hold after everything was asked once: no secret (S13), and nothing that the Host header said
(S16). On both stores."""

from __future__ import annotations

from tests.app.tenants.test_audit_trail import asked
from tests.app.tenants.world import World

EVIL = "evil.example"
SAID = {
    "Host": EVIL,
    "X-Forwarded-Host": EVIL,
    "Forwarded": f"host={EVIL};proto=https",
    "X-Original-URL": f"https://{EVIL}/",
    "Origin": f"https://{EVIL}",
    "Referer": f"https://{EVIL}/",
}


def test_a_dump_holds_no_key_and_no_secret(world: World) -> None:
    headers = {"Authorization": f"Bearer {world.keys[world.ours]}", "Idempotency-Key": "once"}
    made = world.client.post("/keys", json={"scopes": ["lists:read"]}, headers=headers).json()
    again = {**headers, "Idempotency-Key": "twice"}
    rotated = world.client.post(f"/keys/{made['id']}/rotate", headers=again).json()
    with world.courier.store.begin(world.ours, write=False) as unit:
        domains = unit.domains.list()
    assert domains
    dump = repr([world.rows(tenant) for tenant in (0, world.ours, world.theirs)])
    texts = [world.platform_key, *world.keys.values(), made["key"], rotated["key"]]
    for text in texts:
        assert text.split("_", 2)[2] not in dump  # the secret, after `cx` and a number
    assert "PRIVATE KEY" not in dump
    revoked = world.client.delete(f"/keys/{rotated['id']}", headers=headers)
    assert revoked.status_code == 204
    used = {"Authorization": f"Bearer {rotated['key']}"}
    assert world.client.get("/me", headers=used).status_code == 401


def test_no_answer_and_no_row_repeats_a_host_that_was_said(world: World) -> None:
    world.client.headers.update(SAID)
    for op in world.operations:
        if op.path == "/send/send-test" or op.method == "DELETE":
            continue
        answer = asked(world, op)
        assert EVIL not in answer.text, str(op)
        assert [name for name, value in answer.headers.items() if EVIL in value] == [], str(op)
    for path in ("/docs", "/redoc", "/openapi.json", f"/subscribe/{world.ids[world.ours]['list']}"):
        answer = world.client.get(path, follow_redirects=False)
        assert EVIL not in answer.text + str(answer.headers), path
    assert EVIL not in repr([world.rows(tenant) for tenant in (0, world.ours)])
