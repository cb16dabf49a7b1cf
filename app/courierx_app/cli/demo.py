"""`courierx demo`: the whole platform once, against a mail server of its own."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from courierx_app.cli.output import emit, json_option, table

if TYPE_CHECKING:
    from courierx_app.demo import DemoResult

MEANING = {
    "accepted": "the mail server has it",
    "delivered": "somebody opened it or clicked",
    "bounced": "refused for good: at once, or by a bounce that came back",
    "suppressed": "on the suppression list, so nothing was sent",
    "uncertain": "handed over, the answer was lost",
}


@click.command()
@click.option("--recipients", type=click.IntRange(1, 10_000_000), default=10_000, show_default=True)
@click.option("--keep", is_flag=True, help="Keep the folder with the database and what the server got.")
@json_option
def demo(recipients: int, keep: bool, as_json: bool) -> None:
    """Run the whole platform once, for real: a tenant, people from a CSV with bad lines, a suppression
    list, a personalised campaign over SMTP to a server in a process of its own, bounces that come back by the
    inbound listener, readers who open, click and unsubscribe, and a report that must agree with them all."""
    from courierx_app.cli.progress import Progress
    from courierx_app.demo import run_demo

    progress = Progress(quiet=as_json)
    folder = Path(tempfile.mkdtemp(prefix="courierx-demo-"))
    try:
        result = run_demo(folder, recipients, show=progress.campaign)
        progress.done()
        if as_json:
            emit(result.as_json())
        else:
            _tell(result)
            if keep:
                click.echo(f"Kept in {folder}")
    finally:
        if not keep:
            _remove(folder)
    if not result.adds_up:
        click.echo("courierx: the books disagree with the mail server, the bounces or the readers", err=True)
        sys.exit(1)


def _tell(result: DemoResult) -> None:
    imported = result.imported
    click.echo(f"Imported {imported.imported:,} people from a CSV; {imported.bad} bad lines were reported:")
    for line in imported.errors:
        click.echo(f"  line {line.line}: {line.reason}")
    click.echo()
    rows = [(state, f"{count:,}", MEANING.get(state, "")) for state, count in result.states.items()]
    table(("STATE", "PEOPLE", "MEANING"), [*rows, ("", f"{result.audience:,}", "the audience: everyone")])
    click.echo()
    for reason in result.report.reasons:
        if reason.example:
            click.echo(f"  {reason.count:,} {reason.state}: {reason.example}")
    sink = result.sink
    click.echo(
        f"The mail server holds {sink.messages:,} messages: {sink.lost} lost, {sink.duplicates} duplicates."
    )
    if result.returned:
        click.echo(f"Of these {result.returned:,} came back as bounces, through the inbound listener.")
    events = result.report.events
    for kind in ("opened", "clicked", "unsubscribed"):
        if kind in events:
            machines = events[kind].all - events[kind].human
            beside = f", and {machines:,} times by a scanner" if machines else ""
            click.echo(f"{kind.capitalize()} by {events[kind].people:,} people{beside}.")
    click.echo(f"Sent in {result.seconds:.1f} s, {result.messages_per_second:,.0f} messages a second.")


def _remove(folder: Path) -> None:
    import shutil

    shutil.rmtree(folder, ignore_errors=True)
