"""Nothing that is logged holds a key, a password, a body or a whole address (S18)."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from sqlalchemy.exc import SQLAlchemyError

from courierx_app.logs import TextLines
from courierx_app.redaction import redacted
from courierx_core.courier import Courier
from courierx_sql.tables import subscribers
from tests.app.tenants.probes import leaks
from tests.app.tenants.world import World

Client = TestClient[Litestar]
ADDRESS, NAME = "ann.lee@person.example", "Annabel-in-the-body"


@pytest.fixture
def written(caplog: pytest.LogCaptureFixture) -> Callable[[], str]:
    """Return what a process would have written by now."""
    caplog.set_level(logging.DEBUG, "courierx_core")
    caplog.set_level(logging.DEBUG, "courierx_app")
    formatter = TextLines()
    return lambda: "\n".join(map(formatter.format, caplog.records))


@pytest.mark.parametrize(
    ("said", "is_written"),
    [
        (f"mail to <{ADDRESS}> failed", "mail to <***@person.example> failed"),
        ("Ünü.çode@bücher.example, b+c@x.example", "***@bücher.example, ***@x.example"),
        ("key cx_12_aB-c_9 is wrong", "key cx_12_*** is wrong"),
        ("no postgresql://app:hunter2@db.example:5432/x", "no postgresql://app:***@db.example:5432/x"),
        ("redis://:hunter2@h.example", "redis://:***@h.example"),
        ("null\nDETAIL:  Failing row contains (1, Ann).\nx", "null\nDETAIL: ***\nx"),
        ("Authorization: Bearer abcdefgh.ijk", "Authorization: Bearer ***"),
        ("smtps://me:pa%40ss@relay.example:465/x", "smtps://me:***@relay.example:465/x"),
        ("GET /u/abcdefghijklmnop234567 failed", "GET /u/*** failed"),
        ("/by-email/ann%40x.example", "/by-email/***@x.example"),
        ("smtp://relay.example:587 answers", "smtp://relay.example:587 answers"),
        ("12 @ 14:00, a@b, https://x.example/@me", "12 @ 14:00, a@b, https://x.example/@me"),
    ],
)
def test_what_is_private_is_not_written(said: str, is_written: str) -> None:
    assert redacted(said) == is_written


def test_a_traceback_is_hidden_as_well() -> None:
    try:
        raise RuntimeError(f"what {ADDRESS} said")
    except RuntimeError:
        record = logging.makeLogRecord({"msg": "failed", "exc_info": sys.exc_info()})
    assert ADDRESS not in TextLines().format(record)


def test_every_process_logs_so() -> None:
    code = "import logging; from courierx_app import logs, settings; logs.configure(settings.Settings());"
    code += f"logging.getLogger('courierx_core.x').error('to %s', {ADDRESS!r})"
    root = str(Path(__file__).parents[3])
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root, check=True)
    assert "to ***@person.example" in ran.stderr


def test_an_error_of_the_store_tells_no_values(courier: Courier, tenant_id: int) -> None:
    values = {"email": ADDRESS, "first_name": NAME, "id": None}
    with courier.store.begin(tenant_id) as unit:
        rows = unit._rows  # type: ignore[attr-defined]
        with pytest.raises(SQLAlchemyError) as failed:
            rows.execute(rows.insert(subscribers).values(**values))
    assert NAME not in str(failed.value)
    assert ADDRESS not in str(failed.value)


def test_a_bug_is_logged_without_the_person_it_met(
    client: Client, tenant_id: int, written: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: object) -> Any:
        raise RuntimeError(f"cannot see to {ADDRESS}")

    monkeypatch.setattr("courierx_app.api.subscribers.email_of", broken)
    body = {"tenant_id": tenant_id, "email": ADDRESS, "first_name": NAME}
    assert client.post("/subscribers", json=body).status_code == 500
    assert client.get(f"/subscribers/by-email/{ADDRESS}?tenant_id={tenant_id}").status_code == 500
    assert "GET /subscribers/by-email/{email}" in written()
    assert ADDRESS not in written()
    assert NAME not in written()


def test_whatever_is_asked_nothing_private_is_logged(
    world_on: Callable[[str], World], environ: dict[str, str], written: Callable[[], str]
) -> None:
    """Every operation, with bodies and ids that fit and that do not."""
    world = world_on(environ["DATABASE_URL"])
    assert list(leaks(world)) == []
    for key in (*world.keys.values(), world.platform_key):
        assert key not in written()
    assert "-new@x.example" not in written()
