"""A campaign rehearsed on the real send path, with the mock transport and a temporary database."""

from __future__ import annotations

import io
import resource
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from courierx_app.container import opened
from courierx_app.demo import HTML, TEXT
from courierx_app.people import people
from courierx_app.sending import send_until_done
from courierx_app.settings import read
from courierx_core.campaigns import service as campaigns
from courierx_core.campaigns.model import Campaign
from courierx_core.campaigns.service import Report
from courierx_core.imports.spool import LineStream
from courierx_core.imports.steps import import_csv
from courierx_core.tenants.model import Tenant


class SimulationResult(msgspec.Struct, frozen=True):
    """What a rehearsal shows. Memory is this process's peak."""

    audience: int
    states: Mapping[str, int]
    render_errors: list[str]
    import_seconds: float
    seconds: float
    messages_per_second: float
    peak_memory_mb: float


def run_simulation(
    folder: Path,
    recipients: int,
    *,
    subject: str,
    html: str | None,
    mock: Mapping[str, float],
    secret: str,
    rows: Callable[[int], None] | None = None,
    show: Callable[[Report], None] | None = None,
) -> SimulationResult:
    """Import `recipients` made-up people and send them a campaign over the mock transport."""
    table = "".join(f"{key} = {value}\n" for key, value in mock.items())
    (folder / "courierx.toml").write_text(f'[transports.mock]\ndriver = "mock"\n{table}', "utf-8")
    environ = {
        "DATABASE_URL": f"sqlite:///{folder / 'courierx.db'}",
        "COURIERX_SECRET_KEY": secret,
        "COURIERX_PUBLIC_URL": "https://mail.example.com",
        "COURIERX_RETRY_SCHEDULE": ",".join(["1"] * 12),
    }
    with opened(read(folder, environ), migrate=True) as courier:
        with courier.store.platform() as platform:
            tenant_id = platform.tenants.add(Tenant(name="Simulation", contact_email="")).id
        began = time.monotonic()
        stream = io.BufferedReader(LineStream(people(recipients, lambda n: f"person{n}@example.com")))
        import_csv(courier, tenant_id, stream, progress=rows)
        import_seconds = time.monotonic() - began
        draft = Campaign(
            tenant_id=tenant_id,
            name="Simulation",
            subject=subject,
            html=HTML if html is None else html,
            text=TEXT if html is None else "",
            from_email="Simulation <news@example.com>",
        )
        with courier.store.begin(tenant_id) as unit:
            campaign = campaigns.create(courier, unit, draft)
        campaigns.start(courier, tenant_id, campaign.id)
        done = send_until_done(courier, tenant_id, campaign.id, show)
    report = done.report
    return SimulationResult(
        audience=report.audience,
        states=report.states,
        render_errors=[reason.reason for reason in report.reasons if reason.state == "failed"],
        import_seconds=round(import_seconds, 3),
        seconds=round(done.seconds, 3),
        messages_per_second=round(report.audience / done.seconds, 1) if done.seconds else 0.0,
        peak_memory_mb=round(_peak_memory_mb(), 1),
    )


def _peak_memory_mb() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20) if sys.platform == "darwin" else peak / 1024
