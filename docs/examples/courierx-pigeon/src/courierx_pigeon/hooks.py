"""Two hooks: an observer of what was sent, and a command that signs a webhook for trying things out."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import click

from courierx_core import Outcome, hookimpl
from courierx_pigeon.feedback import signature

log = logging.getLogger(__name__)


class PigeonHooks:
    """Made once per process; an observer that raises would be logged and not asked again."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()

    @hookimpl
    def courierx_after_send(self, results: Sequence[Outcome]) -> None:
        counted = Counter(outcome.state for outcome in results)
        self.seen += counted
        log.debug("sent: %s", dict(counted))

    @hookimpl(optionalhook=True)
    def courierx_register_commands(self, cli: click.Group) -> None:
        cli.add_command(pigeon)


@click.group()
def pigeon() -> None:
    """Try Pigeon Post's webhooks out."""


@pigeon.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--secret", envvar="PIGEON_WEBHOOK_SECRET", required=True)
def sign(file: Path, secret: str) -> None:
    """Print the Pigeon-Signature header for a file, valid for five minutes."""
    stamp = str(int(time.time()))
    click.echo(f"Pigeon-Signature: t={stamp},v1={signature(secret, stamp, file.read_bytes())}")
