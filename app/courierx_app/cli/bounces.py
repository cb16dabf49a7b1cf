"""`courierx bounces parse`: what does a message that came back say? It needs no database."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from courierx_app.cli.output import emit, json_option

if TYPE_CHECKING:
    from courierx_core.mail.bounce_class import BounceClass
    from courierx_core.mail.report import Report, ReportKind


@click.group()
def bounces() -> None:
    """Read bounces and complaints."""


@bounces.command()
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@json_option
def parse(files: Sequence[Path], as_json: bool) -> None:
    """Say what each FILE, a message as it came, reports about whose mail; a line per file."""
    from courierx_core.mail.incoming import parse

    for file in files:
        name = str(file).encode("utf-8", "replace").decode()
        with file.open("rb") as stream:
            told = answer(name, parse(stream.read()))
        if as_json:
            emit(told)
        else:
            click.echo(f"{name}: {sentence(told)}")


class Recipient(msgspec.Struct, frozen=True):
    address: str
    status: str
    cls: BounceClass | None = msgspec.field(name="class")
    action: str
    diagnostic: str


class Answer(msgspec.Struct, frozen=True):
    """What `--json` prints for a file."""

    file: str
    kind: ReportKind
    recipients: Sequence[Recipient]
    send_id: str


def answer(name: str, report: Report) -> Answer:
    people = [
        Recipient(each.address, each.status, each.bounce, each.action, each.diagnostic)
        for each in report.recipients
    ]
    return Answer(name, report.kind, people, report.send_id)


def sentence(told: Answer) -> str:
    """Say it on one line."""
    words = [(each.address or "somebody", each.cls, each.status) for each in told.recipients]
    people = ", ".join(" ".join(filter(None, each)) for each in words)
    return f"{told.kind}{' of ' if people else ''}{people}"
