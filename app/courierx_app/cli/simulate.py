"""`courierx simulate`: the real send path against the mock transport, without a message leaving."""

from __future__ import annotations

import secrets
import tempfile
from pathlib import Path

import click

from courierx_app.cli.output import emit, json_option, states


@click.command()
@click.option("--recipients", type=click.IntRange(1, 100_000_000), default=100_000, show_default=True)
@click.option("--html", "html_file", type=click.Path(exists=True, path_type=Path), help="Your own template.")
@click.option("--subject", default="{{ first_name }}, news for {{ city }}", show_default=True)
@click.option("--per-second", type=click.IntRange(0), default=0, help="The transport's rate; 0 is no limit.")
@click.option("--latency-ms", type=click.FloatRange(0), default=0.0, help="How long an answer takes.")
@click.option("--deferred", type=click.FloatRange(0, 1), default=0.01, show_default=True, help="Their share.")
@click.option("--bounced", type=click.FloatRange(0, 1), default=0.01, show_default=True, help="Their share.")
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed, the same outcomes.")
@json_option
def simulate(
    recipients: int,
    html_file: Path | None,
    subject: str,
    per_second: int,
    latency_ms: float,
    deferred: float,
    bounced: float,
    seed: int,
    as_json: bool,
) -> None:
    """Rehearse a campaign: import, snapshot, ledger, rendering and retries for real, in a temporary
    database, with a transport that only pretends. Shows how long it takes and what would happen."""
    from courierx_app.cli.progress import Progress
    from courierx_app.simulation import run_simulation

    progress = Progress(quiet=as_json)
    with tempfile.TemporaryDirectory(prefix="courierx-simulate-") as folder:
        result = run_simulation(
            Path(folder),
            recipients,
            subject=subject,
            html=html_file.read_text("utf-8") if html_file else None,
            mock={
                "seed": seed,
                "latency_ms": latency_ms,
                "per_second": per_second,
                "deferred": deferred,
                "bounced": bounced,
            },
            secret=secrets.token_urlsafe(32),
            rows=progress.rows,
            show=progress.campaign,
        )
    progress.done()
    if as_json:
        emit(result)
        return
    click.echo(f"Imported {result.audience:,} people in {result.import_seconds:.1f} s.")
    rate = f"{result.messages_per_second:,.0f} messages a second"
    click.echo(f"Sent in {result.seconds:.1f} s on this machine: {rate}.")
    if per_second:
        click.echo(f"At {per_second} a second it takes at least {recipients / per_second / 60:,.1f} minutes.")
    click.echo(f"States: {states(result.states)}.")
    for error in result.render_errors:
        click.echo(f"cannot render: {error}")
    click.echo(f"Peak memory: {result.peak_memory_mb:.0f} MB.")
