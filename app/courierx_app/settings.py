"""The application's own settings: every name, its type, and what production refuses.

A driver's settings are its own Config's business (`container.py` reads them from the same four places).
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from courierx_app.client_address import networks
from courierx_app.routing import read_rates, read_routes, read_warmups
from courierx_core import dotenv
from courierx_core.config import load, merged
from courierx_core.errors import ConfigError
from courierx_core.ports.driver import Secret
from courierx_core.ports.limiter import Rate
from courierx_core.transports.routes import Route
from courierx_core.transports.warmup import Warmup
from courierx_core.upkeep.model import AUDIT_DAYS_MIN, DAYS_MIN

FILE = "courierx.toml"
DOTENV = ".env"

Environment: TypeAlias = Literal["development", "staging", "production"]
_Seconds: TypeAlias = Annotated[float, Meta(gt=0)]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Read from defaults < courierx.toml < .env < environment; a blank value means unset."""

    app_name: Annotated[str, Meta(extra={"env": "APP_NAME"})] = "CourierX"
    environment: Annotated[Environment, Meta(extra={"env": "ENVIRONMENT"})] = "development"
    api_version: Annotated[str, Meta(extra={"env": "API_VERSION"})] = "v1"
    database_url: Annotated[
        Secret, Meta(extra={"env": "DATABASE_URL"}, examples=["postgresql://user:password@host/courierx"])
    ] = Secret("sqlite:///courierx.db")
    allowed_origins: Annotated[tuple[str, ...], Meta(extra={"env": "ALLOWED_ORIGINS"})] = (
        "http://localhost",
        "http://localhost:3000",
    )
    rate_limit_per_minute: Annotated[int, Meta(ge=1, extra={"env": "RATE_LIMIT_PER_MINUTE"})] = 120
    """What one key may ask in a minute of the routes that send at once."""
    trusted_proxies: Annotated[
        tuple[str, ...], Meta(extra={"env": "COURIERX_TRUSTED_PROXIES"}, examples=["10.0.0.0/8,fd00::/8"])
    ] = ()
    """The addresses and networks of your own proxies: X-Forwarded-For is believed from them alone."""

    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"], Meta(extra={"env": "COURIERX_LOG_LEVEL"})
    ] = "INFO"
    """Of our own lines; those of libraries are logged when something is wrong. DEBUG tells how each attempt
    ended."""
    log_format: Annotated[Literal["text", "json"], Meta(extra={"env": "COURIERX_LOG_FORMAT"})] = "text"
    """`json` is an object a line, with the ids it is about. Neither form shows keys, passwords or who an
    address belongs to."""
    sender_email: Annotated[str, Meta(extra={"env": "SES_SENDER_EMAIL"})] = ""
    """The From of a campaign whose tenant has no sender of its own."""
    transport: Annotated[str, Meta(extra={"env": "COURIERX_TRANSPORT"})] = ""
    """The default transport: a name of `[transports.NAME]` or `[routes.NAME]`, or a driver's. '' is mock in
    development and none elsewhere, unless courierx.toml has exactly one transport."""
    queue: Annotated[str, Meta(extra={"env": "COURIERX_QUEUE"})] = "embedded"
    limiter: Annotated[str, Meta(extra={"env": "COURIERX_LIMITER"})] = "local"
    resolver: Annotated[str, Meta(extra={"env": "COURIERX_RESOLVER"}, examples=["dns"])] = ""
    """What looks up sender domains; '' is nothing, and none can be verified."""
    feedback: Annotated[tuple[str, ...], Meta(extra={"env": "COURIERX_FEEDBACK"})] = ("sns",)
    """Feedback sources that belong to no one transport; each answers at `/events/NAME`."""
    disable_plugins: Annotated[tuple[str, ...], Meta(extra={"env": "COURIERX_DISABLE_PLUGINS"})] = ()
    require_plugins: Annotated[tuple[str, ...], Meta(extra={"env": "COURIERX_REQUIRE_PLUGINS"})] = ()
    """Hook plugins without which nothing starts. Any other that cannot be loaded is left out, and shown."""
    public_url: Annotated[
        str, Meta(extra={"env": "COURIERX_PUBLIC_URL"}, examples=["https://mail.example.com"])
    ] = ""
    secret_key: Annotated[tuple[Secret, ...], Meta(extra={"env": "COURIERX_SECRET_KEY"})] = ()
    """Newest first: the first signs and encrypts, all verify."""
    retry_schedule: Annotated[tuple[_Seconds, ...], Meta(extra={"env": "COURIERX_RETRY_SCHEDULE"})] = (
        60, 300, 900, 3600, 10800,
    )  # fmt: skip
    lease_seconds: Annotated[float, Meta(ge=5, extra={"env": "COURIERX_LEASE_SECONDS"})] = 60
    window: Annotated[int, Meta(ge=1, le=10_000, extra={"env": "COURIERX_WINDOW"})] = 200
    max_lateness_seconds: Annotated[_Seconds, Meta(extra={"env": "COURIERX_MAX_LATENESS_SECONDS"})] = 3600
    transactional_ttl: Annotated[_Seconds, Meta(extra={"env": "COURIERX_TRANSACTIONAL_TTL"})] = 86_400
    retention_days: Annotated[int, Meta(ge=0, extra={"env": "COURIERX_RETENTION_DAYS"})] = 0
    """How long deliveries and events are kept after their message is completed, and imports that are over: 31
    at least; 0 is for ever. Workers remove what is older once a day. Reports and links in mail stay."""
    audit_retention_days: Annotated[int, Meta(ge=0, extra={"env": "COURIERX_AUDIT_RETENTION_DAYS"})] = 0
    """How long the audit log is kept, 365 at least; 0 is for ever. Workers remove what is older each day."""
    return_path: Annotated[
        str, Meta(extra={"env": "COURIERX_RETURN_PATH"}, examples=["bounce.example.com"])
    ] = ""
    """Domain of the return paths, where its MX leads to `courierx inbound`; '' uses the From address."""
    unsubscribe_mail: Annotated[bool, Meta(extra={"env": "COURIERX_UNSUBSCRIBE_MAIL"})] = True
    """Offer a mailto: beside the https of List-Unsubscribe, where COURIERX_RETURN_PATH leads to us."""
    spf: Annotated[str, Meta(extra={"env": "COURIERX_SPF"}, examples=["include:_spf.relay.example.net"])] = ""
    """The SPF mechanisms of the hosts your mail leaves from; sender domains are asked to publish them where
    they are the envelope's sender."""
    inbound_addresses: Annotated[
        tuple[str, ...],
        Meta(extra={"env": "COURIERX_INBOUND_ADDRESSES"}, examples=["fbl@bounce.example.com"]),
    ] = ()
    """What `courierx inbound` takes beside return paths: where feedback loops send complaints to."""
    inbound_imap_url: Annotated[
        Secret,
        Meta(
            extra={"env": "COURIERX_INBOUND_IMAP_URL"},
            examples=["imaps://user:password@imap.example.com/INBOX"],
        ),
    ] = Secret("")
    """The mailbox that `courierx inbound --imap` reads: return paths and send ids in it are enough."""
    inbound_tls_chain: Annotated[str, Meta(extra={"env": "COURIERX_INBOUND_TLS_CHAIN"})] = ""
    """A PEM file: with it, and the key's, `courierx inbound` offers STARTTLS."""
    inbound_tls_key: Annotated[str, Meta(extra={"env": "COURIERX_INBOUND_TLS_KEY"})] = ""
    metrics_tenants: Annotated[int, Meta(ge=0, le=10_000, extra={"env": "COURIERX_METRICS_TENANTS"})] = 100
    """How many tenants `/metrics` tells apart, the oldest; the others are summed as `other`."""
    webhook_networks: Annotated[
        tuple[str, ...],
        Meta(extra={"env": "COURIERX_WEBHOOK_NETWORKS"}, examples=["10.0.0.0/8,127.0.0.1"]),
    ] = ()
    """Addresses and networks of your own that webhooks may lead to, over plain http too; all others must be
    public, over https."""
    operator_email: Annotated[str, Meta(extra={"env": "COURIERX_OPERATOR_EMAIL"})] = ""


class DriverTables(msgspec.Struct, frozen=True, kw_only=True):
    """The tables of courierx.toml that belong to drivers, unread."""

    transports: dict[str, dict[str, Any]] = {}
    feedback: dict[str, dict[str, Any]] = {}
    queue: dict[str, Any] = {}
    limiter: dict[str, Any] = {}
    resolver: dict[str, Any] = {}
    store: dict[str, Any] = {}
    routes: dict[str, dict[str, Any]] = {}
    """Read already: `Configuration.routes`."""
    rates: dict[str, str] = {}
    """Read already: `Configuration.rates`."""
    warmup: dict[str, dict[str, Any]] = {}
    """Read already: `Configuration.warmups`."""


class Configuration(msgspec.Struct, frozen=True, kw_only=True):
    """What one process was given: the settings, the drivers' tables, and the merged environment."""

    settings: Settings
    tables: DriverTables
    folder: Path
    environ: Mapping[str, str]
    """`.env` below the environment, blanks left out."""
    dotenv: Mapping[str, str]
    own_table: Mapping[str, Any]
    routes: Mapping[str, Route] = {}
    rates: Mapping[str, Rate] = {}
    """Recipients' domain -> what it is sent at most."""
    warmups: Mapping[str, Warmup] = {}
    """By the name of the transport."""


def read(folder: Path, environ: Mapping[str, str]) -> Configuration:
    """Read courierx.toml and .env of a folder, and the environment. Raises ConfigError with every problem."""
    table = _toml(folder / FILE)
    own = {key: value for key, value in table.items() if key not in DriverTables.__struct_fields__}
    theirs = {key: value for key, value in table.items() if key in DriverTables.__struct_fields__}
    lines = dotenv.read(folder / DOTENV)
    everything = merged(lines, environ)
    problems: list[str] = []
    try:
        settings = load(Settings, table=own, environ=everything, where=FILE)
    except ConfigError as problem:
        problems.append(str(problem))
    try:
        tables = msgspec.convert(theirs, DriverTables)
    except msgspec.ValidationError as problem:
        problems.append(f"{FILE}: {problem}; drivers' tables look like [transports.NAME] and [queue]")
    if not problems:
        problems = refusals(settings)
        routes = read_routes(tables.routes, tables.transports, FILE, problems)
        rates = read_rates(tables.rates, FILE, problems)
        warmups = read_warmups(tables.warmup, {*tables.transports, settings.transport}, FILE, problems)
    if problems:
        raise ConfigError("\n".join(problems))
    return Configuration(
        settings=settings,
        tables=tables,
        folder=folder,
        environ=everything,
        dotenv=lines,
        own_table=own,
        routes=routes,
        rates=rates,
        warmups=warmups,
    )


def refusals(settings: Settings, *, dev: bool = False) -> list[str]:
    """Say why these settings must not start: what is unsafe outside development, and what cannot work."""
    problems = []
    where = f"ENVIRONMENT={settings.environment}"
    if dev and settings.environment == "production":
        problems.append(f"--dev answers without a key and refuses to start with {where}")
    if settings.environment == "production" and "*" in settings.allowed_origins:
        problems.append(f"ALLOWED_ORIGINS: got '*'; with {where} it takes the origins by name")
    if settings.public_url and urlsplit(settings.public_url).scheme not in ("http", "https"):
        problems.append(f"COURIERX_PUBLIC_URL: got {settings.public_url!r}; it takes an http or https URL")
    for name, got, least in (
        ("COURIERX_RETENTION_DAYS", settings.retention_days, DAYS_MIN),
        ("COURIERX_AUDIT_RETENTION_DAYS", settings.audit_retention_days, AUDIT_DAYS_MIN),
    ):
        if 0 < got < least:
            problems.append(f"{name}: got {got}; it takes 0, or {least} or more")
    problems += _problem_of(lambda: networks(settings.trusted_proxies))
    problems += _problem_of(lambda: networks(settings.webhook_networks, "COURIERX_WEBHOOK_NETWORKS"))
    problems += _problem_of(lambda: store_of(settings.database_url))
    return problems


def _problem_of(read: Callable[[], object]) -> list[str]:
    try:
        read()
    except ConfigError as problem:
        return [str(problem)]
    return []


def store_of(database_url: Secret) -> tuple[str, str]:
    """Return the store's name and the URL it is given: `postgres://` and `postgresql+psycopg2://` are the
    store postgresql; the rest of the URL (sslmode included) stays. Raises ConfigError, without the URL."""
    scheme, mark, rest = database_url.reveal().partition("://")
    name = scheme.partition("+")[0].lower()
    if not (mark and name and rest):
        raise ConfigError(
            "DATABASE_URL: got a value that is not shown; it takes a URL such as sqlite:///courierx.db or "
            "postgresql://user:password@host/courierx"
        )
    name = "postgresql" if name == "postgres" else name
    return name, f"{name}://{rest}"


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as problem:
        raise ConfigError(f"{path} cannot be read: {problem}") from None
