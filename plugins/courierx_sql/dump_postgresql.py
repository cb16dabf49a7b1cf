"""PostgreSQL's own tools, pg_dump and pg_restore, on the database that the store names."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from courierx_core.errors import StoreError

FILTERED = "row-level security"


def dump(conninfo: str, path: Path, environ_path: str) -> None:
    """Write a custom-format archive, as of one moment."""
    _run("pg_dump", ["--format=custom", f"--file={path}"], conninfo, environ_path)


def load(conninfo: str, path: Path, environ_path: str) -> None:
    """Load an archive in one transaction; its tables belong to whoever loads it."""
    arguments = ["--exit-on-error", "--single-transaction", "--no-owner", str(path)]
    _run("pg_restore", arguments, conninfo, environ_path)


def _run(tool: str, arguments: list[str], conninfo: str, environ_path: str) -> None:
    found = shutil.which(tool, path=environ_path)
    if found is None:
        command = f'{tool} {" ".join(arguments)} --dbname="$DATABASE_URL"'
        raise StoreError(
            f"{tool} is not on the PATH. Install PostgreSQL's client, or run elsewhere: {command}"
        )
    parts = {name: str(value) for name, value in conninfo_to_dict(conninfo).items() if value is not None}
    password = parts.pop("password", "")
    # an argument is there for every user of the machine to see; a variable is not
    environ = {**os.environ, **({"PGPASSWORD": password} if password else {})}
    done = subprocess.run(  # noqa: S603
        [found, *arguments, "--no-password", f"--dbname={make_conninfo('', **parts)}"],
        env=environ,
        capture_output=True,
        text=True,
    )
    if done.returncode == 0:
        return
    said = next((line for line in done.stderr.splitlines() if line.strip()), f"status {done.returncode}")
    if FILTERED in done.stderr:
        said += " Name a login that sees every tenant's rows (BYPASSRLS) in DATABASE_URL for this."
    raise StoreError(f"{tool}: {said.removeprefix(f'{tool}: ')}")
