"""`courierx inbound --pipe`: what an MTA's alias runs; any trouble of ours is EX_TEMPFAIL."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from courierx_app.cli.inbound import recipient
from courierx_app.cli.root import cli
from courierx_core.courier import Courier
from courierx_core.delivery.model import Delivery
from courierx_core.testing.store_samples import new_message

BOUNCE = b"From: postmaster@x.example\nSubject: failure notice\n\n<ann@x.example>:\n550 user unknown\n"


@pytest.fixture
def delivery(courier: Courier, tenant_id: int) -> Delivery:
    with courier.store.begin(tenant_id) as unit:
        return unit.deliveries.add(new_message(unit), ["ann@x.example"])[0]


def pipe(environ: dict[str, str], raw: bytes, *arguments: str, **variables: str) -> Result:
    return CliRunner().invoke(cli, ["inbound", "--pipe", *arguments], input=raw, env=environ | variables)


@pytest.fixture(autouse=True)
def _in_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_mail_is_taken_for_the_address_it_came_to(
    courier: Courier, delivery: Delivery, environ: dict[str, str]
) -> None:
    to = f"b-{courier.tokens.mint('verp', delivery.tenant_id, delivery.id)}@bounce.example.com"
    big = BOUNCE + b"x" * (3 << 20)
    first = pipe(environ, big, ORIGINAL_RECIPIENT=to)
    assert (first.exit_code, first.output.split()[-1]) == (0, "recorded")
    with courier.store.begin(delivery.tenant_id) as unit:
        assert unit.deliveries.get(delivery.id).state == "bounced"
    assert pipe(environ, big, "--to", to).output.split()[-1] == "repeated"


def test_what_is_not_ours_is_no_trouble_of_the_mta(environ: dict[str, str]) -> None:
    assert pipe(environ, b"\xff\0").exit_code == 0
    assert pipe(environ, BOUNCE, "--to", "someone@example.com").exit_code == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"DATABASE_URL": "sqlite:////nowhere/at/all.db"},
        {"DATABASE_URL": "nonsense"},
        {"COURIERX_WINDOW": "many"},
    ],
)
def test_any_trouble_of_ours_is_a_temporary_failure(environ: dict[str, str], wrong: dict[str, str]) -> None:
    ended = pipe(environ, BOUNCE, **wrong)
    assert ended.exit_code == 75
    assert "Traceback" not in ended.output


def test_the_mtas_variables_name_the_recipient() -> None:
    assert recipient({"ORIGINAL_RECIPIENT": "a@b", "RECIPIENT": "c@d"}) == "a@b"
    assert recipient({"RECIPIENT": "c@d"}) == "c@d"
    assert recipient({"LOCAL_PART": "e", "DOMAIN": "f"}) == "e@f"
    assert recipient({"LOCAL_PART": "e"}) == ""
