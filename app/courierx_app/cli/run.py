"""How a command ends: one clear line and a status, never a traceback that nobody asked for."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from courierx_core.errors import CourierXError

INTERRUPTED = 130
BROKEN_PIPE = 141
DEBUG = "COURIERX_DEBUG"


def run(command: click.Command, arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit status. With COURIERX_DEBUG=1 what it raises is raised."""
    try:
        result = command.main(args=arguments and list(arguments), prog_name="courierx", standalone_mode=False)
        sys.stdout.flush()
        # click returns the code of a `ctx.exit()` as the result.
        return result if isinstance(result, int) else 0
    except click.ClickException as problem:
        problem.show()
        return problem.exit_code
    except (click.Abort, KeyboardInterrupt):
        return _said("interrupted", INTERRUPTED)
    except BrokenPipeError:
        # Whoever read us has gone; keep the interpreter from flushing into the closed pipe at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except Exception as problem:
        if os.environ.get(DEBUG, "").strip():
            raise
        if isinstance(problem, CourierXError):
            return _said(str(problem), 1)
        return _said(
            f"unexpected {type(problem).__name__}: {_first_line(problem)} ({DEBUG}=1 shows where)", 1
        )


def _said(text: str, status: int) -> int:
    for line in text.splitlines() or [""]:
        click.echo(f"courierx: {line}", err=True)
    return status


def _first_line(problem: Exception) -> str:
    return (str(problem).splitlines() or [""])[0]
