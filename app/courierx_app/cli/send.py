"""`courierx send`: a real campaign from a person's own files."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from courierx_app.cli.acting import acting
from courierx_app.cli.output import emit, json_option, states

if TYPE_CHECKING:
    from courierx_app.mailing import Prepared
    from courierx_core.campaigns.service import Report
    from courierx_core.messages.model import OnUncertain

INCOMPLETE = 3
"""Exit status when the campaign was paused or some deliveries are uncertain."""


@click.command()
@click.option("--csv", "csv_file", required=True, type=click.Path(path_type=Path), help="Who gets it.")
@click.option("--subject", required=True, help="The subject, a template.")
@click.option("--html", "html_file", type=click.Path(path_type=Path), help="The HTML part, a template.")
@click.option("--text", "text_file", type=click.Path(path_type=Path), help="The text part, a template.")
@click.option("--from", "sender", required=True, help='"Name <address>" or an address.')
@click.option("--reply-to", default="", help="Where answers go.")
@click.option("--name", default="", help="The campaign's name; by default a hash of the inputs.")
@click.option("--smtp-url", default="", help="smtp://user:pass@host:587; otherwise the configured transport.")
@click.option("--public-url", default="", help="The https address of a server on the same database.")
@click.option(
    "--unsubscribe", default="", metavar="URI", help="Your own https: or mailto: way to unsubscribe."
)
@click.option("--transactional", is_flag=True, help="No mailing: everybody expects this message.")
@click.option(
    "--on-uncertain",
    type=click.Choice(["hold", "resend"]),
    help="Let what is uncertain in the end wait for you (the default), or go out once more.",
)
@click.option("--yes", is_flag=True, help="Do not ask before sending.")
@json_option
def send(
    csv_file: Path,
    subject: str,
    html_file: Path | None,
    text_file: Path | None,
    sender: str,
    reply_to: str,
    name: str,
    smtp_url: str,
    public_url: str,
    unsubscribe: str,
    transactional: bool,
    on_uncertain: OnUncertain | None,
    yes: bool,
    as_json: bool,
) -> None:
    """Send a campaign from your own files: a preview, a question, progress and a report.

    The ledger is the configured database. Run the same command again to go on after an interruption:
    nobody gets two.
    """
    from courierx_app.cli.progress import Progress
    from courierx_app.container import opened
    from courierx_app.mailing import Mailing, prepare
    from courierx_app.sending import send_until_done
    from courierx_app.settings import read
    from courierx_core import adoption
    from courierx_core.errors import Conflict

    mailing = Mailing(
        csv=csv_file,
        subject=subject,
        html=_read(html_file),
        text=_read(text_file),
        sender=sender,
        reply_to=reply_to,
        name=name,
        unsubscribe="none" if transactional else unsubscribe,
        on_uncertain=on_uncertain or "",
    )
    environ = dict(os.environ)
    if smtp_url:
        environ |= {"SMTP_URL": smtp_url, "COURIERX_TRANSPORT": "smtp"}
    if public_url:
        environ["COURIERX_PUBLIC_URL"] = public_url
    progress = Progress(quiet=as_json)
    with opened(read(Path.cwd(), environ), migrate=True) as courier, acting():
        if why := adoption.check(courier):
            raise Conflict(f"{why}. {adoption.WAY_ON} Then run this command again.")
        prepared = prepare(courier, mailing, progress.rows)
        progress.done()
        if not as_json:
            _preview(prepared)
        if prepared.campaign.status in ("completed", "cancelled"):
            click.echo(f"It was {prepared.campaign.status} before; nothing is sent again.", err=True)
        else:
            prepared.check_transport(courier)
        if not prepared.started:
            if not yes and not click.confirm(f"Send to {prepared.audience:,} people?"):
                raise click.Abort
            prepared.start(courier)
        try:
            done = send_until_done(courier, prepared.tenant_id, prepared.campaign.id, progress.campaign)
        except KeyboardInterrupt:
            click.echo("\ncourierx: stopped; run the same command again to go on", err=True)
            raise
    progress.done()
    _report(done.report, as_json)


def _read(path: Path | None) -> str:
    from courierx_core.errors import InvalidInput

    if path is None:
        return ""
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise InvalidInput.of(str(path), "unreadable", error.strerror or str(error)) from None
    except UnicodeDecodeError:
        raise InvalidInput.of(str(path), "not_utf8", "is not UTF-8 text; save it as UTF-8") from None


def _preview(prepared: Prepared) -> None:
    imported = prepared.imported
    if imported.bad:
        click.echo(f"{imported.bad:,} lines of the CSV are not usable:")
        for bad in imported.errors[:5]:
            click.echo(f"  line {bad.line}: {bad.email or '(no address)'} {bad.reason}")
    click.echo(f"Campaign {prepared.campaign.id} {prepared.campaign.name!r}: {prepared.audience:,} people.")
    if prepared.sample:
        click.echo("The first of them gets:")
        for line in prepared.sample.splitlines()[:24]:
            click.echo(f"  {line}")
    for warning in prepared.warnings:
        click.echo(f"warning: {warning}")


def _report(report: Report, as_json: bool) -> None:
    from courierx_core.work import NEEDS_ADOPTION

    if as_json:
        emit(report)
    else:
        click.echo(f"Campaign {report.campaign_id} is {report.status}: {states(report.states)}.")
        if report.pause_reason:
            click.echo(f"It is paused: {report.pause_reason}")
            resume = f"campaigns resume {report.campaign_id}"
            way = "adopt" if report.pause_reason == NEEDS_ADOPTION else resume
            click.echo(f"When that is mended: courierx {way}")
        for reason in report.reasons:
            click.echo(f"  {reason.count:,} {reason.state}: {reason.reason or reason.example}")
    if report.status != "completed" or report.states.get("uncertain"):
        sys.exit(INCOMPLETE)
