"""Where Redis is and how to reach it: a server, a socket, or whichever server Sentinel has in charge.

A client fails within seconds where Redis is away: whoever asks has work to do meanwhile.
"""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

import msgspec
from msgspec import Meta
from redis import Redis
from redis.backoff import NoBackoff
from redis.connection import parse_url
from redis.exceptions import RedisError
from redis.retry import Retry
from redis.sentinel import Sentinel, SentinelConnectionPool

from courierx_core.ports.driver import Config, Problem, Secret

CONNECT_SECONDS = 1.0
ANSWER_SECONDS = 2.0
AWAY_SECONDS = 1.0
"""How long a server that did not answer is not asked again."""
SENTINEL_PORT = 26379
TAKES = (
    "redis://user:password@host:6379/0, rediss:// for TLS, unix:///run/redis.sock, "
    "redis+sentinel://user:password@host:26379,host:26379/SERVICE/0"
)


class RedisConfig(Config, frozen=True, kw_only=True):
    """Which Redis."""

    url: Annotated[Secret, Meta(extra={"env": "REDIS_URL"}, examples=[TAKES])] = Secret(
        "redis://localhost:6379/0"
    )
    """Over TLS the certificate is always verified; `?ssl_ca_certs=FILE` names its authority. Sentinels that
    want a password of their own are given it by `?sentinel_password=`."""

    def __post_init__(self) -> None:
        parse(self.url)


class Address(msgspec.Struct, frozen=True):
    """A server's URL, or the sentinels that know it under `service`, and what its clients are told."""

    url: str
    sentinels: tuple[tuple[str, int], ...] = ()
    service: str = ""
    sentinel_password: str | None = None


def parse(url: Secret) -> Address:
    """Read an address. Raises ValueError, which never shows it: there may be a password in it."""
    try:
        address = _parsed(url.reveal().strip())
    except ValueError:
        raise ValueError(f"REDIS_URL is not the address of a Redis; it takes {TAKES}") from None
    return address


def connect(url: Secret) -> Redis:
    """Make a client of whoever is in charge; it connects when it is first used."""
    address = parse(url)
    patience: dict[str, Any] = {
        "socket_connect_timeout": CONNECT_SECONDS,
        "socket_timeout": ANSWER_SECONDS,
        "health_check_interval": 30,
        # Once, at once: a connection that was kept may have died with the server's last life.
        "retry": Retry(NoBackoff(), 1),
    }
    if not address.sentinels:
        return Redis.from_url(address.url, **patience)
    options = {**parse_url(address.url), **patience, "ssl": address.url.startswith("rediss:")}
    for name in ("host", "port", "connection_class"):
        options.pop(name, None)
    theirs = {name: value for name, value in options.items() if name not in ("db", "username", "password")}
    sentinel = Sentinel(
        address.sentinels, sentinel_kwargs={**theirs, "password": address.sentinel_password}, **options
    )
    client: Redis = sentinel.master_for(address.service)
    return client


def disconnect(client: Redis) -> None:
    """Close a client, and those of the sentinels that found its server."""
    client.close()
    if isinstance(client.connection_pool, SentinelConnectionPool):
        for sentinel in client.connection_pool.sentinel_manager.sentinels:
            sentinel.close()


def look(name: str, client: Redis, meanwhile: str) -> list[Problem]:
    """Say whether the server answers, and what happens while it does not."""
    try:
        client.ping()
    except RedisError as error:
        text = f"{name}: Redis does not answer ({type(error).__name__}); {meanwhile}"
        return [Problem("warning", "redis_away", text, "Start it, or correct REDIS_URL.")]
    return []


def _parsed(text: str) -> Address:
    parts = urlsplit(text)
    scheme, _, way = parts.scheme.partition("+")
    address = Address(text)
    if way:
        if way != "sentinel" or scheme not in ("redis", "rediss"):
            raise ValueError("no such scheme")
        user, at, hosts = parts.netloc.rpartition("@")
        service, _, database = parts.path.strip("/").partition("/")
        query = dict(parse_qsl(parts.query))
        password = query.pop("sentinel_password", None)
        parts = parts._replace(
            scheme=scheme, netloc=f"{user}{at}localhost", path=f"/{database}", query=urlencode(query)
        )
        sentinels = tuple(_host(each) for each in hosts.split(","))
        address = Address(parts.geturl(), sentinels, unquote(service), password)
        if not service:
            raise ValueError("the service is missing")
    options = parse_url(address.url)
    # redis-py takes a database that is not a number for database 0.
    number = "" if scheme == "unix" else parts.path.strip("/")
    if (number and not (number.isascii() and number.isdigit())) or not (
        options.get("host") or "path" in options
    ):
        raise ValueError("no host, or no database number")
    return address


def _host(text: str) -> tuple[str, int]:
    parts = urlsplit(f"//{text}")
    if not parts.hostname:
        raise ValueError("a sentinel's host is missing")
    return parts.hostname, parts.port or SENTINEL_PORT
