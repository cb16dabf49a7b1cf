"""`courierx inbound`: takes the mail that comes back."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

import click

from courierx_app.cli.opening import configuration, courier

EX_TEMPFAIL = 75
"""sysexits.h: whoever runs us keeps the mail and tries again."""


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="0.0.0.0 and :: are everywhere.")
@click.option("--port", default=2525, show_default=True, type=click.IntRange(0, 65535))
@click.option("--imap", is_flag=True, help="Read the mailbox of COURIERX_INBOUND_IMAP_URL instead.")
@click.option("--every", default=60.0, show_default=True, help="With --imap: seconds between two looks.")
@click.option("--once", is_flag=True, help="With --imap: look into it once.")
@click.option("--pipe", is_flag=True, help="Take one mail from standard input, for an alias of your MTA.")
@click.option("--to", default="", help="With --pipe: the address it came to; the MTA's variables by default.")
def inbound(host: str, port: int, imap: bool, every: float, once: bool, pipe: bool, to: str) -> None:
    """Take bounces, complaints and automatic answers, each noted at the delivery it is about.

    It listens for SMTP as the MX of COURIERX_RETURN_PATH, until SIGTERM. With --imap it empties a mailbox:
    a mail is deleted once it is stored, and left, marked as seen, where it says nothing about our mail. With
    --pipe it takes one mail: the exit status is 0 once that is stored or dropped, and 75 (EX_TEMPFAIL) for
    every trouble of ours, so that the MTA tries again and never answers the sender.
    """
    if imap and pipe:
        raise click.UsageError("--imap and --pipe are two ways in; choose one")
    if pipe:
        sys.exit(deliver(to or recipient(os.environ)))
    if imap:
        read_mailbox(every, once=once)
    else:
        listen(host, port)


def listen(host: str, port: int) -> None:
    """Serve SMTP until told to stop."""
    from courierx_app.cli.stopping import stop_on_signals
    from courierx_app.container import opened
    from courierx_app.inbound.intake import Intake
    from courierx_app.inbound.listener import Listener, host_name, tls_of
    from courierx_app.listening import bind
    from courierx_app.logs import configure
    from courierx_app.parent import follow_parent

    made = configuration()
    configure(made.settings)
    tls, sock = tls_of(made.settings), bind(host, port)
    stop = stop_on_signals()
    follow_parent()
    with opened(made) as courier:
        click.echo(f"CourierX takes mail on {host} port {sock.getsockname()[1]}.")
        intake = Intake(courier, made.settings.inbound_addresses)
        Listener(sock, intake, name=host_name(made.settings), tls=tls).serve(stop)


def read_mailbox(every: float, *, once: bool) -> None:
    """Empty the mailbox of the settings, once or until told to stop."""
    from courierx_app.cli.stopping import stop_on_signals
    from courierx_app.container import opened
    from courierx_app.inbound.intake import Intake
    from courierx_app.inbound.mailbox import Mailbox, parse_url
    from courierx_app.logs import configure

    made = configuration()
    configure(made.settings)
    url, stop = parse_url(made.settings.inbound_imap_url), stop_on_signals()
    with opened(made) as courier:
        mailbox = Mailbox(url, Intake(courier))
        if once:
            click.echo(f"{mailbox.look(stop):,} taken.")
        else:
            mailbox.watch(stop, every)


def deliver(to: str) -> int:
    """Take in the mail on standard input; return the exit status for the MTA."""
    try:
        from courierx_app.logs import configure
        from courierx_core.feedback.inbound import take_in
        from courierx_core.mail.incoming import RAW_MAX

        configure(configuration().settings)
        raw = sys.stdin.buffer.read(RAW_MAX)
        while sys.stdin.buffer.read(RAW_MAX):
            pass  # an MTA whose pipe breaks bounces the bounce
        with courier(acts=False) as made:
            fate = take_in(made, raw, to=to)
    except Exception as trouble:
        # A traceback would be exit status 1, which Postfix and Exim answer to the sender.
        click.echo(f"courierx: the mail was not taken: {trouble}", err=True)
        return EX_TEMPFAIL
    click.echo(fate, err=True)
    return 0


def recipient(environ: Mapping[str, str]) -> str:
    """Return the recipient that an MTA tells its pipes: Postfix's local(8), sendmail's, Exim's variables."""
    for name in ("ORIGINAL_RECIPIENT", "RECIPIENT"):
        if environ.get(name):
            return environ[name]
    local, domain = environ.get("LOCAL_PART", ""), environ.get("DOMAIN", "")
    return f"{local}@{domain}" if local and domain else ""
