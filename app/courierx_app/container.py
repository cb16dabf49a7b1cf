"""The one composition root: what the configuration names becomes a Courier."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec

from courierx_app import hookspecs
from courierx_app.secret_key import secret_keys
from courierx_app.settings import Configuration, Settings, store_of
from courierx_app.stand_in import STAND_INS, Broken, StandInFeedback
from courierx_core.config import env_names, load
from courierx_core.courier import Courier, Policy
from courierx_core.errors import ConfigError, CourierXError, PluginBroken
from courierx_core.hooks import Hooks
from courierx_core.mail.token import TokenKeys
from courierx_core.plugins import (
    FEEDBACK,
    LIMITERS,
    QUEUES,
    RESOLVERS,
    STORES,
    TRANSPORTS,
    Installed,
    Slot,
    installed,
    load_hooks,
)
from courierx_core.ports.driver import Config, Driver, Runtime
from courierx_core.secrets import SecretBox
from courierx_core.transports.own import OwnTransports

log = logging.getLogger(__name__)

STAND_IN = "courierx@sandbox.invalid"


class Chosen(msgspec.Struct, frozen=True):
    """A driver that the configuration names, with its settings; nothing of it has run yet."""

    slot: Slot[Any]
    name: str
    driver_name: str
    driver: type[Driver[Any]]
    config: Config
    where: str
    table: Mapping[str, Any]
    environ: Mapping[str, str]

    def make(self, runtime: Runtime) -> Any:
        """Make the driver, or what stands in where its code raises. Raises PluginBroken where nothing can."""
        try:
            return self.driver(self.name, self.config, runtime)
        except CourierXError:
            raise
        except Exception as problem:
            why = f"The {self.slot.word} {self.name!r} cannot be made: {type(problem).__name__}: {problem}"
            if self.slot.group not in STAND_INS:
                raise PluginBroken(why) from problem
            return STAND_INS[self.slot.group](self.name, Broken(why=why), runtime)


def build(configuration: Configuration) -> Courier:
    """Assemble one process, after any fork. Raises ConfigError with every wrong setting, PluginError."""
    settings = configuration.settings
    hooks = hooks_of(settings)
    drivers = chosen(configuration)
    keys = secret_keys(settings, configuration.folder)
    runtime = msgspec.structs.replace(runtime_of(configuration), secrets=SecretBox(keys))
    made: dict[str, dict[str, Any]] = {}
    for each in drivers:
        driver = made.setdefault(each.slot.group, {})[each.name] = each.make(runtime)
        if isinstance(driver.config, Broken):
            log.error("%s", driver.config.why)
    courier = Courier(
        store=_only(made, STORES),
        queue=_only(made, QUEUES),
        limiter=_only(made, LIMITERS),
        resolver=_only(made, RESOLVERS) if settings.resolver else None,
        transports=made.get(TRANSPORTS.group, {}),
        own_transports=OwnTransports(TRANSPORTS.load),
        routes=configuration.routes,
        feedback=made.get(FEEDBACK.group, {}),
        hooks=hooks,
        tokens=TokenKeys(keys),
        runtime=runtime,
        policy=policy_of(configuration),
    )
    try:
        courier.startup()
    except CourierXError:
        courier.close()
        raise
    return courier


@contextmanager
def opened(configuration: Configuration, *, migrate: bool = False) -> Iterator[Courier]:
    """Build, and close at the end. An empty SQLite or development database is brought up to date; with
    `migrate` any is. Raises ConfigError where the schema is missing, or an older version's."""
    courier = build(configuration)
    try:
        if migrate or (configuration.settings.environment == "development" and not courier.store.revision()):
            courier.store.upgrade()
        elif courier.store.outdated():
            at = courier.store.revision()
            was = f"schema {at}, older than this version needs" if at else "no schema yet"
            raise ConfigError(f"The database has {was}: run `courierx db upgrade`.")
        yield courier
    finally:
        courier.close()


def runtime_of(configuration: Configuration) -> Runtime:
    """Return what a driver is lent, without what encrypts: enough to check one."""
    return Runtime(
        environment=configuration.settings.environment,
        folder=configuration.folder,
        public_url=public_url_of(configuration.settings),
        environ=configuration.environ,
    )


def hooks_of(settings: Settings) -> Hooks:
    """Load the hook plugins with the core's and the application's specifications."""
    return load_hooks(disabled=settings.disable_plugins, required=settings.require_plugins, specs=[hookspecs])


def public_url_of(settings: Settings) -> str:
    """Return the address in links; on a developer's machine `courierx serve`'s own."""
    if not settings.public_url and settings.environment == "development":
        return "http://127.0.0.1:8000"
    return settings.public_url.rstrip("/")


def policy_of(configuration: Configuration) -> Policy:
    settings = configuration.settings
    return Policy(
        default_transport=default_transport(configuration),
        default_sender=default_sender(settings),
        operator_email=settings.operator_email,
        window=settings.window,
        lease_seconds=settings.lease_seconds,
        retry_schedule=settings.retry_schedule,
        transactional_ttl=settings.transactional_ttl,
        max_lateness=settings.max_lateness_seconds,
        return_path=settings.return_path,
        unsubscribe_mail=settings.unsubscribe_mail,
        spf=settings.spf,
        retention_days=settings.retention_days,
        audit_retention_days=settings.audit_retention_days,
        domain_rates=configuration.rates,
        warmups=configuration.warmups,
        webhook_networks=settings.webhook_networks,
    )


def default_sender(settings: Settings) -> str:
    """Return whom mail without a sender comes from; in development that is never nobody, so that a first
    campaign needs no setting. No relay takes mail from that domain (RFC 6761 section 6.4)."""
    return settings.sender_email or (STAND_IN if settings.environment == "development" else "")


def default_transport(configuration: Configuration) -> str:
    """Return the transport or route of a campaign that names none: the setting, else the only transport of
    the file, else mock in development; '' is none."""
    settings, tables = configuration.settings, configuration.tables.transports
    if settings.transport:
        return settings.transport
    if tables:
        return next(iter(tables)) if len(tables) == 1 else ""
    return "mock" if settings.environment == "development" else ""


def chosen_names(configuration: Configuration) -> dict[str, set[str]]:
    """Return group -> names of the drivers that the configuration names, whether they load or not."""
    settings = configuration.settings
    return {
        STORES.group: {store_of(settings.database_url)[0]},
        QUEUES.group: {settings.queue},
        LIMITERS.group: {settings.limiter},
        RESOLVERS.group: {settings.resolver} - {""},
        TRANSPORTS.group: {driver for driver, _ in transports_of(configuration).values()},
        FEEDBACK.group: {driver for driver, _ in sources_of(configuration).values()},
    }


def listing(configuration: Configuration) -> list[Installed]:
    """List every installed plugin, importing each to see whether it works."""
    return installed(
        chosen=chosen_names(configuration),
        disabled=configuration.settings.disable_plugins,
        specs=[hookspecs],
    )


def transports_of(configuration: Configuration) -> dict[str, tuple[str, dict[str, Any]]]:
    """Return name -> driver and settings of each transport: the file's, the routes' and the default."""
    named = [
        default_transport(configuration),
        *(n for each in configuration.routes.values() for n in each.names),
    ]
    return _instances(
        configuration.tables.transports, [each for each in named if each and each not in configuration.routes]
    )


def sources_of(configuration: Configuration) -> dict[str, tuple[str, dict[str, Any]]]:
    """Return the same of each feedback source that stands alone."""
    return _instances(configuration.tables.feedback, configuration.settings.feedback)


def _instances(
    tables: Mapping[str, dict[str, Any]], also: Sequence[str]
) -> dict[str, tuple[str, dict[str, Any]]]:
    """Read `[slot.NAME]` tables, whose `driver` is the name where it is not said."""
    given = {**tables, **{name: {} for name in also if name not in tables}}
    return {
        name: (str(table.get("driver", name)), {key: table[key] for key in table if key != "driver"})
        for name, table in given.items()
    }


def chosen(configuration: Configuration) -> list[Chosen]:
    """Load every driver that the configuration names, and its settings; all problems in one error."""
    settings, tables = configuration.settings, configuration.tables
    store, url = store_of(settings.database_url)
    wanted: list[tuple[Slot[Any], str, str, dict[str, Any]]] = [
        (STORES, "store", store, {**tables.store, "url": url}),
        (QUEUES, "queue", settings.queue, tables.queue),
        (LIMITERS, "limiter", settings.limiter, tables.limiter),
    ]
    if settings.resolver:
        wanted.append((RESOLVERS, "resolver", settings.resolver, tables.resolver))
    for slot, instances in ((TRANSPORTS, transports_of), (FEEDBACK, sources_of)):
        wanted += [(slot, name, *given) for name, given in instances(configuration).items()]
    drivers, problems = [], []
    for slot, name, driver_name, table in wanted:
        try:
            drivers.append(_chosen(slot, name, driver_name, table, configuration.environ))
        except CourierXError as problem:
            problems.append(str(problem))
    try:
        drivers += _feedback(drivers)
        problems += _twice(drivers)
    except CourierXError as problem:
        problems.append(str(problem))
    if problems:
        raise ConfigError("\n".join(problems))
    return drivers


def _feedback(drivers: Sequence[Chosen]) -> list[Chosen]:
    """Add the source of each transport whose driver has one of its name, with that transport's settings."""
    sources = FEEDBACK.names()
    return [_as_source(each) for each in drivers if each.slot is TRANSPORTS and each.driver_name in sources]


def _as_source(transport: Chosen) -> Chosen:
    driver = _load(FEEDBACK, transport.driver_name)
    if isinstance(driver, Broken):
        return msgspec.structs.replace(transport, slot=FEEDBACK, driver=StandInFeedback, config=driver)
    if isinstance(transport.config, Broken):
        driver = StandInFeedback
    return msgspec.structs.replace(transport, slot=FEEDBACK, driver=driver)


def _load(slot: Slot[Any], driver_name: str) -> type[Driver[Any]] | Broken:
    """Load a driver. Where its code is broken and something can stand in, say why."""
    try:
        return slot.load(driver_name)
    except PluginBroken as problem:
        if slot.group not in STAND_INS:
            raise
        return Broken(why=str(problem))


def _twice(drivers: Sequence[Chosen]) -> list[str]:
    """Say which sources have one URL between them."""
    names = [each.name for each in drivers if each.slot is FEEDBACK]
    return [
        f"[feedback.{name}] and [transports.{name}] both answer at /events/{name}: call one another name"
        for name in sorted({name for name in names if names.count(name) > 1})
    ]


def _chosen(
    slot: Slot[Any], name: str, driver_name: str, table: dict[str, Any], environ: Mapping[str, str]
) -> Chosen:
    driver = _load(slot, driver_name)
    named = {TRANSPORTS.group: "transports.", FEEDBACK.group: "feedback."}.get(slot.group, "")
    where = f"[{named}{name}] of courierx.toml"
    if isinstance(driver, Broken):
        return Chosen(slot, name, driver_name, STAND_INS[slot.group], driver, where, table, environ)
    if named and name != driver_name:
        # Two instances of one driver share its variables, so what the instance's own table says wins.
        theirs = {variable for field, variable in env_names(driver.Config).items() if field in table}
        environ = {key: value for key, value in environ.items() if key not in theirs}
    if slot is STORES:
        # The table has DATABASE_URL already, in the form the store is given.
        environ = {key: value for key, value in environ.items() if key != "DATABASE_URL"}
    config = load(driver.Config, table=table, environ=environ, where=where)
    return Chosen(slot, name, driver_name, driver, config, where, table, environ)


def _only(made: Mapping[str, Mapping[str, Any]], slot: Slot[Any]) -> Any:
    return next(iter(made[slot.group].values()))
