"""`courierx webhooks`: the same use cases as over HTTP."""

from __future__ import annotations

import json

from tests.app.test_cli import Cx, cx

__all__ = ["cx"]

URL = "https://hooks.acme.example/in"


def test_a_receiver_is_added_called_turned_off_and_deleted(cx: Cx) -> None:
    cx("tenants", "add", "Acme", "--email", "post@acme.example")
    cx("webhooks", "add", "https://127.0.0.1/in", status=1, err="url")
    cx("webhooks", "add", URL, "--type", "delivery.lost", status=1, err="delivery.lost")
    made = json.loads(cx("webhooks", "add", URL, "--type", "delivery.bounced", "--json"))
    assert (made["url"], made["types"], made["status"]) == (URL, ["delivery.bounced"], "enabled")
    assert made["secret"].startswith("whsec_")
    number = str(made["id"])
    (listed,) = json.loads(cx("webhooks", "list", "--json"))
    assert listed == {name: value for name, value in made.items() if name != "secret"}

    assert f"calls webhook {number}" in cx("webhooks", "test", number)
    (call,) = json.loads(cx("webhooks", "log", number, "--json"))
    assert (call["type"], call["state"], call["attempts"]) == ("webhook.test", "waiting", [])
    assert cx("webhooks", "log", number).split()[-5:] == ["waiting", "webhook.test", "-", "0", "-"]
    assert cx("webhooks", "log", number, "--state", "told").split() == [
        "CALL", "STATE", "TYPE", "EVENT", "TRIES", "LAST",
    ]  # fmt: skip
    cx("webhooks", "replay", number, "99", status=1, err="99")

    rotated = cx("webhooks", "rotate", number)
    assert "whsec_" in rotated
    assert made["secret"] not in rotated
    assert "is disabled" in cx("webhooks", "disable", number)
    cx("webhooks", "test", number, status=1, err="disabled")
    assert "is enabled" in cx("webhooks", "enable", number)
    assert "is deleted" in cx("webhooks", "delete", number)
    cx("webhooks", "log", number, status=1, err=number)
    assert cx("webhooks", "list").split() == ["ID", "STATUS", "URL", "WHY"]
