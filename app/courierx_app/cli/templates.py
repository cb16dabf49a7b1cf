"""`courierx templates check`: does a template compile and render? It needs no database."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click
import msgspec

from courierx_app.cli.opening import configuration
from courierx_app.cli.output import emit, json_option
from courierx_core.errors import InvalidInput

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def templates() -> None:
    """Check a template."""


@templates.command()
@click.argument("file", type=_FILE)
@click.option("--data", type=_FILE, help="A JSON file: the variables to render with.")
@json_option
def check(file: Path, data: Path | None, as_json: bool) -> None:
    """Compile a template and render it for a sample recipient; exit 1 where it is not valid.

    A file that is called .html or holds a tag is the HTML part, any other the text part.
    """
    answer = verdict(file, variables(data))
    if as_json:
        emit(answer)
    elif answer.valid:
        for warning in answer.warnings:
            click.echo(f"Warning: {warning}", err=True)
        click.echo(answer.output)
    else:
        click.echo(f"{file} line {answer.line}: {answer.reason}", err=True)
    sys.exit(0 if answer.valid else 1)


class Answer(msgspec.Struct, frozen=True):
    """What `--json` prints."""

    valid: bool
    line: int = 0
    reason: str = ""
    warnings: Sequence[str] = ()
    output: str = ""


def verdict(file: Path, given: dict[str, object]) -> Answer:
    """Check a file, whatever its bytes."""
    from courierx_app.container import hooks_of
    from courierx_core.templates import check as checking
    from courierx_core.templates.model import Template
    from courierx_core.templates.service import parts_of

    try:
        source = file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        line = problem.object[: problem.start].count(b"\n") + 1
        reason = f"byte {problem.start} is not UTF-8; save the file as UTF-8"
        return Answer(False, line, reason)
    html, text = (source, "") if file.suffix.lower() in (".html", ".htm") else parts_of(source, "", "")
    template = Template(tenant_id=0, name=file.name, subject="", html=html, text=text)
    found = checking.check(template, given, hooks_of(configuration().settings).template_filters())
    output = found.output.get("html" if html else "text", "")
    return Answer(found.valid, found.line, found.reason, found.warnings, output)


def variables(file: Path | None) -> dict[str, object]:
    """Read the variables. Raises InvalidInput unless the file holds a JSON object."""
    if file is None:
        return {}
    try:
        return msgspec.json.decode(file.read_bytes(), type=dict[str, object])
    except msgspec.DecodeError as problem:
        raise InvalidInput.of("--data", "invalid", f"{file} is no JSON object: {problem}") from None
