"""Whose act a command is: what it changes is in the audit log, under the name of who ran it."""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator
from contextlib import contextmanager

import click

from courierx_core.audit import ACT, Act


@contextmanager
def acting() -> Iterator[None]:
    """Note what is changed meanwhile as an act of this command, without its arguments: they name people."""
    words = click.get_current_context().command_path.split()[1:]
    token = ACT.set(Act(f"user {_user()}", " ".join(["courierx", *words]), "", {}))
    try:
        yield
    finally:
        ACT.reset(token)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container runs as a number that has no name
        return str(os.getuid())
