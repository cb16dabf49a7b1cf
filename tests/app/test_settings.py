"""Settings: every name of the reference, what production refuses, and which store a URL means."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from courierx_app.container import build, chosen, chosen_names, default_transport, policy_of, public_url_of
from courierx_app.origins import origins
from courierx_app.secret_key import FILE, secret_keys
from courierx_app.settings import Configuration, Settings, read, refusals, store_of
from courierx_core.errors import ConfigError
from courierx_core.plugins import FEEDBACK
from courierx_core.ports.driver import Secret
from courierx_core.ports.limiter import Rate
from courierx_core.transports.warmup import Warmup

PRODUCTION = {"ENVIRONMENT": "production"}
SQLITE = {"DATABASE_URL": "sqlite:///x.db"}
TOPIC = "arn:aws:sns:eu-central-1:123456789012:courierx"


def settings(folder: Path, **environ: str) -> Settings:
    return read(folder, environ).settings


def refused(folder: Path, **environ: str) -> str:
    with pytest.raises(ConfigError) as caught:
        read(folder, environ)
    return str(caught.value)


def test_the_references_example_file_starts(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(
        "APP_NAME=CourierX\nENVIRONMENT=development\nAPI_VERSION=v1\n"
        "DATABASE_URL=postgresql+psycopg2://u:p@localhost:5432/courierx?sslmode=require\n"
        "REDIS_URL=redis://localhost:6379/0\nRQ_QUEUE_NAME=emails\nAWS_ACCESS_KEY_ID=\n"
        "AWS_SECRET_ACCESS_KEY=''\nAWS_REGION_NAME=ap-southeast-2\nSES_CONFIGURATION_SET=\n"
        f'SES_SENDER_EMAIL="no-reply@example.com"\nSNS_ALLOWED_TOPIC_ARNS={TOPIC}, {TOPIC}2\n'
        "SNS_VERIFY_SIGNATURES=true\nSNS_SKIP_SIGNATURE_VERIFICATION=false\nSNS_SIGNATURE_TIMEOUT_SECONDS=5\n"
        "ALLOWED_ORIGINS=http://localhost,http://localhost:3000\nRATE_LIMIT_PER_MINUTE=120\n"
    )
    made = settings(tmp_path)
    assert made.sender_email == "no-reply@example.com"
    sources = [each.config for each in chosen(read(tmp_path, SQLITE)) if each.slot is FEEDBACK]
    assert [each.allowed_topic_arns for each in sources] == [(TOPIC, f"{TOPIC}2")]  # type: ignore[attr-defined]
    assert made.allowed_origins == ("http://localhost", "http://localhost:3000")
    assert store_of(made.database_url) == (
        "postgresql",
        "postgresql://u:p@localhost:5432/courierx?sslmode=require",
    )


def test_nothing_set_is_a_developers_machine(tmp_path: Path) -> None:
    made = read(tmp_path, {})
    assert made.settings == Settings()
    assert default_transport(made) == "mock"
    assert public_url_of(made.settings) == "http://127.0.0.1:8000"


def test_the_environment_wins_over_dotenv_and_that_over_the_file(tmp_path: Path) -> None:
    (tmp_path / "courierx.toml").write_text('window = 1\nlease_seconds = 10\napp_name = "file"\n')
    (tmp_path / ".env").write_text("COURIERX_WINDOW=2\nCOURIERX_LEASE_SECONDS=20\n")
    made = settings(tmp_path, COURIERX_WINDOW="3", COURIERX_LEASE_SECONDS="")
    assert (made.window, made.lease_seconds, made.app_name) == (3, 20, "file")


@pytest.mark.parametrize(
    ("url", "name", "given"),
    [
        ("sqlite:///courierx.db", "sqlite", "sqlite:///courierx.db"),
        ("postgres://u:p@h/d", "postgresql", "postgresql://u:p@h/d"),
        (
            "postgresql://u:p@h/d?sslmode=verify-full",
            "postgresql",
            "postgresql://u:p@h/d?sslmode=verify-full",
        ),
        ("postgresql+psycopg://h/d", "postgresql", "postgresql://h/d"),
        ("POSTGRESQL+PSYCOPG2://h/d", "postgresql", "postgresql://h/d"),
        ("oracle+x://h/d", "oracle", "oracle://h/d"),
    ],
)
def test_a_database_url_names_its_store(url: str, name: str, given: str) -> None:
    assert store_of(Secret(url)) == (name, given)


@pytest.mark.parametrize("url", ["hunter2", "://hunter2", "sqlite:hunter2", "postgres://"])
def test_what_is_no_database_url_is_refused_unseen(tmp_path: Path, url: str) -> None:
    said = refused(tmp_path, DATABASE_URL=url)
    assert said.startswith("DATABASE_URL: got a value that is not shown")
    assert "hunter2" not in said


def test_every_wrong_setting_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "courierx.toml").write_text("windwo = 3\n[transports]\nsmtp = 5\n")
    said = refused(tmp_path, COURIERX_WINDOW="0", ENVIRONMENT="prod").splitlines()
    assert said == [
        "courierx.toml: windwo is not a setting; did you mean window?",
        "ENVIRONMENT: got 'prod'; it takes one of: development, staging, production",
        "COURIERX_WINDOW: got '0'; it takes a whole number from 1 to 10000",
        "courierx.toml: Expected `object`, got `int` - at `$.transports[...]`; "
        "drivers' tables look like [transports.NAME] and [queue]",
    ]


def test_a_file_that_is_no_toml_is_named(tmp_path: Path) -> None:
    (tmp_path / "courierx.toml").write_text("window =")
    assert f"{tmp_path}/courierx.toml cannot be read" in refused(tmp_path)


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({**PRODUCTION, "ALLOWED_ORIGINS": "*"}, "ALLOWED_ORIGINS"),
        ({"COURIERX_PUBLIC_URL": "mail.example.com"}, "COURIERX_PUBLIC_URL"),
    ],
)
def test_what_is_unsafe_refuses_to_start(tmp_path: Path, environ: dict[str, str], named: str) -> None:
    assert named in refused(tmp_path, **environ)


@pytest.mark.parametrize("switch", ["SNS_VERIFY_SIGNATURES=0", "SNS_SKIP_SIGNATURE_VERIFICATION=yes"])
def test_signatures_may_be_unchecked_in_development_only(tmp_path: Path, switch: str) -> None:
    name, _, value = switch.partition("=")
    given = {"DATABASE_URL": f"sqlite:///{tmp_path}/x.db", "COURIERX_SECRET_KEY": "k", name: value}
    build(read(tmp_path, given)).close()
    for environment in ("staging", "production"):
        with pytest.raises(ConfigError, match=name):
            build(read(tmp_path, {**given, "ENVIRONMENT": environment}))


def test_what_is_kept_is_kept_long_enough(tmp_path: Path) -> None:
    said = refused(tmp_path, COURIERX_RETENTION_DAYS="30", COURIERX_AUDIT_RETENTION_DAYS="364")
    assert "COURIERX_RETENTION_DAYS: got 30; it takes 0, or 31 or more" in said
    assert "COURIERX_AUDIT_RETENTION_DAYS: got 364; it takes 0, or 365 or more" in said


def test_dev_is_refused_in_production(tmp_path: Path) -> None:
    assert refusals(settings(tmp_path, **PRODUCTION)) == []
    assert "--dev" in refusals(settings(tmp_path, **PRODUCTION), dev=True)[0]


# --- transports


def transports(configuration: Configuration) -> dict[str, str]:
    found = chosen(configuration)
    return {each.name: each.driver_name for each in found if each.slot.group == "courierx.transports"}


def test_production_has_no_transport_by_itself(tmp_path: Path) -> None:
    assert default_transport(read(tmp_path, PRODUCTION)) == ""
    assert transports(read(tmp_path, PRODUCTION)) == {}


def test_a_drivers_name_alone_makes_one_instance(tmp_path: Path) -> None:
    made = read(tmp_path, {"COURIERX_TRANSPORT": "smtp", "SMTP_URL": "smtp://127.0.0.1:25"})
    assert transports(made) == {"smtp": "smtp"}


def test_named_transports_share_a_driver_and_differ_by_their_tables(tmp_path: Path) -> None:
    (tmp_path / "courierx.toml").write_text(
        '[transports.eu]\ndriver = "smtp"\nurl = "smtp://eu.example"\nper_second = 5\n'
        '[transports.us]\ndriver = "smtp"\n'
    )
    made = read(tmp_path, {"COURIERX_TRANSPORT": "eu", "SMTP_URL": "smtp://env.example"})
    found = {each.name: each.config for each in chosen(made)}
    assert default_transport(made) == "eu"
    assert found["eu"].url == Secret("smtp://eu.example")  # type: ignore[attr-defined]
    assert found["eu"].per_second == 5  # type: ignore[attr-defined]
    assert found["us"].url == Secret("smtp://env.example")  # type: ignore[attr-defined]
    assert chosen_names(made)["courierx.transports"] == {"smtp"}


def test_a_route_names_transports_and_may_be_the_default(tmp_path: Path) -> None:
    (tmp_path / "courierx.toml").write_text(
        'transport = "main"\n[transports.eu]\ndriver = "mock"\n'
        "[routes.main]\ntransports = { eu = 3, mock = 1 }\n"
    )
    made = read(tmp_path, {})
    assert default_transport(made) == "main"
    assert transports(made) == {"eu": "mock", "mock": "mock"}
    assert str(made.routes["main"]) == "eu 3, mock 1"


@pytest.mark.parametrize(
    ("route", "why"),
    [
        ("transports = { eu = 0 }", "got {'eu': 0}"),
        ("transports = { }", "a route needs at least one transport"),
        ('transports = { eu = 1 }\nfailover = ["eu"]', "eu is there again"),
        ("transports = { eu = 1, main = 1 }", "main is a route; a route takes transports"),
        ("transports = { eu = 1 }\nfail_over = 1", "did you mean failover?"),
    ],
)
def test_a_wrong_route_is_named(tmp_path: Path, route: str, why: str) -> None:
    (tmp_path / "courierx.toml").write_text(f'[transports.eu]\ndriver = "mock"\n[routes.main]\n{route}\n')
    with pytest.raises(ConfigError, match=r"\[routes.main\] of courierx.toml") as found:
        read(tmp_path, {})
    assert why in str(found.value)


def test_a_route_is_called_as_no_transport_is(tmp_path: Path) -> None:
    (tmp_path / "courierx.toml").write_text(
        '[transports.eu]\ndriver = "mock"\n[routes.eu]\ntransports = { mock = 1 }\n'
    )
    with pytest.raises(ConfigError, match="eu is a transport already"):
        read(tmp_path, {})


def test_domains_have_rates(tmp_path: Path) -> None:
    (tmp_path / "courierx.toml").write_text(
        '[rates]\n"Mail.Example" = "20/second"\n"b.example" = "5 / minute"\n'
    )
    found = policy_of(read(tmp_path, {})).domain_rates
    assert found == {"mail.example": Rate(20), "b.example": Rate(5, 60)}


def test_a_transport_is_warmed_up(tmp_path: Path) -> None:
    table = '[transports.eu]\ndriver = "mock"\n[warmup.eu]\nstart = 100\ngrowth = 30\n'
    (tmp_path / "courierx.toml").write_text(table)
    assert policy_of(read(tmp_path, {})).warmups == {"eu": Warmup(start=100, growth=30)}


@pytest.mark.parametrize(
    ("table", "wrong"),
    [
        ("[warmup.us]", r"\[warmup.us\] of courierx.toml: there is no \[transports.us\]"),
        ("[warmup.eu]\nfull = 10", "full is 10; it takes start, 50, or more"),
        ("[warmup.eu]\ngrowth = 0", "growth"),
        ("[warmup.eu]\nbegin = 5", "begin"),
    ],
)
def test_a_wrong_warmup_is_named(tmp_path: Path, table: str, wrong: str) -> None:
    (tmp_path / "courierx.toml").write_text(f'[transports.eu]\ndriver = "mock"\n{table}\n')
    with pytest.raises(ConfigError, match=wrong):
        read(tmp_path, {})


@pytest.mark.parametrize("line", ['"a.example" = "0/second"', '"a.example" = "20"', '"a..b" = "1/hour"'])
def test_a_wrong_rate_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "courierx.toml").write_text(f"[rates]\n{line}\n")
    with pytest.raises(ConfigError, match=r"\[rates\] of courierx.toml: a\..*it takes"):
        read(tmp_path, {})


def test_several_transports_and_no_choice_leave_the_default_open(tmp_path: Path) -> None:
    (tmp_path / "courierx.toml").write_text(
        '[transports.a]\ndriver = "mock"\n[transports.b]\ndriver = "mock"\n'
    )
    assert default_transport(read(tmp_path, {})) == ""
    (tmp_path / "courierx.toml").write_text('[transports.a]\ndriver = "mock"\n')
    assert default_transport(read(tmp_path, {})) == "a"


def test_feedback_sources_stand_alone_by_name_or_by_table(tmp_path: Path) -> None:
    (tmp_path / "courierx.toml").write_text(
        f'[feedback.acme]\ndriver = "sns"\ntenant_id = 3\nallowed_topic_arns = ["{TOPIC}3"]\n'
    )
    made = read(tmp_path, {"SNS_ALLOWED_TOPIC_ARNS": TOPIC})
    found = {each.name: each.config for each in chosen(made) if each.slot is FEEDBACK}
    assert found["sns"].allowed_topic_arns == (TOPIC,)  # type: ignore[attr-defined]
    assert found["acme"].allowed_topic_arns == (f"{TOPIC}3",)  # type: ignore[attr-defined]
    assert chosen_names(made)["courierx.feedback"] == {"sns"}
    with pytest.raises(ConfigError, match="no feedback source called 'nosuch'"):
        chosen(read(tmp_path, {"COURIERX_FEEDBACK": "sns,nosuch"}))


def test_every_drivers_problems_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "courierx.toml").write_text('[transports.a]\ndriver = "smtp"\nspeed = 1\n[queue]\nx = 1\n')
    with pytest.raises(ConfigError) as caught:
        chosen(read(tmp_path, {"COURIERX_LIMITER": "nosuch"}))
    said = str(caught.value)
    assert "[queue] of courierx.toml: x is not a setting" in said
    assert "no limiter called 'nosuch'; installed: local" in said
    assert "[transports.a] of courierx.toml: speed is not a setting" in said
    assert "SMTP_URL is not set (or url in [transports.a] of courierx.toml)" in said


# --- keys


def test_the_key_file_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    first = secret_keys(Settings(), tmp_path)
    assert secret_keys(Settings(), tmp_path) == first
    assert len(first[0]) >= 40
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == [FILE]


def test_the_setting_wins_over_the_file(tmp_path: Path) -> None:
    secret_keys(Settings(), tmp_path)
    assert secret_keys(Settings(secret_key=(Secret("new"), Secret("old"))), tmp_path) == ["new", "old"]


def test_production_without_a_key_refuses_and_makes_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="COURIERX_SECRET_KEY is not set"):
        build(read(tmp_path, {**PRODUCTION, "DATABASE_URL": f"sqlite:///{tmp_path}/x.db"}))
    assert not (tmp_path / FILE).exists()


def test_an_empty_key_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("# nothing\n")
    with pytest.raises(ConfigError, match="holds no key"):
        secret_keys(Settings(), tmp_path)


# --- config show


def test_show_names_the_source_and_hides_secrets(tmp_path: Path) -> None:
    (tmp_path / "courierx.toml").write_text('app_name = "Post"\n[transports.smtp]\nper_second = 7\n')
    (tmp_path / ".env").write_text("COURIERX_WINDOW=50\n")
    environ = {
        "DATABASE_URL": f"sqlite:///{tmp_path}/x.db",
        "COURIERX_SECRET_KEY": "hunter2",
        "SMTP_URL": "smtp://user:hunter2@mail.example:587?starttls=required",
    }
    found = {each.name: (each.value, each.source) for each in origins(read(tmp_path, environ))}
    assert found["APP_NAME"] == ("Post", "courierx.toml")
    assert found["COURIERX_WINDOW"] == ("50", ".env")
    assert found["COURIERX_SECRET_KEY"] == ("***", "environment")
    assert found["SMTP_URL"] == ("smtp://***@mail.example:587", "environment")
    assert found["transports.smtp.per_second"] == ("7", "courierx.toml")
    assert found["COURIERX_LEASE_SECONDS"] == ("60", "default")
    assert "hunter2" not in str(found)
