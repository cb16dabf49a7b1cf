"""Webhooks without a server (S04): signatures, which addresses may be called, when a call is tried again."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64decode, b64encode
from datetime import datetime, timedelta, timezone
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from courierx_core.errors import InvalidInput
from courierx_core.ports.driver import Secret, utcnow
from courierx_core.secrets import SecretBox
from courierx_core.webhooks import signing
from courierx_core.webhooks.model import (
    DISABLED_AFTER,
    OVERLAP,
    REST_SECONDS,
    RETRY_SECONDS,
    Attempt,
    Call,
    Webhook,
    answered,
    tried,
)
from courierx_core.webhooks.target import Refused, addresses, is_public, read_url

BOX = SecretBox(["one"])
NOW = utcnow()
HOOK = Webhook(id=1, tenant_id=1, url="https://x.example/")
CALL = Call(id=1, tenant_id=1, webhook_id=1, type="delivery.bounced", event_id=7)

PRIVATE = [
    "127.0.0.1", "127.1.2.3", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
    "0.0.0.0", "255.255.255.255", "224.0.0.1", "198.18.0.1", "240.0.0.1", "::1", "::", "fe80::1", "fc00::1",
    "fd00:ec2::254", "ff02::1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1",
    "64:ff9b:1::a00:1", "2002:7f00:1::", "2001:0:a00:1::", "fec0::1", "2001:db8::1",
]  # fmt: skip


def attempt(status: int, **fields: float) -> Attempt:
    return Attempt(at=NOW, seconds=0.1, status=status, **fields)  # type: ignore[arg-type]


def test_a_signature_is_that_of_standard_webhooks() -> None:
    # The test vector of the specification's reference libraries.
    secret = Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    at = datetime.fromtimestamp(1614265330, timezone.utc)
    headers = signing.headers([secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", at, b'{"test": 2432232314}')
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert headers["webhook-timestamp"] == "1614265330"


def test_a_rotated_secret_signs_beside_the_new_one_for_a_day() -> None:
    old, new, newest = (signing.new_secret() for _ in range(3))
    kept = signing.rotated(BOX, signing.sealed(BOX, old), new, NOW)
    assert signing.signing(BOX, kept, NOW) == [new, old]
    assert signing.signing(BOX, kept, NOW + OVERLAP) == [new]
    assert signing.signing(BOX, signing.rotated(BOX, kept, newest, NOW), NOW) == [newest, new]
    for secret, signature in zip(
        (new, old), signing.headers([new, old], "evt_1", NOW, b"x")["webhook-signature"].split(), strict=True
    ):
        key = b64decode(secret.reveal().removeprefix("whsec_"))
        signed = f"evt_1.{int(NOW.timestamp())}.x".encode()
        assert signature == "v1," + b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


@pytest.mark.parametrize("text", PRIVATE)
def test_what_is_not_public_is_refused_in_every_form(text: str) -> None:
    assert not is_public(ip_address(text))
    url = urlsplit("https://x.example/")
    with pytest.raises(Refused, match="no public address"):
        addresses(url, (), lambda host, port: [text])
    # one private address among public ones is enough: which of them is dialled is chance
    with pytest.raises(Refused):
        addresses(url, (), lambda host, port: ["93.184.216.34", text])
    written = f"[{text}]" if ":" in text else text
    with pytest.raises(InvalidInput, match="not public"):
        read_url(f"https://{written}/", ())


@pytest.mark.parametrize(
    "text", ["93.184.216.34", "2606:4700::1", "::ffff:93.184.216.34", "64:ff9b::5db8:d822"]
)
def test_what_is_public_may_be_called(text: str) -> None:
    assert addresses(urlsplit("https://x.example/"), (), lambda host, port: [text]) == [text]


@given(st.ip_addresses())
def test_an_address_in_an_ipv6_coat_is_judged_by_what_it_is(address: object) -> None:
    plain = ip_address(str(address))
    if plain.version == 4:
        for coat in ("::ffff:", "64:ff9b::"):
            assert is_public(ip_address(f"{coat}{plain}")) == is_public(plain)


def test_plain_http_leads_to_named_networks_only() -> None:
    networks = (ip_network("10.0.0.0/8"),)
    url = urlsplit("http://hooks.local:8080/in?x=1")
    assert addresses(url, networks, lambda host, port: ["10.1.2.3"]) == ["10.1.2.3"]
    for other in ("93.184.216.34", "127.0.0.1"):
        with pytest.raises(Refused):
            addresses(url, networks, lambda host, port, other=other: [other])  # type: ignore[misc]
    assert read_url(" http://10.1.2.3/ ", networks) == "http://10.1.2.3/"


@pytest.mark.parametrize(
    "text",
    [
        "", "x", "http://x.example/", "ftp://x.example/", "https://", "https://a:b@x.example/", "https://x:0/",
        "https://x:99999/", "https://x.example/#f", "https://x.example/a b", "https://x.example/é",
        "https://x.example/\r\nHost: y", "https://" + "x" * 2000, "https://[::1", "https://..example/",
    ],
)  # fmt: skip
def test_what_is_no_url_to_call_is_named(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_url(text, ())
    assert refused.value.problems[0].field == "url"


@given(st.text())
def test_no_text_breaks_the_look_at_a_url(text: str) -> None:
    try:
        read_url(f"https://{text}", ())
    except InvalidInput:
        return


def test_a_call_is_tried_over_days_and_given_up() -> None:
    call, total = CALL, 0.0
    for number in range(len(RETRY_SECONDS)):
        call, delay = tried(call, attempt(500))
        assert (call.state, len(call.attempts)) == ("waiting", number + 1)
        assert 0.8 * RETRY_SECONDS[number] <= delay <= 1.2 * RETRY_SECONDS[number]
        total += delay
    assert total > timedelta(days=2).total_seconds()
    assert tried(call, attempt(302))[0].state == "failed"
    assert tried(call, attempt(204))[0].state == "told"
    assert tried(CALL, attempt(410))[0].state == "failed"
    assert tried(CALL, attempt(429, retry_after=1000))[1] >= 800
    assert tried(CALL, attempt(429, retry_after=1e9))[1] <= 1.2 * 86400


def test_a_receiver_that_takes_nothing_rests_and_is_disabled_after_days() -> None:
    hook, pause = answered(HOOK, [attempt(500)], NOW)
    assert (hook.failures, hook.failing_since) == (1, NOW)
    assert pause <= 1.2 * REST_SECONDS[0]
    assert answered(hook, [attempt(500), attempt(200)], NOW)[0] == HOOK
    later, pause = answered(hook, [attempt(0)], NOW + DISABLED_AFTER - timedelta(seconds=1))
    assert (later.status, later.failing_since) == ("enabled", NOW)
    assert pause >= 0.8 * REST_SECONDS[1]
    ended, _ = answered(hook, [attempt(0)], NOW + DISABLED_AFTER)
    assert ended.status == "disabled"
    assert "has taken nothing since" in ended.disabled_reason
    gone, _ = answered(HOOK, [attempt(200), attempt(410)], NOW)
    assert (gone.status, gone.disabled_reason) == ("disabled", "The receiver answered 410: it is gone.")
