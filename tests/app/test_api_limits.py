"""Whoever tries keys that don't work waits; only trusted proxies are believed (S16)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar import Litestar
from litestar.testing import TestClient

from courierx_app import asgi
from courierx_app.api import bad_keys
from courierx_app.api.bad_keys import BadKeys
from courierx_app.client_address import client_address, networks, source
from courierx_app.settings import Configuration, read
from courierx_core.access import service as access
from courierx_core.courier import Courier
from courierx_core.errors import ConfigError
from courierx_core.ports.limiter import Grant, Limiter, Rate

Client = TestClient[Litestar]

STRANGER = ("203.0.113.9", 4711)
PROXY = ("10.1.2.3", 80)


def tried(client: Client, key: str, **headers: str) -> Any:
    return client.get("/me", headers={"Authorization": f"Bearer {key}", **headers})


def statuses(client: Client, count: int, **headers: str) -> list[int]:
    return [
        tried(
            client, f"cx_{n}_wrong", **{name: value.format(n=n) for name, value in headers.items()}
        ).status_code
        for n in range(count)
    ]


@pytest.fixture
def behind(courier: Courier, configuration: Configuration) -> Callable[..., Client]:
    """Make a client whose requests come from an address, with settings of its own."""

    def client(whence: tuple[str, int], **settings: Any) -> Client:
        changed = msgspec.structs.replace(configuration.settings, **settings)
        app = asgi.create_app(courier, changed)

        async def asked(scope: Any, receive: Any, send: Any) -> None:
            await app({**scope, "client": whence} if scope["type"] == "http" else scope, receive, send)

        return TestClient(asked, raise_server_exceptions=False)  # type: ignore[arg-type]

    return client


# --- bad keys


def test_a_hundred_bad_keys_are_limited_whatever_they_say_about_their_origin(
    behind: Callable[..., Client],
) -> None:
    answered = statuses(behind(STRANGER), 100, **{"X-Forwarded-For": "198.51.100.{n}"})
    assert answered[: bad_keys.RATE.burst] == [401] * bad_keys.RATE.burst
    assert answered.count(429) >= 75
    assert set(answered) == {401, 429}


def test_the_answer_says_when_to_come_back(behind: Callable[..., Client]) -> None:
    client = behind(STRANGER)
    statuses(client, 40)
    refused = tried(client, "cx_1_wrong")
    assert refused.status_code == 429
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert refused.json()["code"] == "too_many_requests"
    assert refused.headers["content-type"] == "application/problem+json"


def test_while_it_waits_not_even_a_right_guess_is_told(
    behind: Callable[..., Client], platform_key: str
) -> None:
    client = behind(STRANGER)
    statuses(client, 40)
    assert tried(client, platform_key).status_code == 429


def test_a_key_that_worked_before_is_not_shut_out_by_its_neighbours(
    behind: Callable[..., Client], courier: Courier, platform_key: str
) -> None:
    client = behind(STRANGER)
    assert tried(client, platform_key).status_code == 200
    statuses(client, 40)
    assert tried(client, platform_key).status_code == 200
    access.revoke_key(courier.store, access.list_keys(courier.store)[0].id)
    assert tried(client, platform_key).status_code in (401, 429)
    assert tried(client, platform_key).status_code == 429


def test_behind_a_trusted_proxy_each_client_is_counted_by_itself(behind: Callable[..., Client]) -> None:
    client = behind(PROXY, trusted_proxies=("10.0.0.0/8",))
    assert statuses(client, 40, **{"X-Forwarded-For": "198.51.100.7"})[-1] == 429
    assert statuses(client, 1, **{"X-Forwarded-For": "198.51.100.8"}) == [401]
    # what the client itself put left of its address counts for nothing
    assert statuses(client, 1, **{"X-Forwarded-For": "1.1.1.1, 198.51.100.7"}) == [429]


class NeverAgain(Limiter[Any]):
    """Grants nothing for a second."""

    def take(self, key: str, want: int, rate: Rate) -> Grant:
        return Grant(0, 1.0)


def test_what_is_remembered_is_bounded_and_a_wait_ends(courier: Courier) -> None:
    now = [0.0]
    kept = BadKeys(NeverAgain("n", None, courier.runtime), lambda: now[0])
    for n in range(bad_keys._KEPT + 10):
        kept.worked(f"cx_{n}_x")
        assert kept.failed(f"host-{n}", "cx_0_y") == 1.0
    assert len(kept._worked) == len(kept._until) == bad_keys._KEPT
    last = f"host-{bad_keys._KEPT + 9}"
    assert kept.wait(last, "cx_0_y") == 1.0
    now[0] = 1.0
    assert kept.wait(last, "cx_0_y") == 0.0


# --- whose request it is


def scope(peer: str, *forwarded: str) -> dict[str, Any]:
    return {"client": (peer, 1), "headers": [(b"x-forwarded-for", each.encode()) for each in forwarded]}


@pytest.mark.parametrize(
    ("peer", "forwarded", "found"),
    [
        ("203.0.113.9", ["1.1.1.1"], "203.0.113.9"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["1.1.1.1"], "1.1.1.1"),
        ("10.0.0.1", ["6.6.6.6, 1.1.1.1, 10.9.9.9"], "1.1.1.1"),
        ("10.0.0.1", ["6.6.6.6", "1.1.1.1"], "1.1.1.1"),
        ("10.0.0.1", ["10.0.0.2, 10.0.0.3"], "10.0.0.2"),
        ("10.0.0.1", ["junk"], "junk"),
        ("testclient", ["1.1.1.1"], "testclient"),
        ("fd00::1", ["2001:db8::5"], "2001:db8::5"),
    ],
)
def test_the_nearest_address_that_is_not_a_proxys(peer: str, forwarded: list[str], found: str) -> None:
    assert client_address(scope(peer, *forwarded), networks(["10.0.0.0/8", "fd00::/8"])) == found


def test_without_a_peer_there_is_no_address() -> None:
    assert client_address({"client": None, "headers": []}, networks(["0.0.0.0/0"])) == ""


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("x" * 100, "x" * 64),
    ],
)
def test_what_is_counted_by(address: str, counted: str) -> None:
    assert source(address) == counted


@given(st.text(max_size=40), st.binary(max_size=60))
def test_any_header_gives_some_address(peer: str, forwarded: bytes) -> None:
    asked = {"client": (peer, 1), "headers": [(b"x-forwarded-for", forwarded)]}
    assert len(source(client_address(asked, networks(["0.0.0.0/0", "::/0"])))) <= 64


def test_a_wrong_network_does_not_start(tmp_path: Any) -> None:
    with pytest.raises(ConfigError, match=r"COURIERX_TRUSTED_PROXIES: '10\.0\.0\.0/99'"):
        read(tmp_path, {"COURIERX_TRUSTED_PROXIES": "10.0.0.0/99"})
