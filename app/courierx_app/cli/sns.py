"""`courierx sns verify`: would `POST /events/sns` believe this body, and what would it hear? No database."""

from __future__ import annotations

import sys
from typing import BinaryIO

import click

from courierx_app.cli.opening import configuration
from courierx_app.cli.output import emit, json_option


@click.group()
def sns() -> None:
    """Check a notification of Amazon SNS."""


@sns.command()
@click.argument("file", type=click.File("rb"))
@click.option("--source", default="sns", show_default=True, help="The feedback source, as its URL names it.")
@json_option
def verify(file: BinaryIO, source: str, as_json: bool) -> None:
    """Say whether FILE (or `-`), a request's body, would be believed, and what it reports; 1 if not."""
    from courierx_app.container import chosen, runtime_of
    from courierx_core.errors import CourierXError, NotFound
    from courierx_core.plugins import FEEDBACK
    from courierx_core.ports.feedback import FeedbackSource, HttpRequest

    made = configuration()
    found = next((each for each in chosen(made) if (each.slot, each.name) == (FEEDBACK, source)), None)
    if found is None:
        raise NotFound(f"Nothing listens at /events/{source}.")
    driver: FeedbackSource[object] = found.make(runtime_of(made))  # type: ignore[type-var]
    asked = HttpRequest(method="POST", path=f"/events/{source}", query={}, headers={}, body=file.read())
    try:
        driver.verify(asked)
        told, why = list(driver.parse(asked)), ""
    except CourierXError as problem:
        told, why = [], str(problem)
    finally:
        driver.close()
    if as_json:
        emit({"believed": not why, "why": why, "feedback": told})
    else:
        click.echo(f"not believed: {why}" if why else "believed")
        for each in told:
            about = each.send_id or each.provider_id
            click.echo(f"{each.kind} {each.recipient} {each.at.isoformat()} {about}: {each.reply}")
    sys.exit(1 if why else 0)
