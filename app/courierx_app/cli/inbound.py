"""`courierx inbound`: takes the mail that comes back."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping

import click

from courierx_app.cli.opening import courier

EX_TEMPFAIL = 75
"""sysexits.h: whoever runs us keeps the mail and tries again."""


@click.command()
@click.option("--pipe", is_flag=True, help="Take one mail from standard input, for an alias of your MTA.")
@click.option("--to", default="", help="With --pipe: the address it came to; the MTA's variables by default.")
def inbound(pipe: bool, to: str) -> None:
    """Take bounces, complaints and automatic answers, each noted at the delivery it is about.

    With --pipe the exit status is 0 once the mail is stored or dropped, and 75 (EX_TEMPFAIL) for every
    trouble of ours, so that the MTA tries again and never answers the sender.
    """
    if not pipe:
        raise click.UsageError("choose how mail comes in: --pipe")
    sys.exit(deliver(to or recipient(os.environ)))


def deliver(to: str) -> int:
    """Take in the mail on standard input; return the exit status for the MTA."""
    try:
        from courierx_app.logs import configure
        from courierx_core.feedback.inbound import take_in
        from courierx_core.mail.incoming import RAW_MAX

        configure()
        raw = sys.stdin.buffer.read(RAW_MAX)
        while sys.stdin.buffer.read(RAW_MAX):
            pass  # an MTA whose pipe breaks bounces the bounce
        with courier() as made:
            fate = take_in(made, raw, to=to)
    except Exception as trouble:
        # A traceback would be exit status 1, which Postfix and Exim answer to the sender.
        logging.getLogger("courierx_app.inbound").error("the mail was not taken: %s", trouble)
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
